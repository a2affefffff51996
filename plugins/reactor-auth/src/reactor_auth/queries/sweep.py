"""Statements that remove what has expired, in bounded steps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Delete, Update, delete, or_, select, update

from reactor_auth.tables import rate_windows, refresh_tokens, sessions, sign_in_attempts


def sealed_successors(used_before: datetime) -> Update:
    """Drop readable copies of tokens whose grace period is over."""
    return (
        update(refresh_tokens)
        .where(refresh_tokens.c.successor_sealed.is_not(None), refresh_tokens.c.used_at < used_before)
        .values(successor_sealed=None)
    )


def expired_tokens(expired_before: datetime, limit: int) -> Delete:
    """Delete refresh tokens that nothing can be done with."""
    doomed = (
        select(refresh_tokens.c.id)
        .where(refresh_tokens.c.expires_at < expired_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(refresh_tokens).where(refresh_tokens.c.id.in_(doomed))


def ended_sessions(unseen_since: datetime, revoked_before: datetime, limit: int) -> Delete:
    """Delete sessions whose tokens have all expired, and revoked ones no access token can name any more."""
    doomed = (
        select(sessions.c.id)
        .where(or_(sessions.c.last_seen_at < unseen_since, sessions.c.revoked_at < revoked_before))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(sessions).where(sessions.c.id.in_(doomed))


def old_windows(expired_before: datetime, limit: int) -> Delete:
    """Delete rate windows that no longer count."""
    doomed = (
        select(rate_windows.c.bucket)
        .where(rate_windows.c.expires_at < expired_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(rate_windows).where(rate_windows.c.bucket.in_(doomed))


def old_attempts(expired_before: datetime, limit: int) -> Delete:
    """Delete what was remembered of failed sign-ins and known places."""
    doomed = (
        select(sign_in_attempts.c.bucket)
        .where(sign_in_attempts.c.expires_at < expired_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(sign_in_attempts).where(sign_in_attempts.c.bucket.in_(doomed))
