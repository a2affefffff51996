"""What one node does for all: delete changes nobody can resume from any more, and look after the triggers."""

from __future__ import annotations

from collections.abc import Callable

from reactor_data.realtime.outbox import Outbox
from reactor_kernel.api import StopSignal

SWEEP_EVERY_SECS = 30.0
_MOST = 5000


class OutboxKeeper:
    """The background service `data-changes`."""

    def __init__(self, outbox: Outbox, keep_secs: int, look_after: Callable[[], object]) -> None:
        self._outbox = outbox
        self._keep = keep_secs
        self._look_after = look_after

    def run(self, stop: StopSignal) -> None:
        """Sweep until told to stop. What the database refuses is raised: the service then starts again."""
        while not stop.wait(SWEEP_EVERY_SECS):
            self._look_after()
            self.sweep(stop)

    def sweep(self, stop: StopSignal) -> int:
        """Delete what is too old, in portions; return how many rows."""
        total = 0
        while not stop.is_set():
            swept = self._outbox.sweep(self._keep, _MOST)
            total += swept
            if swept < _MOST - 1:
                break
        return total
