"""Notes when sessions are used, without making a request wait for it."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from uuid import UUID

from reactor_kernel.api import Clock, Database, ReactorError, StopSignal

FLUSH_SECS = 15.0
# Stored at most so often for one session, on all nodes together.
PRECISION_SECS = 60
STEP_ROWS = 1000


class LastSeen:
    """Collects in memory what the requests of this process used, and writes it a few times a minute.

    What a process collected since its last writing is lost when it is killed.
    """

    def __init__(self, db: Database, clock: Clock, log: logging.Logger) -> None:
        self._db = db
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._noted: dict[UUID, datetime] = {}

    def note(self, session_id: UUID) -> None:
        """Remember that a session is in use now."""
        now = self._clock.now()
        with self._lock:
            self._noted[session_id] = now

    def run(self, stop: StopSignal) -> None:
        """Write what was noted until told to stop, and once more then."""
        while not stop.wait(FLUSH_SECS):
            self._flush_or_keep()
        self._flush_or_keep()

    def flush(self) -> int:
        """Write what was noted; return how many sessions were seen again after a while."""
        from reactor_auth.queries import session_list as sql

        written = 0
        while noted := self._take():
            try:
                [result] = self._db.run(None, [sql.seen(noted, PRECISION_SECS)])
            except BaseException:
                self._put_back(noted)
                raise
            written += result.affected
        return written

    def _flush_or_keep(self) -> None:
        try:
            self.flush()
        except ReactorError as fault:
            self._log.warning("the last use of sessions could not be written, it is kept: %s", fault.message)

    def _take(self) -> dict[UUID, datetime]:
        with self._lock:
            taken = dict(list(self._noted.items())[:STEP_ROWS])
            for session_id in taken:
                del self._noted[session_id]
            return taken

    def _put_back(self, noted: dict[UUID, datetime]) -> None:
        with self._lock:
            for session_id, instant in noted.items():
                self._noted.setdefault(session_id, instant)
