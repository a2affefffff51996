"""Who a user would be after signing in, for explaining decisions about it; nobody signs in."""

from __future__ import annotations

from uuid import UUID

import msgspec

from reactor_auth.errors import NotOrgMember, OrgNotFound, UserDisabled, UserNotFound
from reactor_auth.queries import access as sql
from reactor_auth.resolver import parse_ref
from reactor_kernel.api import Database, DbRole, Identity, IdentityKind


def identity_of(db: Database, user_id: str, org: str | None) -> Identity:
    """Describe a user in an organisation, else in its default one, else in none; see `contracts.AuthClient.identity_of`.

    Raises:
        UserNotFound, UserDisabled, OrgNotFound, NotOrgMember
    """
    try:
        key = UUID(user_id.removeprefix("user_"))  # as a token's subject has it
    except ValueError:
        raise UserNotFound from None
    found = db.run(None, [sql.standing(key, None if org is None else parse_ref(org))], readonly=True)[0]
    if not found.rows:
        raise UserNotFound
    disabled, org_id, role, permissions, email, default_org, orgs = found.rows[0]
    if disabled == b"t":
        raise UserDisabled
    if org is not None and org_id is None:
        raise OrgNotFound
    if role is None:
        if org is not None:
            raise NotOrgMember
        org_id = None
    claims: dict[str, object] = {"amr": [], "orgs": msgspec.json.decode(orgs) if orgs else []}
    if email:
        claims["email"] = email.decode()
    if default_org is not None:
        claims["default_org"] = default_org.decode()
    return Identity(
        kind=IdentityKind.USER,
        subject=f"user_{key}",
        db_role=DbRole.AUTHENTICATED,
        user_id=str(key),
        org_id=None if org_id is None else org_id.decode(),
        org_role=None if role is None else role.decode(),
        permissions=frozenset(msgspec.json.decode(permissions, type=list[str])) if permissions else frozenset(),
        claims=claims,
    )
