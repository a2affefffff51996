"""Statements that read the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, tuple_

from reactor_auth.tables import audit_events


def page(
    org_id: UUID, names: Sequence[str], families: Sequence[str], after: tuple[datetime, UUID] | None, limit: int
) -> Select[Any]:
    """List rows of an organisation, newest first, older than `after`; of the named types and families, else of all."""
    row = audit_events.c
    statement = select(audit_events, func.host(row.ip).label("address")).where(row.org_id == org_id)
    if names or families:
        statement = statement.where(
            or_(
                row.event_type.in_(names),
                *(row.event_type.startswith(f"{name}.", autoescape=True) for name in families),
            )
        )
    if after is not None:
        statement = statement.where(tuple_(row.ts, row.id) < tuple_(*after))
    return statement.order_by(row.ts.desc(), row.id.desc()).limit(limit)
