"""Statements about a user's sessions as a list, and about those that come to their end by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, true

from reactor_auth.tables import sessions
from reactor_kernel.api import Statement


def of_user(user_id: UUID, opened_after: datetime | None, seen_after: datetime, limit: int, offset: int) -> Select[Any]:
    """Read the live sessions of a user, the one seen last first."""
    return (
        select(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), _lives(opened_after, seen_after))
        .order_by(sessions.c.last_seen_at.desc(), sessions.c.id.desc())
        .limit(limit)
        .offset(offset)
    )


def overdue(opened_after: datetime | None, seen_after: datetime | None, limit: int) -> Select[Any]:
    """Lock live sessions whose time is over; those that somebody else works on come next time."""
    past: list[ColumnElement[bool]] = []
    if opened_after is not None:
        past.append(sessions.c.created_at <= opened_after)
    if seen_after is not None:
        past.append(sessions.c.last_seen_at <= seen_after)
    return (
        select(sessions.c.id, sessions.c.user_id, sessions.c.created_at, sessions.c.last_seen_at)
        .where(sessions.c.revoked_at.is_(None), or_(*past))
        .order_by(sessions.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )


def seen(noted: Mapping[UUID, datetime], at_least_older_secs: int) -> Statement:
    """Note when sessions were last used, where what is stored is older by so many seconds.

    Raw and without waiting for locks: it runs often, and a session somebody else works on is noted the next time.
    """
    return Statement(
        """\
UPDATE _reactor_auth.sessions s SET last_seen_at = noted.seen
FROM (SELECT s.id, n.seen FROM _reactor_auth.sessions s
      JOIN unnest($1::uuid[], $2::timestamptz[]) AS n(id, seen) ON n.id = s.id
      WHERE s.revoked_at IS NULL AND s.last_seen_at <= n.seen - make_interval(secs => $3::float8)
      ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED) AS noted
WHERE s.id = noted.id""",
        (
            "{" + ",".join(str(session_id) for session_id in noted) + "}",
            "{" + ",".join(f'"{instant.isoformat()}"' for instant in noted.values()) + "}",
            str(at_least_older_secs),
        ),
    )


def _lives(opened_after: datetime | None, seen_after: datetime) -> ColumnElement[bool]:
    started = true() if opened_after is None else sessions.c.created_at > opened_after
    return and_(started, sessions.c.last_seen_at > seen_after)
