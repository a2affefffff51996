"""Who a request says it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth
from reactor_auth.client import refuse_api_key
from reactor_kernel.api import Identity, Unauthenticated

if TYPE_CHECKING:
    import falcon


class Credentials:
    """Reads `Authorization: Bearer` and `X-Reactor-Org`."""

    def __init__(self, auth: Auth) -> None:
        self._resolver = auth.resolver
        self._own = f"{auth.prefix}/"
        # Of this plugin's routes only these concern the active organisation; a client configured with an organisation
        # it was removed from must still be able to log out, to see its account and to choose another one.
        self._org_bound = (f"{auth.prefix}/permissions", f"{auth.prefix}/roles")
        self._named_org = f"{auth.prefix}/orgs/"

    def identify(self, request: falcon.Request) -> Identity | None:
        """Return the identity of a bearer token; None where the request carries none.

        Raises:
            Unauthenticated: the header has no token, or more than one.
            InvalidCredential, OrgNotFound, NotOrgMember, UserDisabled, MfaRequired
        """
        header = request.env.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not token or " " in token:
            raise Unauthenticated("the Authorization header must read: Bearer <token>")
        refuse_api_key(token)
        org = request.env.get("HTTP_X_REACTOR_ORG") or None
        path = request.path
        if not path.startswith(self._own) or path.startswith(self._org_bound):
            return self._resolver.resolve(token, org)
        if path.startswith(self._named_org):
            self._resolver.demand_mfa_in(token, path.removeprefix(self._named_org).partition("/")[0])
        # Enrolling and verifying a second factor must be possible without one.
        return self._resolver.resolve(token, None, may_stay_outside=True)
