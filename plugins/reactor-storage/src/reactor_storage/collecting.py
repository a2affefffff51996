"""The sweep of storage at somebody's word, to its end, with its counts (contract storage.md §4.11)."""

from __future__ import annotations

import msgspec

from reactor_kernel.api import Database
from reactor_storage import multipart_queries, queries
from reactor_storage.grants import Grants
from reactor_storage.images.renditions import Renditions
from reactor_storage.multipart import MultipartUploads
from reactor_storage.remains import Remains
from reactor_storage.rows import count_in


class Collected(msgspec.Struct, frozen=True):
    """What was removed, or would be.

    `uploads` whose time is over before they became an object, `renditions` that are too old or too many, contents that are
    `unreferenced` by any row, with what was rendered from them, contents of which no row knows (`unknown`), and those `staged` by
    processes that are gone. `failed`: contents that the backend did not remove.
    """

    dry_run: bool
    uploads: int
    renditions: int
    unreferenced: int
    unknown: int
    staged: int
    failed: int = 0


class Collector:
    """Removes now what the background service would remove within the hour."""

    def __init__(
        self, db: Database, remains: Remains, uploads: MultipartUploads, grants: Grants, renditions: Renditions
    ) -> None:
        self._db = db
        self._remains = remains
        self._uploads = uploads
        self._grants = grants
        self._renditions = renditions

    def collect(self) -> Collected:
        """Sweep until nothing is left. Raises BackendFailed."""
        renditions = 0
        # Before contents go, with which renditions go that are counted here.
        while evicted := self._renditions.evict():
            renditions += evicted
        uploads = self._uploads.sweep()
        self._grants.forget_uses()
        swept = self._remains.sweep()
        return Collected(
            False, uploads, renditions, swept.unreferenced, swept.unknown, swept.staged, swept.failed
        )  # fmt: skip

    def rehearse(self) -> Collected:
        """Count what `collect` would remove. Raises BackendFailed."""
        statements = [
            multipart_queries.count_given_up(), self._renditions.count_evicted(), queries.count_unreferenced()
        ]  # fmt: skip
        uploads, renditions, unreferenced = map(count_in, self._db.run(None, statements, readonly=True))
        unknown = sum(map(len, self._remains.unknown()))
        return Collected(True, uploads, renditions, unreferenced, unknown, self._remains.staged())
