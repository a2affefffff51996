"""Tokens that may do less than a user (RFC 8693 §4) or that a service names itself with (decision 18)."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from reactor_auth.errors import NotOrgMember, OrgNotFound
from reactor_auth.queries import access as sql
from reactor_auth.scopes import beyond, intersect
from reactor_auth.tokens import Verified, VerifiedService
from reactor_kernel.api import Claims, Database, DbRole, Identity, IdentityKind, InvalidCredential

# Not `scopes`: that claim holds platform scopes, which nobody can delegate by asking for them.
SCOPE = "scope"
ORG = "org_id"
DELEGATED = "delegated"
DEFAULT_SECS = 300


def org_of(verified: Verified) -> UUID | None:
    """Return the organisation a delegated token is bound to; None for an ordinary access token."""
    return _org(verified.claims) if DELEGATED in verified.claims.raw else None


def confined(identity: Identity, verified: Verified) -> Identity:
    """Return the identity unless the token is delegated, else what user and scopes have in common.

    Raises NotOrgMember where a delegated token is used for another organisation than its own.
    """
    bound = org_of(verified)
    if bound is None:
        return identity
    if identity.org_id != str(bound):
        raise NotOrgMember("the delegated token is bound to another organisation")
    scopes = scopes_of(verified.claims)
    return replace(
        identity,
        kind=IdentityKind.DELEGATED,
        permissions=intersect(identity.permissions, scopes),
        org_role=left_role(identity, scopes),
        scopes=frozenset(),
    )


def left_role(identity: Identity, scopes: frozenset[str]) -> str | None:
    """Return the role's name where the scopes cover all that the role may do: policies read rights from the name."""
    return None if beyond(identity.permissions, scopes) else identity.org_role


def service_identity(db: Database, verified: VerifiedService, named: UUID | str | None) -> Identity:
    """Return the identity of a service in the organisation its token names; it is subject to row-level security.

    Raises:
        OrgNotFound: the organisation is gone.
        NotOrgMember: the request names another one.
    """
    org_id = _org(verified.claims)
    [found] = db.run(None, [sql.org_names(org_id)], readonly=True)
    if not found.rows:
        raise OrgNotFound
    slug = (found.rows[0][0] or b"").decode()
    if not is_named(org_id, slug, named):
        raise NotOrgMember("the service's token is bound to another organisation")
    return Identity(
        kind=IdentityKind.SERVICE,
        subject=verified.claims.subject,
        db_role=DbRole.AUTHENTICATED,
        org_id=str(org_id),
        permissions=scopes_of(verified.claims),
        claims=verified.claims.raw,
    )


def is_named(org_id: UUID, slug: str, named: UUID | str | None) -> bool:
    """Tell whether a reference (None for none) means this organisation."""
    return named is None or (named == org_id if isinstance(named, UUID) else named.lower() == slug.lower())


def scopes_of(claims: Claims) -> frozenset[str]:
    """Return the scopes of a token (RFC 8693 §4.2)."""
    scope = claims.raw.get(SCOPE)
    if not isinstance(scope, str):
        raise InvalidCredential("the access token's scope is not valid")
    return frozenset(scope.split())


def _org(claims: Claims) -> UUID:
    try:
        return UUID(str(claims.raw.get(ORG)))
    except ValueError as fault:
        raise InvalidCredential(f"the access token's {ORG} is not valid") from fault
