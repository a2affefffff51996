"""Bring the embedded server back when it ends while reactor runs."""

from __future__ import annotations

import logging
from collections.abc import Callable

from reactor_kernel.contracts.runtime import StopSignal
from reactor_kernel.contributions.operations import BackgroundService
from reactor_kernel.embedded.postgres import EmbeddedPostgres

CHECK_SECONDS = 1.0
_LOG = logging.getLogger("reactor_kernel.embedded")


def watch(embedded: EmbeddedPostgres, ill: Callable[[], str | None]) -> BackgroundService:
    """Return a service that starts the server again when `ill` says why the database does not answer and it is gone.

    Every worker runs it; the start is taken under the lock of the data directory, so one starts and the others adopt.
    """

    def run(stop: StopSignal) -> None:
        while not stop.wait(CHECK_SECONDS):
            reason = ill()
            if reason is not None and embedded.status().pid is None and not stop.is_set():
                _LOG.warning("the embedded Postgres has ended (%s); starting it again", reason)
                embedded.start()

    return BackgroundService("kernel-embedded-postgres", run)
