"""The grants of the OAuth provider at `POST /token`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor_auth.http import bodies, render
from reactor_auth.http.client_authentication import client_of, named_client, texts
from reactor_auth.oauth_errors import InvalidScope, UnauthorizedClient
from reactor_auth.oauth_model import CLIENT_CREDENTIALS, CODE, DEVICE, REFRESH, Client, Issued

if TYPE_CHECKING:
    import falcon

    from reactor_auth.assembly import Auth


def authorization_code(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange an authorization code (RFC 6749 §4.1.3)."""
    client = _client_for(auth, body, req, CODE)
    issued = auth.provider.authorizations.exchange(
        client,
        bodies.required(body.code, "code"),
        bodies.required(body.code_verifier, "code_verifier"),
        bodies.required(body.redirect_uri, "redirect_uri"),
        render.origin_of(req),
    )
    return rendered(issued)


def client_credentials(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Give a client a token of its own (RFC 6749 §4.4)."""
    client = _client_for(auth, body, req, CLIENT_CREDENTIALS)
    return rendered(auth.provider.machines.issue(client, body.scope, render.origin_of(req)))


def device_code(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Answer a device that asks whether it was approved (RFC 8628 §3.4)."""
    client = _client_for(auth, body, req, DEVICE)
    code = bodies.required(body.device_code, "device_code")
    answer = rendered(auth.provider.devices.poll(client, code, render.origin_of(req)))
    # Devices read `scope` whatever it is (contract auth.md §3.16).
    return {"scope": "", **answer}


def presenter_of(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> Any:
    """Return who presents a refresh token: the client the request names, if any."""
    from reactor_auth import oauth_scopes
    from reactor_auth.service.bindings import Presenter

    client = None
    if named_client(req, texts(body)) is not None:
        client = client_of(auth, req, texts(body))
        if not client.is_built_in and REFRESH not in client.grants:
            raise UnauthorizedClient(f"the client may not use the grant {REFRESH}")
    scopes = None
    if body.scope:
        scopes = oauth_scopes.split(body.scope)
        if scopes is None:
            raise InvalidScope("scope is not a list of scopes")
    return Presenter(client, scopes)


def _client_for(auth: Auth, body: bodies.TokenRequest, req: falcon.Request, grant: str) -> Client:
    client = client_of(auth, req, texts(body))
    if grant not in client.grants:
        raise UnauthorizedClient(f"the client may not use the grant {grant}")
    return client


def rendered(issued: Issued) -> dict[str, Any]:
    """Render what a client gets (contract auth.md §3.2); `scope` and `id_token` only where there is something to say."""
    body: dict[str, Any] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "expires_at": render.instant(issued.expires_at),
    }
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
    if issued.scopes:
        body["scope"] = " ".join(issued.scopes)
    if issued.id_token is not None:
        body["id_token"] = issued.id_token
    if issued.user is not None:
        body["user"] = render.user(issued.user)
    return body
