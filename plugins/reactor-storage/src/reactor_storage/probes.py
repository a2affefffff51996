"""What doctor and `/health` look at."""

from __future__ import annotations

import threading

from reactor_kernel.api import Clock, Database, ProbeResult, ReactorError, Readiness, Statement
from reactor_storage.backends.contract import Backend, BackendFailed

# How long the backend's health is believed: a look at S3 costs three requests.
_WELL_SECONDS, _ILL_SECONDS = 30, 3

_UNPOLICED = """
select count(*) filter (where storage.unpoliced('storage.objects', c)), count(*)
from unnest('{r,a,w,d}'::"char"[]) c
"""


class StorageProbes:
    """Looks at the backend and the tables through the same doors as requests."""

    def __init__(self, db: Database, backend: Backend, clock: Clock) -> None:
        self._db = db
        self._backend = backend
        self._clock = clock
        self._lock = threading.Lock()
        self._ill: str | None = None
        self._looks_again = float("-inf")

    def content(self) -> ProbeResult:
        """Write, read and remove a content of its own."""
        if (ill := self._look()) is not None:
            return ProbeResult(Readiness.FAIL, ill)
        return ProbeResult(Readiness.OK, f"{self._backend.name}: a content was written, read and removed")

    def policies(self) -> ProbeResult:
        """Say for how many commands on `storage.objects` permissions alone decide."""
        (result,) = self._db.run(None, [Statement(_UNPOLICED)], readonly=True)
        unpoliced, commands = (int(value or 0) for value in result.rows[0])
        message = f"policies decide on {commands - unpoliced} of {commands} commands, permissions alone on the rest"
        return ProbeResult(Readiness.OK, message, {"unpoliced": unpoliced})

    def unready(self) -> str | None:
        """Return why objects cannot be served, None when they can: one cheap statement, and a look at the backend now and then."""
        try:
            self._db.run(None, [Statement("select 1 from storage.buckets limit 1")], readonly=True)
        except ReactorError as error:
            return error.message
        ill = self._look() if self._clock.monotonic() >= self._looks_again else self._ill
        # Anybody may ask; the reason names hosts and buckets.
        return None if ill is None else f"contents cannot be kept or read on {self._backend.name}; see reactor doctor"

    def _look(self) -> str | None:
        """Check the backend, one caller at a time; return what is wrong with it."""
        with self._lock:
            try:
                self._backend.check()
            except BackendFailed as error:
                self._ill, believed = f"{self._backend.name}: {error}", _ILL_SECONDS
            else:
                self._ill, believed = None, _WELL_SECONDS
            self._looks_again = self._clock.monotonic() + believed
            return self._ill
