"""What every capability asks of identity: who is this, in which organisation, with which permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from reactor_kernel.contracts.identity import Identity

OrgRef = NewType("OrgRef", str)
"""An organisation as a caller names it: a UUID, otherwise a slug."""


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified access token (contract auth.md §4.2). Times are seconds since the epoch."""

    subject: str
    expires_at: int
    raw: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user as other capabilities may see it."""

    id: str
    email: str
    email_verified: bool
    metadata: Mapping[str, object]
    default_org_id: str | None
    created_at: datetime
    disabled_at: datetime | None


class AuthClient(Protocol):
    """Identity for other plugins: local in process, or remote over HTTP; the same answers either way."""

    def verify_token(self, token: str) -> Claims:
        """Check signature, issuer, audience and times of an access token; no database.

        Raises:
            InvalidCredential: `invalid_token`, or `token_expired` for an expired `exp` only.
        """
        ...

    def resolve(
        self, token: str, org: OrgRef | None = None, *, capability: str | None = None, writes: bool = True
    ) -> Identity:
        """Turn a credential (access, delegated or service token, or API key) into an identity in `org`, else its default organisation.

        Membership, session and permissions come from the database, cached for at most 30 s.

        Row-level security knows the user and not the application whose token it is. So name `capability`, the plugin that
        asks: the token of an application (an OAuth client) is then refused unless its scopes name that one, and where they
        only let it read there, unless `writes` is false. Requests that reach a route have been asked this already.

        Raises:
            InvalidCredential: 401 for every fault of the credential.
            NotFound: `org_not_found` for an unknown organisation.
            Forbidden: `not_org_member`, `user_disabled`, `mfa_required`; `permission_denied` for an application's token.
        """
        ...

    def mint_service_identity(self, org: OrgRef, caller: str, scopes: Sequence[str]) -> str:
        """Return a signed token of five minutes with which the service `caller` acts in one organisation (decision 18).

        `resolve` turns it into an identity of kind SERVICE whose permissions are exactly `scopes`, in that organisation
        only and subject to row-level security. Nobody checks whether the caller should have the scopes: mint only what
        the task at hand needs, and hand the token to nobody else.

        Raises:
            NotFound: `org_not_found`.
            ValidationError: a scope is no permission, or `caller` no name such as `functions`.
        """
        ...

    def identity_of(self, user_id: str, org: OrgRef | None = None) -> Identity:
        """Describe who a user would be after signing in, in `org`, else its default organisation.

        The user's id may be written as a token's subject has it, `user_…`. For explaining decisions, and for acting by a
        credential that the user gave out itself and that is bound to it, such as an S3 access key; there is no session behind
        it. Its claims are those of a token, without times, `session_id`, factors and what other plugins add to tokens.

        Raises:
            NotFound: `user_not_found`, `org_not_found`.
            Forbidden: `not_org_member`, `user_disabled`.
        """
        ...

    def user(self, user_id: str) -> UserRecord:
        """Return a user. Raises NotFound `user_not_found`."""
        ...

    def check(self, identity: Identity, permissions: Sequence[str]) -> Mapping[str, bool]:
        """Tell for each permission whether the identity holds it in its active organisation."""
        ...

    def jwks(self) -> Mapping[str, object]:
        """Return the published key set (RFC 7517)."""
        ...
