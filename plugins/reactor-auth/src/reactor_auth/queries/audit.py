"""Statements about the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, insert

from reactor_auth.tables import audit_events


def insert_event(
    event_id: UUID,
    now: datetime,
    event_type: str,
    *,
    actor: UUID | None,
    org_id: UUID | None,
    resource: str | None,
    ip: str | None,
    user_agent: str | None,
    details: dict[str, Any],
    api_key: UUID | None = None,
) -> Insert:
    """Write one audit row."""
    return insert(audit_events).values(
        id=event_id,
        ts=now,
        actor_user_id=actor,
        actor_apikey_id=api_key,
        org_id=org_id,
        event_type=event_type,
        resource=resource,
        ip=ip,
        user_agent=user_agent,
        details=details,
    )
