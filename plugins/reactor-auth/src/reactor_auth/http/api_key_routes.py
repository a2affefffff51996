"""API keys and delegated tokens."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.delegation import DEFAULT_SECS
from reactor_auth.errors import OrgRequired, invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.http.credentials import credential_of
from reactor_auth.http.exchange import delegated
from reactor_auth.http.key_routes import KeysResource
from reactor_kernel.api import Identity

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.api_keys import ApiKey


class KeyCreate(msgspec.Struct):
    """`POST /api-keys`; `expiresAt` is what the JavaScript client sends."""

    name: str
    scopes: list[str] | None = None
    org_id: str | None = None
    expires_at: str | None = None
    expires_at_camel: str | None = msgspec.field(default=None, name="expiresAt")


class Delegate(msgspec.Struct):
    """`POST /tokens/delegate`."""

    scopes: list[str]
    org: str | None = None
    expires_in: int = DEFAULT_SECS
    audience: str | None = None


class ApiKeysResource:
    """`/api-keys`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the caller's keys."""
        resp.media = {"keys": [_key(key) for key in self._auth.api_keys.of_user(render.caller_of(req))]}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a key."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, KeyCreate)
        org_id = None if body.org_id is None else str(bodies.uuid_of(body.org_id, "org_id"))
        identity = identity_in(self._auth, req, org_id)
        if identity.org_id is None:
            raise OrgRequired
        expires = body.expires_at if body.expires_at is not None else body.expires_at_camel
        key, secret = self._auth.api_keys.create(
            caller,
            identity.org_id,
            body.name,
            body.scopes,
            None if expires is None else _instant(expires),
            identity.permissions,
        )
        render.no_store(resp)
        resp.status = "201 Created"
        resp.media = {**_key(key), "key": secret}


class ApiKeyResource:
    """`DELETE /api-keys/{key_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, key_id: str) -> None:
        """Revoke a key."""
        self._auth.api_keys.revoke(render.caller_of(req), bodies.uuid_of(key_id, "key_id"))
        resp.media = {"message": "The API key is revoked."}


class KeysAndApiKeysResource(KeysResource):
    """`/keys`: the key set, and by `POST` an API key, as the JavaScript client asks for one."""

    def __init__(self, auth: Auth) -> None:
        super().__init__(auth)
        self.on_post = ApiKeysResource(auth).on_post


class DelegateResource:
    """`POST /tokens/delegate`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a delegated token."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, Delegate)
        identity = identity_in(self._auth, req, body.org)
        made = self._auth.delegation.delegate(
            caller, identity, body.scopes, expires_in=body.expires_in, audience=body.audience
        )
        render.no_store(resp)
        resp.media = delegated(made)


def identity_in(auth: Auth, req: falcon.Request, org: str | None) -> Identity:
    """Return the caller's identity in an organisation, the active one for None, as a request there would get it."""
    identity: Identity = req.context.identity
    if org is None:
        return identity
    return auth.resolve(credential_of(req) or "", org)


def _key(value: ApiKey) -> dict[str, Any]:
    return {
        "id": str(value.id),
        "name": value.name,
        "prefix": value.prefix,
        "key_prefix": value.prefix,
        "org_id": str(value.org_id),
        "scopes": list(value.scopes),
        "created_at": render.instant(value.created_at),
        "expires_at": None if value.expires_at is None else render.instant(value.expires_at),
        "last_used_at": None if value.last_used_at is None else render.instant(value.last_used_at),
    }


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise invalid_field("expires_at", "must be an instant with an offset, such as 2030-01-31T12:00:00Z")
    # In whatever zone Postgres shows it, the instant has to be one that Python can hold.
    if not MINYEAR < found.year < MAXYEAR:
        raise invalid_field("expires_at", f"must be between the years {MINYEAR + 1} and {MAXYEAR - 1}")
    return found
