"""Statements about rate windows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from reactor_auth.tables import rate_windows


def hit(bucket: str, window_start: datetime, window: timedelta, ceiling: int) -> ReturningInsert[Any]:
    """Count an attempt and return the counts of this window and the one before.

    A node whose clock runs a little behind counts into the window another node has already opened. `ceiling` bounds the
    count, so that hammering a closed door does not keep it closed.
    """
    row = rate_windows.c
    statement = insert(rate_windows).values(
        bucket=bucket, window_start=window_start, hits=1, previous_hits=0, expires_at=window_start + 2 * window
    )
    same = row.window_start >= statement.excluded.window_start
    adjoining = row.window_start == statement.excluded.window_start - window
    return statement.on_conflict_do_update(
        index_elements=[row.bucket],
        set_={
            "hits": case((same & (row.hits < ceiling), row.hits + 1), (same, row.hits), else_=1),
            "previous_hits": case((same, row.previous_hits), (adjoining, row.hits), else_=0),
            "window_start": case((same, row.window_start), else_=statement.excluded.window_start),
            "expires_at": func.greatest(row.expires_at, statement.excluded.expires_at),
        },
    ).returning(row.hits, row.previous_hits, row.window_start)
