"""Contents that nothing refers to any more: removed when that becomes so, and by a sweep for what a crash left (contract §4.11)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import msgspec

from reactor_kernel.api import Clock, Database, Kind, ReactorError
from reactor_storage import queries
from reactor_storage.backends.contract import Backend, BackendFailed, BackendUnavailable
from reactor_storage.images.queries import of_source
from reactor_storage.rows import texts_in

# Longer than any request: what is younger may belong to an upload that has not noted it yet.
GRACE = timedelta(hours=24)
_BATCH = 1000


class Swept(msgspec.Struct, frozen=True):
    """What a sweep removed: contents no row refers to, contents no row knows, and uploads whose process is gone.

    `failed`: contents that the backend does not remove; the log says why.
    """

    unreferenced: int
    unknown: int
    staged: int
    failed: int = 0


class Remains:
    """Removes contents, with their rows held so that nobody takes one up at the same moment."""

    def __init__(self, db: Database, backend: Backend, clock: Clock, log: logging.Logger) -> None:
        self._db = db
        self._backend = backend
        self._clock = clock
        self._log = log

    def release(self, locators: Iterable[str]) -> None:
        """Remove contents that a committed change left behind, unless something else refers to them.

        A failure is logged: the change stands, and the sweep tries again.
        """
        left = list(dict.fromkeys(locators))
        for at, locator in enumerate(left):
            try:
                self._release(locator)
            except ReactorError as error:
                if error.kind is Kind.UNAVAILABLE:
                    # Each of the others would wait as long for the same.
                    self._log.warning("%d contents stay until the next sweep: %s", len(left) - at, error)
                    return
                self._log.warning("the content %s stays until the next sweep: %s", locator, error)

    def sweep(self, stopped: Callable[[], bool] = lambda: False) -> Swept:
        """Remove what nothing refers to: after a crash between the steps of an upload or a removal. Ends early when told to stop.

        Raises:
            BackendFailed: the backend cannot be listed.
            BackendUnavailable: it is down.
        """
        unreferenced, failed = self._remove_all(self._unreferenced(), self._release, stopped)
        unknown, also_failed = self._remove_all(self.unknown(), self._remove_unknown, stopped)
        staged = 0 if stopped() else self._backend.sweep_staged(before=self._clock.now() - GRACE)
        return Swept(unreferenced, unknown, staged, failed + also_failed)

    def _remove_all(
        self, batches: Iterable[list[str]], remove: Callable[[str], bool], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """Return how many were removed, and how many could not be: one that stays must not keep the others."""
        removed = failed = 0
        for locator in (one for batch in batches for one in batch):
            if stopped():
                break
            try:
                removed += remove(locator)
            except BackendUnavailable:
                raise
            except BackendFailed as error:
                failed += 1
                self._log.warning("the content %s stays until the next sweep: %s", locator, error)
        return removed, failed

    def unknown(self) -> Iterator[list[str]]:
        """Return, in batches, contents that the backend has kept for a day and no row knows."""
        for batch in _batches(self._backend.kept(before=self._clock.now() - GRACE)):
            (found,) = self._db.run(None, [queries.unknown_blobs(batch)], readonly=True)
            yield texts_in(found)

    def staged(self) -> int:
        """Count what the backend has staged for a day, which `sweep` drops."""
        return self._backend.count_staged(before=self._clock.now() - GRACE)

    def _unreferenced(self) -> Iterator[list[str]]:
        """Return, in batches, contents that no row refers to, each once."""
        behind = ""
        while True:
            (found,) = self._db.run(None, [queries.unreferenced(_BATCH, behind)], readonly=True)
            if not (batch := texts_in(found)):
                return
            yield batch
            behind = batch[-1]

    def _release(self, locator: str) -> bool:
        """Remove one content and its row in one transaction, then what was rendered from it; return whether it was done.

        The row goes last: whoever wants to take the content up waits for this transaction and then keeps it anew.
        """
        with self._db.begin() as tx:
            held, rendered, dropped = tx.run(
                [queries.lock_blob(locator), of_source(locator), queries.drop_blob(locator)]
            )
            if not held.rows or not dropped.rows:
                return False
            self._backend.remove(locator)
        self.release(texts_in(rendered))
        return True

    def _remove_unknown(self, locator: str) -> bool:
        """Remove a content that no row knew a moment ago; return whether that was still so.

        A row of its own makes whoever stores the same content at this moment wait, and then keep it anew.
        """
        with self._db.begin() as tx:
            (claimed,) = tx.run([queries.claim_blob(locator)])
            if not claimed.rows:
                return False
            self._backend.remove(locator)
            tx.run([queries.drop_blob(locator)])
        return True


def _batches(locators: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for locator in locators:
        batch.append(locator)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
