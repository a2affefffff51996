"""Statements about sessions and their chains of refresh tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Insert, Select, Update, delete, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from reactor_auth.queries.users import COLUMNS as USER_COLUMNS
from reactor_auth.tables import refresh_tokens, sessions, users


def insert_session(
    session_id: UUID,
    user_id: UUID,
    amr: list[str],
    ip: str | None,
    user_agent: str | None,
    now: datetime,
    mfa_at: datetime | None = None,
) -> Insert:
    """Open a session."""
    return insert(sessions).values(
        id=session_id,
        user_id=user_id,
        amr=amr,
        ip=ip,
        user_agent=user_agent,
        created_at=now,
        last_seen_at=now,
        mfa_at=mfa_at,
    )


def insert_refresh_token(
    token_id: UUID, session_id: UUID, token_hash: bytes, now: datetime, expires_at: datetime
) -> Insert:
    """Store a refresh token by its hash."""
    return insert(refresh_tokens).values(
        id=token_id, session_id=session_id, token_hash=token_hash, issued_at=now, expires_at=expires_at
    )


def presented(token_hash: bytes) -> Select[Any]:
    """Find a presented refresh token with its session and user, locking token and session.

    The lock on the session row serialises all refreshes and revocations of one session.
    """
    return (
        select(
            refresh_tokens.c.id.label("token_id"),
            refresh_tokens.c.expires_at,
            refresh_tokens.c.used_at,
            refresh_tokens.c.replaced_by,
            refresh_tokens.c.successor_sealed,
            sessions.c.id.label("session_id"),
            sessions.c.amr,
            sessions.c.mfa_at,
            sessions.c.revoked_at,
            sessions.c.created_at.label("session_created_at"),
            sessions.c.last_seen_at.label("session_seen_at"),
            *USER_COLUMNS,
        )
        .select_from(refresh_tokens)
        .join(sessions, sessions.c.id == refresh_tokens.c.session_id)
        .join(users, users.c.id == sessions.c.user_id)
        .where(refresh_tokens.c.token_hash == token_hash)
        .with_for_update(of=[refresh_tokens, sessions], key_share=True)
    )


def session_of(token_hash: bytes) -> Select[Any]:
    """Find the session and user a refresh token belongs to, whatever the token's state."""
    return (
        select(
            sessions.c.id.label("session_id"),
            sessions.c.user_id,
            sessions.c.revoked_at,
            refresh_tokens.c.used_at,
            refresh_tokens.c.expires_at,
        )
        .join(refresh_tokens, refresh_tokens.c.session_id == sessions.c.id)
        .where(refresh_tokens.c.token_hash == token_hash)
    )


def use_count(token_id: UUID) -> Select[Any]:
    """Read whether and when a refresh token was used."""
    return select(refresh_tokens.c.used_at, refresh_tokens.c.expires_at).where(refresh_tokens.c.id == token_id)


def mark_used(token_id: UUID, successor_id: UUID, sealed: str | None, now: datetime) -> Update:
    """Note that a token was exchanged, and keep its successor readable for the grace period."""
    return (
        update(refresh_tokens)
        .where(refresh_tokens.c.id == token_id)
        .values(used_at=now, replaced_by=successor_id, successor_sealed=sealed)
    )


def forget_sealed(successor_id: UUID) -> Update:
    """Drop the readable copy of a token that has itself been exchanged."""
    return (
        update(refresh_tokens)
        .where(refresh_tokens.c.replaced_by == successor_id, refresh_tokens.c.successor_sealed.is_not(None))
        .values(successor_sealed=None)
    )


def touch(session_id: UUID, now: datetime) -> Update:
    """Note that a session was used."""
    return update(sessions).where(sessions.c.id == session_id).values(last_seen_at=now)


def lock_live(user_id: UUID, *, only: UUID | None = None, keep: UUID | None = None) -> Select[Any]:
    """Lock the live sessions of a user in order of id, so that two revocations cannot deadlock."""
    statement = select(sessions.c.id).where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    if only is not None:
        statement = statement.where(sessions.c.id == only)
    if keep is not None:
        statement = statement.where(sessions.c.id != keep)
    return statement.order_by(sessions.c.id).with_for_update(key_share=True)


def revoke(session_ids: list[UUID], now: datetime) -> ReturningUpdate[Any]:
    """End sessions that are still live."""
    return (
        update(sessions)
        .where(sessions.c.id.in_(session_ids), sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(sessions.c.id)
    )


def drop_refresh_tokens(session_id: UUID) -> Delete:
    """Make a session one that cannot be refreshed."""
    return delete(refresh_tokens).where(refresh_tokens.c.session_id == session_id)


def inspected(token_hash: bytes) -> Select[Any]:
    """Find a refresh token with its session and user, to look at."""
    return (
        select(
            refresh_tokens.c.issued_at,
            refresh_tokens.c.expires_at,
            refresh_tokens.c.used_at,
            sessions.c.id.label("session_id"),
            sessions.c.revoked_at,
            *USER_COLUMNS,
        )
        .select_from(refresh_tokens)
        .join(sessions, sessions.c.id == refresh_tokens.c.session_id)
        .join(users, users.c.id == sessions.c.user_id)
        .where(refresh_tokens.c.token_hash == token_hash)
    )
