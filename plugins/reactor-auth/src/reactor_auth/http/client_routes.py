"""OAuth clients of organisations, and what users allowed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.errors import OrgRequired
from reactor_auth.http import bodies, render
from reactor_auth.oauth_model import CONFIDENTIAL, Client, ClientChange, Consent

if TYPE_CHECKING:
    import falcon


class ClientPatch(msgspec.Struct):
    """`PATCH /oauth/clients/{client_id}`; null or absent leaves a thing as it is."""

    name: str | None = None
    redirect_uris: list[str] | None = None
    post_logout_redirect_uris: list[str] | None = None
    scopes: list[str] | None = None
    grants: list[str] | None = None
    logo_url: str | None = None


class ClientCreate(ClientPatch, kw_only=True):
    """`POST /oauth/clients`."""

    type: str = CONFIDENTIAL
    org_id: str | None = None


class FirstParty(msgspec.Struct):
    """`PATCH /_admin/oauth/clients/{client_id}`."""

    first_party: bool


class ClientsResource:
    """`/oauth/clients`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the clients of the active organisation."""
        ref = _org(req, req.get_param("org_id"))
        resp.media = [client(found) for found in self._auth.provider.registry.all(render.caller_of(req), ref)]

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Register a client; the secret of a confidential one is in this answer only."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, ClientCreate)
        registered, secret = self._auth.provider.registry.register(
            caller, _org(req, body.org_id), body.type, _change(body)
        )
        render.no_store(resp)
        resp.status = "201 Created"
        resp.media = _with_secret(registered, secret)


class ClientResource:
    """`/oauth/clients/{client_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, client_id: str) -> None:
        """Return a client."""
        resp.media = client(self._auth.provider.registry.one(render.caller_of(req), client_id))

    def on_patch(self, req: falcon.Request, resp: falcon.Response, client_id: str) -> None:
        """Change a client."""
        caller = render.caller_of(req)
        change = _change(bodies.read_json(req, ClientPatch))
        resp.media = client(self._auth.provider.registry.change(caller, client_id, change))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, client_id: str) -> None:
        """Delete a client and end its sessions."""
        self._auth.provider.registry.delete(render.caller_of(req), client_id)
        resp.status = "204 No Content"


class ClientSecretResource:
    """`/oauth/clients/{client_id}/secret`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response, client_id: str) -> None:
        """Give a client a new secret, shown in this answer only."""
        changed, secret = self._auth.provider.registry.rotate_secret(render.caller_of(req), client_id)
        render.no_store(resp)
        resp.media = _with_secret(changed, secret)


class ClientAdminResource:
    """`/_admin/oauth/clients/{client_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_patch(self, req: falcon.Request, resp: falcon.Response, client_id: str) -> None:
        """Say whether users are spared the question whether they trust a client."""
        body = bodies.read_json(req, FirstParty)
        changed = self._auth.provider.registry.set_first_party(client_id, body.first_party, render.origin_of(req))
        resp.media = client(changed)


class ConsentsResource:
    """`/user/consents`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List what the caller allowed."""
        resp.media = [consent(found) for found in self._auth.provider.consents.all(render.caller_of(req).user_id)]


class ConsentResource:
    """`/user/consents/{client_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, client_id: str) -> None:
        """Withdraw a consent and end the sessions it led to."""
        self._auth.provider.consents.withdraw(render.caller_of(req), client_id)
        resp.status = "204 No Content"


def client(value: Client) -> dict[str, Any]:
    """Render a client, never its secret."""
    return {
        "client_id": value.client_id,
        "name": value.name,
        "type": value.type,
        "redirect_uris": list(value.redirect_uris),
        "post_logout_redirect_uris": list(value.post_logout_redirect_uris),
        "scopes": list(value.scopes),
        "grants": list(value.grants),
        "org_id": None if value.org_id is None else str(value.org_id),
        "owner_id": None if value.owner_id is None else str(value.owner_id),
        "logo_url": value.logo_url,
        "first_party": value.first_party,
        "created_at": None if value.created_at is None else render.instant(value.created_at),
        "updated_at": None if value.updated_at is None else render.instant(value.updated_at),
    }


def consent(value: Consent) -> dict[str, Any]:
    """Render a consent."""
    return {
        "client_id": value.client.client_id,
        "name": value.client.name,
        "logo_url": value.client.logo_url,
        "scopes": list(value.scopes),
        "granted_at": render.instant(value.granted_at),
    }


def _with_secret(value: Client, secret: str | None) -> dict[str, Any]:
    return client(value) if secret is None else {**client(value), "client_secret": secret}


def _change(body: ClientPatch) -> ClientChange:
    def listed(values: list[str] | None) -> tuple[str, ...] | None:
        return None if values is None else tuple(values)

    return ClientChange(
        name=body.name,
        redirect_uris=listed(body.redirect_uris),
        post_logout_redirect_uris=listed(body.post_logout_redirect_uris),
        scopes=listed(body.scopes),
        grants=listed(body.grants),
        logo_url=body.logo_url,
    )


def _org(req: falcon.Request, named: str | None) -> str:
    ref = named or req.context.identity.org_id
    if not ref:
        raise OrgRequired
    return str(ref)
