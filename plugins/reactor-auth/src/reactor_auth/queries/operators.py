"""Statements about platform operators and their audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Insert, Select, TextClause, Update, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from reactor_auth.tables import users
from reactor_auth.tables_operators import (
    ops_audit_log,
    platform_memberships,
    platform_role_permissions,
    platform_roles,
)

# Seeded by the migration (contract auth.md §3.14).
OPERATOR_ROLE = UUID("00000000-0000-0000-0000-000000000001")


def lock() -> TextClause:
    """Let one change of the operators happen at a time, until the transaction ends."""
    return text("SELECT pg_advisory_xact_lock(hashtextextended('reactor_auth:operators', 0))")


def count() -> Select[Any]:
    """Count users who hold a platform role and may sign in."""
    return (
        select(func.count(platform_memberships.c.user_id.distinct()))
        .join(users, users.c.id == platform_memberships.c.user_id)
        .where(platform_memberships.c.revoked_at.is_(None), users.c.disabled_at.is_(None))
    )


def membership(user_id: UUID) -> Select[Any]:
    """Find a user's valid operator role."""
    return select(platform_memberships.c.granted_at).where(
        platform_memberships.c.user_id == user_id,
        platform_memberships.c.role_id == OPERATOR_ROLE,
        platform_memberships.c.revoked_at.is_(None),
    )


def grant(user_id: UUID, granted_by: UUID | None, now: datetime) -> ReturningInsert[Any]:
    """Give a user the operator role; returns no row where it holds it already."""
    values = {"granted_by": granted_by, "granted_at": now, "revoked_at": None}
    statement = upsert(platform_memberships).values(user_id=user_id, role_id=OPERATOR_ROLE, **values)
    return statement.on_conflict_do_update(
        index_elements=["user_id", "role_id"], set_=values, where=platform_memberships.c.revoked_at.is_not(None)
    ).returning(platform_memberships.c.user_id)


def revoke(user_id: UUID, now: datetime) -> Update:
    """Take the operator role from a user; the row stays."""
    return (
        update(platform_memberships)
        .where(
            platform_memberships.c.user_id == user_id,
            platform_memberships.c.role_id == OPERATOR_ROLE,
            platform_memberships.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


def scopes(user_id: UUID) -> Select[Any]:
    """List the platform permissions of a user."""
    return (
        select(platform_role_permissions.c.permission)
        .distinct()
        .join(platform_roles, platform_roles.c.id == platform_role_permissions.c.role_id)
        .join(platform_memberships, platform_memberships.c.role_id == platform_roles.c.id)
        .where(platform_memberships.c.user_id == user_id, platform_memberships.c.revoked_at.is_(None))
        .order_by(platform_role_permissions.c.permission)
    )


def insert_entry(values: dict[str, Any]) -> Insert:
    """Write one row of the operators' audit log."""
    return insert(ops_audit_log).values(**values)


def count_repeated(
    action: str, status: str, code: str, network: str, actor: UUID | None, since: datetime
) -> ReturningUpdate[Any]:
    """Count a refusal in the row that counts those of its kind; returns no row where there is none yet."""
    row = ops_audit_log.c
    counting = (
        select(row.id)
        .where(
            row.ts > since,
            row.action == action,
            row.status == status,
            row.details["code"].astext == code,
            row.details["network"].astext == network,
            row.actor_user_id.is_not_distinct_from(actor),
        )
        .order_by(row.ts.desc())
        .limit(1)
        .scalar_subquery()
    )
    repeated = row.details["repeated"].as_integer() + 1
    return (
        update(ops_audit_log)
        .where(row.id == counting)
        .values(details=row.details.concat(func.jsonb_build_object("repeated", repeated)))
        .returning(row.id)
    )


def old_entries(before: datetime, most: int) -> Delete:
    """Delete entries that need not be kept any longer."""
    some = select(ops_audit_log.c.id).where(ops_audit_log.c.ts < before).limit(most)
    return delete(ops_audit_log).where(ops_audit_log.c.id.in_(some))


def entries(limit: int, offset: int, actor: UUID | None) -> Select[Any]:
    """List entries, newest first."""
    statement = select(ops_audit_log).order_by(ops_audit_log.c.id.desc()).limit(limit).offset(offset)
    return statement if actor is None else statement.where(ops_audit_log.c.actor_user_id == actor)


def count_entries(actor: UUID | None) -> Select[Any]:
    """Count entries."""
    statement = select(func.count()).select_from(ops_audit_log)
    return statement if actor is None else statement.where(ops_audit_log.c.actor_user_id == actor)
