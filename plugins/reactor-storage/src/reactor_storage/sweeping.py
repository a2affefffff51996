"""The background service that removes what nothing refers to (contract storage.md §4.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_kernel.api import ReactorError, StopSignal

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly


def sweep_regularly(parts: Assembly, stop: StopSignal) -> None:
    """Sweep once every `[storage] sweep_every_secs` until told to stop; a sweep that fails is logged and tried again."""
    log, uploads = parts.ctx.log, parts.multipart("multipart")
    while not stop.wait(parts.config.sweep_every_secs):
        try:
            given_up = uploads.sweep(stop.is_set)
            parts.grants.forget_uses()
            while not stop.is_set() and parts.renditions.evict():
                pass
            swept = parts.remains.sweep(stop.is_set)
        except ReactorError as error:
            log.warning("the sweep of storage ended early: %s", error)
            continue
        if given_up:
            log.info("%d uploads in parts were given up and are dropped", given_up)
        if swept.unreferenced or swept.unknown or swept.staged:
            log.info(
                "swept %d contents nothing referred to, %d that no row knew, %d of uploads that ended",
                swept.unreferenced, swept.unknown, swept.staged,
            )  # fmt: skip
