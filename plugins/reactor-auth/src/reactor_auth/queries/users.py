"""Statements about users."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Update, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from reactor_auth.tables import users

COLUMNS = (
    users.c.id,
    users.c.email,
    users.c.email_verified,
    users.c.metadata,
    users.c.default_org_id,
    users.c.disabled_at,
    users.c.created_at,
    users.c.updated_at,
)


def insert_user(
    user_id: UUID,
    email: str | None,
    password_hash: str | None,
    metadata: dict[str, Any],
    now: datetime,
    *,
    email_verified: bool = False,
) -> ReturningInsert[Any]:
    """Insert a user; returns no row where the address is taken. Without an address the user is anonymous."""
    return (
        insert(users)
        .values(
            id=user_id,
            email=email,
            email_verified=email_verified,
            password_hash=password_hash,
            metadata=metadata,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=[func.lower(users.c.email)])
        .returning(*COLUMNS)
    )


def by_email(email: str, *, lock: bool = False) -> Select[Any]:
    """Find a user with its password hash by a normalised address."""
    statement = select(*COLUMNS, users.c.password_hash).where(func.lower(users.c.email) == email)
    return statement.with_for_update(key_share=True) if lock else statement


def by_id(user_id: UUID, *, lock: bool = False) -> Select[Any]:
    """Find a user with its password hash by id."""
    statement = select(*COLUMNS, users.c.password_hash).where(users.c.id == user_id)
    return statement.with_for_update(key_share=True) if lock else statement


def change(user_id: UUID, values: dict[str, Any], now: datetime) -> Update:
    """Set columns of a user."""
    return update(users).where(users.c.id == user_id).values(**values, updated_at=now)


def rehash(user_id: UUID, old_hash: str, new_hash: str) -> Update:
    """Replace a password hash unless the password changed meanwhile."""
    return update(users).where(users.c.id == user_id, users.c.password_hash == old_hash).values(password_hash=new_hash)


def set_first_default_org(user_id: UUID, org_id: UUID, now: datetime) -> Update:
    """Make an organisation the default of a user that has none."""
    return (
        update(users)
        .where(users.c.id == user_id, users.c.default_org_id.is_(None))
        .values(default_org_id=org_id, updated_at=now)
    )


def clear_default_org(user_id: UUID, org_id: UUID, now: datetime) -> Update:
    """Take a default organisation away from a user that left it."""
    return (
        update(users)
        .where(users.c.id == user_id, users.c.default_org_id == org_id)
        .values(default_org_id=None, updated_at=now)
    )
