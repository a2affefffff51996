"""Statements about organisations, roles and memberships."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, Select, Update, delete, func, insert, null, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.dml import Insert, ReturningDelete, ReturningInsert, ReturningUpdate

from reactor_auth.queries.users import COLUMNS as USER_COLUMNS
from reactor_auth.tables import memberships, orgs, role_permissions, roles, users

_MFA_REQUIRED_ROLES = (
    select(func.array_agg(aggregate_order_by(roles.c.name, roles.c.name)))
    .where(roles.c.org_id == orgs.c.id, roles.c.mfa_required)
    .correlate(orgs)
    .scalar_subquery()
    .label("mfa_required_roles")
)
_OWN_COLUMNS = (orgs.c.id, orgs.c.slug, orgs.c.name, orgs.c.metadata, orgs.c.created_at, orgs.c.updated_at)
COLUMNS = (*_OWN_COLUMNS, _MFA_REQUIRED_ROLES)


def ref_matches(ref: UUID | str) -> ColumnElement[bool]:
    """Match an organisation by id, or by slug without regard to case."""
    return orgs.c.id == ref if isinstance(ref, UUID) else func.lower(orgs.c.slug) == ref.lower()


def permissions_of(role_id: ColumnElement[UUID]) -> ColumnElement[list[str] | None]:
    """The sorted permissions of a role, as an array; NULL for a role without any."""
    return (
        select(func.array_agg(aggregate_order_by(role_permissions.c.permission, role_permissions.c.permission)))
        .where(role_permissions.c.role_id == role_id)
        .scalar_subquery()
    )


def insert_org(org_id: UUID, slug: str, name: str, metadata: dict[str, Any], now: datetime) -> ReturningInsert[Any]:
    """Insert an organisation; returns no row where the slug is taken."""
    return (
        pg_insert(orgs)
        .values(id=org_id, slug=slug, name=name, metadata=metadata, created_at=now, updated_at=now)
        .on_conflict_do_nothing(index_elements=[func.lower(orgs.c.slug)])
        # It has no roles yet; an insert has no row to look them up by either.
        .returning(*_OWN_COLUMNS, null().label("mfa_required_roles"))
    )


def insert_roles(rows: list[dict[str, Any]]) -> Insert:
    """Insert roles in one statement."""
    return insert(roles).values(rows)


def insert_permissions(rows: list[dict[str, Any]]) -> Insert:
    """Insert permissions of roles in one statement."""
    return insert(role_permissions).values(rows)


def insert_membership(user_id: UUID, org_id: UUID, role_id: UUID, now: datetime) -> Insert:
    """Make a user a member."""
    return insert(memberships).values(user_id=user_id, org_id=org_id, role_id=role_id, joined_at=now, updated_at=now)


def by_ref(ref: UUID | str, *, lock: bool = False) -> Select[Any]:
    """Find an organisation. `lock` serialises everything that may change who owns it."""
    statement = select(*COLUMNS).where(ref_matches(ref))
    return statement.with_for_update(key_share=True) if lock else statement


def standing(org_id: UUID, user_id: UUID) -> Select[Any]:
    """Read a member's role and its permissions."""
    return (
        select(
            roles.c.id.label("role_id"),
            roles.c.name,
            permissions_of(roles.c.id).label("permissions"),
            roles.c.mfa_required,
        )
        .join(memberships, memberships.c.role_id == roles.c.id)
        .where(memberships.c.org_id == org_id, memberships.c.user_id == user_id)
    )


def of_user(user_id: UUID, limit: int, offset: int) -> Select[Any]:
    """List a user's organisations, newest first."""
    return (
        select(*COLUMNS)
        .join(memberships, memberships.c.org_id == orgs.c.id)
        .where(memberships.c.user_id == user_id)
        .order_by(orgs.c.created_at.desc(), orgs.c.id.desc())
        .limit(limit)
        .offset(offset)
    )


def summaries_of_user(user_id: UUID) -> Select[Any]:
    """List id, slug and role name of a user's organisations in order of joining."""
    return (
        select(orgs.c.id, orgs.c.slug, roles.c.name.label("role"))
        .select_from(memberships)
        .join(orgs, orgs.c.id == memberships.c.org_id)
        .join(roles, roles.c.id == memberships.c.role_id)
        .where(memberships.c.user_id == user_id)
        .order_by(memberships.c.joined_at, orgs.c.id)
    )


def newest_ids_of_user(user_id: UUID, limit: int) -> Select[Any]:
    """List the ids of the organisations a user joined last."""
    return (
        select(memberships.c.org_id)
        .where(memberships.c.user_id == user_id)
        .order_by(memberships.c.joined_at.desc(), memberships.c.org_id)
        .limit(limit)
    )


def slug_is_taken(slug: str, by_other_than: UUID) -> Select[Any]:
    """Find another organisation with this slug."""
    return select(orgs.c.id).where(func.lower(orgs.c.slug) == slug.lower(), orgs.c.id != by_other_than)


def change(org_id: UUID, values: dict[str, Any], now: datetime) -> ReturningUpdate[Any]:
    """Set columns of an organisation."""
    return update(orgs).where(orgs.c.id == org_id).values(**values, updated_at=now).returning(*COLUMNS)


def delete_memberships(org_id: UUID) -> Delete:
    """Remove every membership; must come before the organisation, for roles in use cannot be deleted."""
    return delete(memberships).where(memberships.c.org_id == org_id)


def delete_org(org_id: UUID) -> Delete:
    """Delete an organisation with its roles."""
    return delete(orgs).where(orgs.c.id == org_id)


def roles_of(org_id: UUID, role_id: UUID | None = None) -> Select[Any]:
    """List the roles of an organisation, system roles first, then by name."""
    statement = (
        select(
            roles.c.id,
            roles.c.org_id,
            roles.c.name,
            roles.c.description,
            roles.c.is_system,
            permissions_of(roles.c.id).label("permissions"),
        )
        .where(roles.c.org_id == org_id)
        .order_by(roles.c.is_system.desc(), roles.c.name)
    )
    return statement if role_id is None else statement.where(roles.c.id == role_id)


def members_of(org_id: UUID, user_id: UUID | None = None) -> Select[Any]:
    """List members in order of joining."""
    statement = (
        select(
            *USER_COLUMNS,
            memberships.c.org_id,
            memberships.c.role_id,
            roles.c.name.label("role_name"),
            memberships.c.joined_at,
            memberships.c.updated_at.label("member_updated_at"),
        )
        .select_from(memberships)
        .join(users, users.c.id == memberships.c.user_id)
        .join(roles, roles.c.id == memberships.c.role_id)
        .where(memberships.c.org_id == org_id)
        .order_by(memberships.c.joined_at, memberships.c.user_id)
    )
    return statement if user_id is None else statement.where(memberships.c.user_id == user_id)


def set_role(org_id: UUID, user_id: UUID, role_id: UUID, now: datetime) -> Update:
    """Give a member another role."""
    return (
        update(memberships)
        .where(memberships.c.org_id == org_id, memberships.c.user_id == user_id)
        .values(role_id=role_id, updated_at=now)
    )


def remove_member(org_id: UUID, user_id: UUID) -> ReturningDelete[Any]:
    """Remove a member."""
    return (
        delete(memberships)
        .where(memberships.c.org_id == org_id, memberships.c.user_id == user_id)
        .returning(memberships.c.user_id)
    )


def other_owners(org_id: UUID, user_id: UUID, owner: str) -> Select[Any]:
    """Count the enabled owners of an organisation besides one user."""
    return (
        select(func.count())
        .select_from(memberships)
        .join(roles, roles.c.id == memberships.c.role_id)
        .join(users, users.c.id == memberships.c.user_id)
        .where(
            memberships.c.org_id == org_id,
            memberships.c.user_id != user_id,
            roles.c.name == owner,
            roles.c.is_system,
            users.c.disabled_at.is_(None),
        )
    )


def lock_owned(user_id: UUID, owner: str) -> Select[Any]:
    """Lock the organisations a user owns, in order of id, so that two lockers cannot deadlock."""
    owned = (
        select(memberships.c.org_id)
        .join(roles, roles.c.id == memberships.c.role_id)
        .where(memberships.c.user_id == user_id, roles.c.name == owner, roles.c.is_system)
    )
    return (
        select(orgs.c.id, orgs.c.slug).where(orgs.c.id.in_(owned)).order_by(orgs.c.id).with_for_update(key_share=True)
    )
