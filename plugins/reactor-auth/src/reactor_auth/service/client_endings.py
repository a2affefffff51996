"""Ends the sessions of OAuth clients that go away."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from reactor_auth.model import Origin
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Tx

REASON = "client_deleted"


def end_sessions(tx: Tx, sessions: Sessions, found: Select[Any], origin: Origin, now: datetime) -> int:
    """End the sessions a statement locks, of whatever users, each as if it were ended by itself; return how many."""
    of_user: dict[UUID, list[UUID]] = defaultdict(list)
    for row in tx.execute(found):
        of_user[row.user_id].append(row.id)
    for user_id, ids in of_user.items():
        sessions.end(tx, user_id, ids, REASON, origin, now)
    return sum(map(len, of_user.values()))
