"""The grant of token exchange (RFC 8693): an access token against one that may do less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.delegation import Delegated

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"


def token_exchange(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange a user's access token against a delegated one; `org` or X-Reactor-Org names the organisation."""
    if not body.subject_token:
        raise invalid_field("subject_token", "is required")
    for name in ("subject_token_type", "requested_token_type"):
        wanted = getattr(body, name)
        if wanted != ACCESS_TOKEN_TYPE and (wanted is not None or name == "subject_token_type"):
            raise invalid_field(name, f"must be {ACCESS_TOKEN_TYPE}")
    if body.actor_token is not None:
        raise invalid_field("actor_token", "is not supported; name who acts by audience")
    identity = auth.resolve(body.subject_token, body.org or req.get_header("X-Reactor-Org") or None)
    caller = render.caller_as(identity, req)
    scopes = (body.scope or "").split()
    return delegated(auth.delegation.delegate(caller, identity, scopes, audience=body.audience))


def delegated(value: Delegated) -> dict[str, Any]:
    """Render a delegated token as RFC 8693 §2.2.1 does."""
    return {
        "access_token": value.access_token,
        "issued_token_type": ACCESS_TOKEN_TYPE,
        "token_type": "Bearer",
        "expires_in": value.expires_in,
        "expires_at": render.instant(value.expires_at),
        "scope": " ".join(value.scopes),
        "scopes": list(value.scopes),
        "org_id": value.org_id,
    }
