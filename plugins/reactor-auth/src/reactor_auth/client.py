"""The `AuthClient` contract, in process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from reactor_auth.assembly import Auth
from reactor_auth.client_tokens import demand_scope
from reactor_auth.errors import UserNotFound
from reactor_auth.standing import identity_of
from reactor_kernel.api import Claims, Identity, OrgRef, UserRecord


class LocalAuthClient:
    """Answers other plugins from this process' keys, caches and database."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def verify_token(self, token: str) -> Claims:
        """Check an access token; see `contracts.AuthClient`."""
        return self._auth.resolver.verify(token).claims

    def resolve(
        self, token: str, org: OrgRef | None = None, *, capability: str | None = None, writes: bool = True
    ) -> Identity:
        """Turn a credential into an identity; see `contracts.AuthClient`."""
        identity = self._auth.resolve(token, org)
        demand_scope(identity, capability, writes=writes)
        return identity

    def mint_service_identity(self, org: OrgRef, caller: str, scopes: Sequence[str]) -> str:
        """Make the token a service names itself with; see `contracts.AuthClient`."""
        return self._auth.delegation.service_token(org, caller, scopes)

    def identity_of(self, user_id: str, org: OrgRef | None = None) -> Identity:
        """Describe who a user would be; see `contracts.AuthClient`."""
        return identity_of(self._auth.db, user_id, org)

    def user(self, user_id: str) -> UserRecord:
        """Return a user. Raises NotFound `user_not_found`."""
        try:
            key = UUID(user_id)
        except ValueError:
            raise UserNotFound from None
        found = self._auth.profiles.user(key)
        return UserRecord(
            id=str(found.id),
            email=found.email,
            email_verified=found.email_verified,
            metadata=found.metadata,
            default_org_id=None if found.default_org_id is None else str(found.default_org_id),
            created_at=found.created_at,
            disabled_at=found.disabled_at,
        )

    def check(self, identity: Identity, permissions: Sequence[str]) -> Mapping[str, bool]:
        """Tell for each permission whether the identity holds it."""
        return {permission: identity.may(permission) for permission in permissions}

    def jwks(self) -> Mapping[str, object]:
        """Return the published key set."""
        return self._auth.keys.jwks()
