"""A user's sessions: to look at, and to end one by one or together (contract auth.md §3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from reactor_auth.config import AuthConfig
from reactor_auth.errors import SessionNotFound
from reactor_auth.model import Caller, Origin
from reactor_auth.queries import session_list as sql
from reactor_auth.service.session_life import SessionLife
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Clock, Database, StopSignal

STEP_ROWS = 500
NOBODY = Origin(None, None)


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that has not ended. `client` is the OAuth client it was opened for, if any."""

    id: UUID
    created_at: datetime
    last_seen_at: datetime
    ip: str | None
    user_agent: str | None
    amr: tuple[str, ...]
    mfa_at: datetime | None
    client: str | None
    current: bool


class SessionList:
    """Lists sessions, and ends them on their user's behalf or because their time is over."""

    def __init__(self, config: AuthConfig, db: Database, clock: Clock, sessions: Sessions) -> None:
        self._life = SessionLife(config.session_max_secs, config.session_idle_secs)
        # Without a refresh in all this time nothing can be done with a session any more.
        self._longest_idle = timedelta(seconds=config.refresh_ttl_secs)
        self._db = db
        self._clock = clock
        self._sessions = sessions

    def of(self, caller: Caller, limit: int, offset: int) -> list[LiveSession]:
        """Return the caller's sessions, the one seen last first."""
        now = self._clock.now()
        seen_after = max(now - self._longest_idle, self._life.seen_after(now) or now - self._longest_idle)
        statement = sql.of_user(caller.user_id, self._life.opened_after(now), seen_after, limit, offset)
        with self._db.begin(readonly=True) as tx:
            rows = tx.execute(statement).all()
        return [
            LiveSession(
                id=row.id,
                created_at=row.created_at,
                last_seen_at=row.last_seen_at,
                ip=None if row.ip is None else str(row.ip),
                user_agent=row.user_agent,
                amr=tuple(row.amr),
                mfa_at=row._mapping.get("mfa_at"),
                client=row._mapping.get("client_name"),
                current=row.id == caller.session_id,
            )
            for row in rows
        ]

    def end(self, caller: Caller, session_id: UUID) -> None:
        """End one of the caller's sessions. Raises SessionNotFound, also for one that has ended."""
        with self._db.begin() as tx:
            if not self._sessions.revoke(tx, caller.user_id, "revoked", caller.origin, only=session_id):
                raise SessionNotFound

    def end_all(self, caller: Caller, *, keep: UUID | None) -> None:
        """End all of the caller's sessions but `keep`."""
        with self._db.begin() as tx:
            self._sessions.revoke(tx, caller.user_id, "revoked", caller.origin, keep=keep)

    def end_overdue(self, stop: StopSignal) -> int:
        """End sessions whose life or idle time is over, of whatever user; return how many."""
        ended, more = 0, True
        while more and not stop.is_set():
            now = self._clock.now()
            bounds = self._life.opened_after(now), self._life.seen_after(now)
            if bounds == (None, None):
                return 0
            with self._db.begin() as tx:
                rows = tx.execute(sql.overdue(*bounds, STEP_ROWS)).all()
                for row in rows:
                    reason = self._life.over(row.created_at, row.last_seen_at, now) or "expired"
                    self._sessions.end(tx, row.user_id, [row.id], reason, NOBODY, now)
            ended += len(rows)
            more = len(rows) == STEP_ROWS
        return ended
