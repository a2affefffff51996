"""The sweep of storage at somebody's word, to its end, with its counts (contract storage.md §4.11)."""

from __future__ import annotations

import msgspec

from reactor_kernel.api import Database
from reactor_storage import multipart_queries, queries
from reactor_storage.grants import Grants
from reactor_storage.images.renditions import Renditions
from reactor_storage.multipart import MultipartUploads
from reactor_storage.remains import Remains
from reactor_storage.rows import texts_in

# More than this is not counted ahead; it is removed nevertheless.
_MOST = 1_000_000


class Collected(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was removed, or would be.

    `uploads` whose time is over, contents that are `unreferenced` by any row, that are `unknown` to all, and those `staged` by
    processes that are gone; the last are not counted ahead. `failed`: contents that the backend did not remove.
    """

    dry_run: bool
    uploads: int
    unreferenced: int
    unknown: int
    staged: int | None = None
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
        uploads = self._uploads.sweep()
        self._grants.forget_uses()
        while self._renditions.evict():
            pass
        swept = self._remains.sweep()
        return Collected(False, uploads, swept.unreferenced, swept.unknown, swept.staged, swept.failed)

    def rehearse(self) -> Collected:
        """Count what `collect` would remove, up to a million of a kind."""
        ended, left = self._db.run(None, [multipart_queries.expired(_MOST), queries.unreferenced(_MOST)], readonly=True)
        return Collected(True, len(texts_in(ended)), len(texts_in(left)), sum(map(len, self._remains.unknown())))
