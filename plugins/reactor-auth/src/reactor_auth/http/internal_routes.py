"""What other processes of the platform ask this one (contract auth.md §3.15)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.client import LocalAuthClient
from reactor_auth.errors import UserNotFound, invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.remote import wire_identity
from reactor_kernel.api import OrgRef, Unauthenticated

if TYPE_CHECKING:
    import falcon

HEADER = "X-Reactor-Internal-Secret"


class ResolveRequest(msgspec.Struct):
    """`POST /_internal/resolve_ctx`; token and organisation may stand in headers instead.

    `user_id` in the place of a token asks who that user would be.
    """

    token: str | None = None
    requested_org: str | None = None
    user_id: str | None = None


class ServiceTokenRequest(msgspec.Struct):
    """`POST /_internal/service_token`."""

    org: str
    caller: str
    scopes: list[str]


class InternalSecret:
    """The secret that the processes of one platform share."""

    def __init__(self, secret: str) -> None:
        self._digest = hashlib.sha256(secret.encode()).digest()

    def demand(self, req: falcon.Request) -> None:
        """Raise unless the request carries the secret; compared in constant time."""
        offered = (req.get_header(HEADER) or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(hashlib.sha256(offered).digest(), self._digest):
            raise Unauthenticated("the internal secret is missing or wrong")


class ResolveContextResource:
    """`POST /_internal/resolve_ctx`."""

    def __init__(self, auth: Auth, secret: InternalSecret) -> None:
        self._auth = auth
        self._secret = secret

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Resolve the credential in the body, else the one in the Authorization header.

        Whether an application's token may be used for something is asked by the process that uses it (`client_tokens`).
        """
        self._secret.demand(req)
        raw = req.bounded_stream.read()
        wanted = bodies.decode(raw, ResolveRequest) if raw.strip() else ResolveRequest()
        named = wanted.requested_org or req.get_header("X-Reactor-Org") or None
        org = None if named is None else OrgRef(named)
        if wanted.user_id is not None and wanted.token is None:
            identity = LocalAuthClient(self._auth).identity_of(wanted.user_id, org)
        else:
            identity = self._auth.resolve(wanted.token or _bearer(req), org)
        context = {
            "claims": identity.claims,
            "active_org": identity.org_id,
            "permissions": sorted(identity.permissions),
        }
        render.no_store(resp)
        resp.media = {**context, "ctx": context, "identity": wire_identity(identity)}


class ServiceTokenResource:
    """`POST /_internal/service_token`."""

    def __init__(self, auth: Auth, secret: InternalSecret) -> None:
        self._client = LocalAuthClient(auth)
        self._secret = secret

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make the token a service of the platform names itself with."""
        self._secret.demand(req)
        wanted = bodies.read_json(req, ServiceTokenRequest)
        render.no_store(resp)
        resp.media = {"token": self._client.mint_service_identity(OrgRef(wanted.org), wanted.caller, wanted.scopes)}


class InternalUserResource:
    """`GET /users/{user_id}`."""

    def __init__(self, auth: Auth, secret: InternalSecret) -> None:
        self._auth = auth
        self._secret = secret

    def on_get(self, req: falcon.Request, resp: falcon.Response, user_id: str) -> None:
        """Return a user with what only the platform sees."""
        self._secret.demand(req)
        try:
            key = UUID(user_id)
        except ValueError:
            raise UserNotFound from None
        found = self._auth.profiles.user(key)
        render.no_store(resp)
        resp.media = {
            **render.user(found),
            "updated_at": render.instant(found.updated_at),
            "disabled_at": None if found.disabled_at is None else render.instant(found.disabled_at),
        }


def _bearer(req: falcon.Request) -> str:
    scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        # Not `unauthorized`, which says that the secret is wrong.
        raise invalid_field("token", "is required, in the body or as Authorization: Bearer <token>")
    return token.strip()
