"""Statements about API keys, off the path of requests that carry one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Select, func, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from reactor_auth.queries.orgs import permissions_of
from reactor_auth.tables import memberships
from reactor_auth.tables_access import api_keys

_COLUMNS = (
    api_keys.c.id,
    api_keys.c.org_id,
    api_keys.c.name,
    api_keys.c.prefix,
    api_keys.c.scopes,
    api_keys.c.created_at,
    api_keys.c.expires_at,
    api_keys.c.last_used_at,
    permissions_of(memberships.c.role_id).label("permissions"),
)


def _shown() -> Select[Any]:
    return select(*_COLUMNS).outerjoin(
        memberships, (memberships.c.org_id == api_keys.c.org_id) & (memberships.c.user_id == api_keys.c.user_id)
    )


def insert_key(
    key_id: UUID,
    user_id: UUID,
    org_id: UUID,
    name: str,
    key_hash: bytes,
    prefix: str,
    scopes: list[str] | None,
    now: datetime,
    expires_at: datetime | None,
) -> Insert:
    """Store a key by its hash."""
    return insert(api_keys).values(
        id=key_id,
        user_id=user_id,
        org_id=org_id,
        name=name,
        key_hash=key_hash,
        prefix=prefix,
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
    )


def one(key_id: UUID) -> Select[Any]:
    """Read a key with its owner's present permissions."""
    return _shown().where(api_keys.c.id == key_id)


def of_user(user_id: UUID) -> Select[Any]:
    """List a user's keys that are not revoked, newest first."""
    return (
        _shown()
        .where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
        .order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
    )


def count(user_id: UUID) -> Select[Any]:
    """Count a user's keys that are not revoked."""
    return select(func.count()).where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))


def revoke(user_id: UUID, key_id: UUID, now: datetime) -> ReturningUpdate[Any]:
    """Revoke a user's key unless that was done."""
    return (
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(api_keys.c.org_id, api_keys.c.name)
    )
