"""Everything an account owns, as one document."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth.audit import AuditLog
from reactor_auth.errors import UserNotFound
from reactor_auth.model import Caller
from reactor_auth.queries import export as sql
from reactor_kernel.api import Clock, Database


class Export:
    """Collects what is stored about a user."""

    def __init__(self, db: Database, clock: Clock, audit: AuditLog) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit

    def of(self, caller: Caller) -> dict[str, Any]:
        """Return the user and, by table, every row that belongs to it; hashes and sealed values are left out."""
        with self._db.begin() as tx:
            user = tx.execute(sql.user(caller.user_id)).one_or_none()
            if user is None:
                raise UserNotFound
            # Recorded first, so that the document tells of itself.
            self._audit.record(
                tx, "user.exported", caller.origin, actor=caller.user_id, resource=f"user:{caller.user_id}"
            )
            owned = {
                name: [_plain(row) for row in tx.execute(statement)]
                for name, statement in sql.owned(caller.user_id).items()
            }
        return {"exported_at": _value(self._clock.now()), "user": _plain(user), **owned}


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row._mapping.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID | ipaddress.IPv4Address | ipaddress.IPv6Address):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return base64.urlsafe_b64encode(bytes(value)).rstrip(b"=").decode()
    return value
