"""Who a request says it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_auth.api_keys import PREFIX as KEY_PREFIX
from reactor_auth.assembly import Auth
from reactor_auth.client_tokens import demand_reach
from reactor_kernel.api import Identity, InvalidCredential, Unauthenticated

if TYPE_CHECKING:
    import falcon


class Credentials:
    """Reads `Authorization: Bearer`, else `X-Reactor-Api-Key`, and `X-Reactor-Org`."""

    def __init__(self, auth: Auth) -> None:
        self._resolve = auth.resolve
        self._resolver = auth.resolver
        self._own = f"{auth.prefix}/"
        self._name = auth.name
        # Of this plugin's routes only these concern the active organisation; a client configured with an organisation
        # it was removed from must still be able to log out, to see its account and to choose another one.
        self._org_bound = tuple(
            f"{auth.prefix}{path}"
            for path in ("/permissions", "/roles", "/api-keys", "/keys", "/tokens/delegate", "/oauth/clients")
        )
        self._named_org = f"{auth.prefix}/orgs/"

    def identify(self, request: falcon.Request) -> Identity | None:
        """Return the identity of a bearer token or API key; None where the request carries none.

        Raises:
            Unauthenticated: the header has no token, or more than one.
            InvalidCredential, OrgNotFound, NotOrgMember, UserDisabled, MfaRequired
        """
        token = credential_of(request)
        if token is None:
            return None
        org = request.env.get("HTTP_X_REACTOR_ORG") or None
        identity = self._identity(token, org, request.path)
        demand_reach(identity, request.context.owner, self._name, request.method, request.path[len(self._own) - 1 :])
        return identity

    def _identity(self, token: str, org: str | None, path: str) -> Identity:
        if not path.startswith(self._own) or path.startswith(self._org_bound):
            return self._resolve(token, org)
        if path.startswith(self._named_org) and not token.startswith(KEY_PREFIX):
            self._resolver.demand_mfa_in(token, path.removeprefix(self._named_org).partition("/")[0])
        # Enrolling and verifying a second factor must be possible without one.
        return self._resolve(token, None, may_stay_outside=True)


def credential_of(request: falcon.Request) -> str | None:
    """Return the credential a request carries, if any. Raises Unauthenticated for a malformed header."""
    scheme, _, token = request.env.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        key: str | None = request.env.get("HTTP_X_REACTOR_API_KEY")
        if key is not None and not key.startswith(KEY_PREFIX):
            raise InvalidCredential("X-Reactor-Api-Key must hold an API key")
        return key
    token = token.strip()
    if not token or " " in token:
        raise Unauthenticated("the Authorization header must read: Bearer <token>")
    return str(token)
