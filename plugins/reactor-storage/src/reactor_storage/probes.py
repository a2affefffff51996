"""What doctor and `/health` look at."""

from __future__ import annotations

from reactor_kernel.api import Database, ProbeResult, ReactorError, Readiness, Statement
from reactor_storage.backends.contract import Backend, BackendFailed

_UNPOLICED = """
select count(*) filter (where storage.unpoliced('storage.objects', c)), count(*)
from unnest('{r,a,w,d}'::"char"[]) c
"""


class StorageProbes:
    """Looks at the backend and the tables through the same doors as requests."""

    def __init__(self, db: Database, backend: Backend) -> None:
        self._db = db
        self._backend = backend

    def content(self) -> ProbeResult:
        """Write, read and remove a content of its own."""
        try:
            self._backend.check()
        except BackendFailed as error:
            return ProbeResult(Readiness.FAIL, f"{self._backend.name}: {error}")
        return ProbeResult(Readiness.OK, f"{self._backend.name}: a content was written, read and removed")

    def policies(self) -> ProbeResult:
        """Say for how many commands on `storage.objects` permissions alone decide."""
        (result,) = self._db.run(None, [Statement(_UNPOLICED)], readonly=True)
        unpoliced, commands = (int(value or 0) for value in result.rows[0])
        message = f"policies decide on {commands - unpoliced} of {commands} commands, permissions alone on the rest"
        return ProbeResult(Readiness.OK, message, {"unpoliced": unpoliced})

    def unready(self) -> str | None:
        """Return why objects cannot be served, None when they can. One cheap statement."""
        try:
            self._db.run(None, [Statement("select 1 from storage.buckets limit 1")], readonly=True)
        except ReactorError as error:
            return error.message
        return None
