"""Statements about identities at other providers and sign-ins under way."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Insert, Select, TextClause, Update, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert

from reactor_auth.queries.users import COLUMNS as USER_COLUMNS
from reactor_auth.tables import sessions, users
from reactor_auth.tables_identities import identities, oauth_states

COLUMNS = (
    identities.c.id,
    identities.c.user_id,
    identities.c.provider,
    identities.c.email,
    identities.c.created_at,
    identities.c.last_used_at,
)


def lock_identity(provider: str, uid: str) -> TextClause:
    """Serialise all sign-ins with one account at a provider, until the transaction ends."""
    key = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    return key.bindparams(key=f"reactor_auth:identity:{provider}:{uid}")


def by_uid(provider: str, uid: str) -> Select[Any]:
    """Find the user an account at a provider belongs to."""
    return (
        select(*USER_COLUMNS, identities.c.id.label("identity_id"))
        .join(identities, identities.c.user_id == users.c.id)
        .where(identities.c.provider == provider, identities.c.provider_uid == uid)
        .with_for_update(of=users, key_share=True)
    )


def of_user(user_id: UUID) -> Select[Any]:
    """List a user's identities, oldest first."""
    return select(*COLUMNS).where(identities.c.user_id == user_id).order_by(identities.c.created_at, identities.c.id)


def insert_identity(
    identity_id: UUID,
    user_id: UUID,
    provider: str,
    uid: str,
    email: str | None,
    metadata: dict[str, Any],
    now: datetime,
) -> Insert:
    """Attach an account at a provider to a user."""
    return insert(identities).values(
        id=identity_id,
        user_id=user_id,
        provider=provider,
        provider_uid=uid,
        email=email,
        metadata=metadata,
        created_at=now,
        last_used_at=now,
    )


def touch(identity_id: UUID, email: str | None, metadata: dict[str, Any], now: datetime) -> Update:
    """Note that an identity was used, and what the provider says now."""
    return (
        update(identities)
        .where(identities.c.id == identity_id)
        .values(email=email, metadata=metadata, last_used_at=now)
    )


def delete_identity(user_id: UUID, identity_id: UUID) -> ReturningDelete[Any]:
    """Detach an identity from its user."""
    return (
        delete(identities)
        .where(identities.c.id == identity_id, identities.c.user_id == user_id)
        .returning(identities.c.provider)
    )


def verified_user_by_email(email: str) -> Select[Any]:
    """Find and lock a user by a normalised address, with what decides about linking."""
    return select(*USER_COLUMNS).where(func.lower(users.c.email) == email).with_for_update(key_share=True)


def insert_verified_user(user_id: UUID, email: str, metadata: dict[str, Any], now: datetime) -> ReturningInsert[Any]:
    """Insert a user without a password whose address a provider verified; no row where the address is taken."""
    return (
        upsert(users)
        .values(id=user_id, email=email, email_verified=True, metadata=metadata, created_at=now, updated_at=now)
        .on_conflict_do_nothing(index_elements=[func.lower(users.c.email)])
        .returning(*USER_COLUMNS)
    )


def live_session(user_id: UUID, session_id: UUID) -> Select[Any]:
    """Find and lock the user of a session that has not ended."""
    return (
        select(*USER_COLUMNS)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(users.c.id == user_id, sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .with_for_update(of=users, key_share=True)
    )


def insert_state(
    state_hash: bytes,
    browser_hash: bytes,
    provider: str,
    sealed: str,
    redirect_to: str,
    user_id: UUID | None,
    session_id: UUID | None,
    now: datetime,
    expires_at: datetime,
) -> Insert:
    """Remember a sign-in under way."""
    return insert(oauth_states).values(
        state_hash=state_hash,
        browser_hash=browser_hash,
        provider=provider,
        sealed=sealed,
        redirect_to=redirect_to,
        user_id=user_id,
        session_id=session_id,
        created_at=now,
        expires_at=expires_at,
    )


def take_state(state_hash: bytes) -> ReturningDelete[Any]:
    """Take a sign-in under way; whoever comes second finds none."""
    return delete(oauth_states).where(oauth_states.c.state_hash == state_hash).returning(*oauth_states.c)


def expired_states(now: datetime, most: int) -> Delete:
    """Delete sign-ins that nobody finished."""
    some = select(oauth_states.c.state_hash).where(oauth_states.c.expires_at <= now).limit(most)
    return delete(oauth_states).where(oauth_states.c.state_hash.in_(some))
