"""Statements about the browsers and programs that users sign in with."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from reactor_auth.tables import known_agents


def knows_any(user_id: UUID) -> Select[Any]:
    """Tell whether a user has signed in with anything before."""
    return select(exists().where(known_agents.c.user_id == user_id))


def remember(user_id: UUID, agent_hash: bytes, now: datetime) -> ReturningInsert[Any]:
    """Remember a browser or program; returns no row where it is known."""
    return (
        insert(known_agents)
        .values(user_id=user_id, agent_hash=agent_hash, first_seen_at=now)
        .on_conflict_do_nothing()
        .returning(known_agents.c.user_id)
    )
