"""Reading an organisation's audit log (decision 45)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from reactor_auth.errors import invalid_field
from reactor_auth.model import Caller
from reactor_auth.permissions import AUDIT_READ, OWNER
from reactor_auth.queries import audit_reading as sql
from reactor_auth.service.orgs import demand_permission, standing_in
from reactor_kernel.api import Database

MAX_TYPES = 20
_TYPE = re.compile(r"[a-z_]+(\.[a-z_]+)*(\.\*)?\Z")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One row of the log."""

    id: UUID
    at: datetime
    event_type: str
    actor_user_id: UUID | None
    actor_api_key_id: UUID | None
    resource: str | None
    address: str | None
    user_agent: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows, newest first, and where the next page begins; None at the end."""

    events: list[AuditEvent]
    next_cursor: str | None


class AuditReader:
    """Reads the log page by page."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def page(self, caller: Caller, ref: str, limit: int, cursor: str | None, types: str | None) -> AuditPage:
        """Return a page, for owners and holders of `auth:audit:read`.

        Args:
            caller: whose right it is.
            ref: the organisation.
            limit: rows at most.
            cursor: the `next_cursor` of the page before.
            types: event types separated by commas; `member.*` means every type of that family.

        Raises:
            ValidationError, OrgNotFound, NotOrgMember, PermissionDenied
        """
        names, families = _types(types)
        after = None if cursor is None else _position(cursor)
        with self._db.begin(readonly=True) as tx:
            standing = standing_in(tx, ref, caller.user_id, bounds=caller.bounds)
            demand_permission(standing, AUDIT_READ, names=(OWNER,))
            # One more than asked for tells whether there is another page.
            rows = tx.execute(sql.page(standing.org.id, names, families, after, limit + 1)).all()
        events = [
            AuditEvent(
                row.id,
                row.ts,
                row.event_type,
                row.actor_user_id,
                row.actor_apikey_id,
                row.resource,
                row.address,
                row.user_agent,
                row.details,
            )
            for row in rows[:limit]
        ]
        return AuditPage(events, _cursor(events[-1]) if len(rows) > limit else None)


def _types(text: str | None) -> tuple[list[str], list[str]]:
    if text is None:
        return [], []
    wanted = [item.strip() for item in text.split(",")]
    if len(wanted) > MAX_TYPES or not all(_TYPE.match(item) for item in wanted):
        raise invalid_field("type", f"must be at most {MAX_TYPES} event types such as member.joined or member.*")
    families = [item.removesuffix(".*") for item in wanted if item.endswith(".*")]
    return [item for item in wanted if not item.endswith(".*")], families


def _cursor(event: AuditEvent) -> str:
    text = f"{event.at.astimezone(UTC).isoformat()}|{event.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        at, _, event_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition("|")
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None:
            raise ValueError("no time zone")
        return instant.astimezone(UTC), UUID(event_id)
    except (binascii.Error, ValueError, OverflowError):
        raise invalid_field("cursor", "must be the next_cursor of the page before") from None
