"""The audit log: one row per change, in the change's own transaction (contract auth.md §7.7)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reactor_auth.model import Origin
from reactor_auth.queries import audit as sql
from reactor_kernel.api import Clock, Tx, uuid7


class AuditLog:
    """Writes audit rows; a row that cannot be written fails the change it describes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def record(
        self,
        tx: Tx,
        event_type: str,
        origin: Origin,
        *,
        actor: UUID | None,
        org_id: UUID | None = None,
        resource: str | None = None,
        **details: Any,
    ) -> None:
        """Write one row; `details` must be JSON and hold no secret."""
        tx.execute(
            sql.insert_event(
                uuid7(),
                self._clock.now(),
                event_type,
                actor=actor,
                api_key=origin.api_key_id,
                org_id=org_id,
                resource=resource,
                ip=origin.address,
                user_agent=origin.user_agent,
                details={**details, "delegated": True} if origin.delegated else details,
            )
        )
