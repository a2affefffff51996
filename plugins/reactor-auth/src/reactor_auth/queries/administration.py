"""Statements of the administration: over all users, organisations and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from reactor_auth.queries.orgs import COLUMNS as ORG_COLUMNS
from reactor_auth.queries.users import COLUMNS as USER_COLUMNS
from reactor_auth.tables import memberships, orgs, roles, sessions, users


def users_matching(limit: int, before: UUID | None, search: str | None, disabled: bool | None) -> Select[Any]:
    """List a page of users whose address contains `search`, newest first: ids are UUIDv7, in order of creation."""
    statement = select(*USER_COLUMNS).order_by(users.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(users.c.id < before)
    if search is not None:
        statement = statement.where(users.c.email.icontains(search, autoescape=True))
    if disabled is not None:
        statement = statement.where(users.c.disabled_at.is_not(None) if disabled else users.c.disabled_at.is_(None))
    return statement


def insert_user(
    user_id: UUID, email: str, password_hash: str | None, verified: bool, metadata: dict[str, Any], now: datetime
) -> ReturningInsert[Any]:
    """Insert a user; returns no row where the address is taken."""
    return (
        insert(users)
        .values(
            id=user_id,
            email=email,
            email_verified=verified,
            password_hash=password_hash,
            metadata=metadata,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=[func.lower(users.c.email)])
        .returning(*USER_COLUMNS)
    )


def delete_user(user_id: UUID) -> Delete:
    """Delete a user with sessions and memberships."""
    return delete(users).where(users.c.id == user_id)


def live_sessions(user_id: UUID) -> Select[Any]:
    """List sessions that have not ended, the latest used first."""
    return (
        select(
            sessions.c.id,
            sessions.c.amr,
            func.host(sessions.c.ip).label("ip"),
            sessions.c.user_agent,
            sessions.c.created_at,
            sessions.c.last_seen_at,
        )
        .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
        .order_by(sessions.c.last_seen_at.desc(), sessions.c.id.desc())
    )


def orgs_matching(limit: int, before: UUID | None, search: str | None) -> Select[Any]:
    """List a page of organisations whose name or slug contains `search`, newest first."""
    statement = select(*ORG_COLUMNS).order_by(orgs.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(orgs.c.id < before)
    if search is not None:
        found = orgs.c.name.icontains(search, autoescape=True) | orgs.c.slug.icontains(search, autoescape=True)
        statement = statement.where(found)
    return statement


def role_named(org_id: UUID, name: str) -> Select[Any]:
    """Find a role of an organisation by name."""
    return select(roles.c.id, roles.c.name, roles.c.is_system).where(roles.c.org_id == org_id, roles.c.name == name)


def is_member(org_id: UUID, user_id: UUID) -> Select[Any]:
    """Find a membership."""
    return select(memberships.c.role_id).where(memberships.c.org_id == org_id, memberships.c.user_id == user_id)
