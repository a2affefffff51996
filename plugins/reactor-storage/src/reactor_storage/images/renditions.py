"""Pictures made from objects, kept in the backend until nobody has asked for them for long.

A rendition belongs to a content, not to a key: it is looked up after its source was found for a caller who may read it, under the
locator of that source, so it shows nobody what its source does not. It goes when its source goes.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import get_args

import msgspec

from reactor_kernel.api import Database, DatabaseFault, ProbeResult, RawResult, ReactorError, Readiness, Statement
from reactor_storage import queries as contents
from reactor_storage.backends.contract import Backend, BlobMissing
from reactor_storage.errors import ImagesBusy, ImageTooLarge
from reactor_storage.images import queries
from reactor_storage.images.flights import Flights
from reactor_storage.images.pool import Renderers
from reactor_storage.images.transform import Transform
from reactor_storage.images.wire import Target
from reactor_storage.model import StoredObject
from reactor_storage.reading import not_found
from reactor_storage.remains import Remains
from reactor_storage.rows import texts_in

# A content may be replaced between two looks at it.
_LOOKS = 3
# How often one that was made makes room for the next, and how much then: more goes than comes.
_EVICT_EVERY, _EVICTED = 16, 64
_SWEPT = 1000
# A GIF of one pixel.
_DOT = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


class _Kept(msgspec.Struct, frozen=True):
    """Where a rendition is, and what it is."""

    locator: str
    size: int
    etag: str
    content_type: str
    note_use: bool


class Limits(msgspec.Struct, frozen=True):
    """What rendering may cost.

    `source_bytes` and `pixels` of a source, `seconds` of a rendering, `requests` that wait or render at a time in this process,
    `cache_bytes` and `cache_days` of what is kept.
    """

    source_bytes: int
    pixels: int
    seconds: float
    requests: int
    cache_bytes: int
    cache_days: int


class Renditions:
    """Finds renditions, and makes those that are not there."""

    def __init__(self, db: Database, backend: Backend, remains: Remains, renderers: Renderers, limits: Limits) -> None:
        self._db = db
        self._backend = backend
        self._remains = remains
        self._renderers = renderers
        self._limits = limits
        # Each request that waits holds a thread of the server; the others are for everything else.
        self._places = threading.BoundedSemaphore(limits.requests)
        self._flights: Flights[_Kept] = Flights()
        self._made = itertools.count(1)

    def of(self, find: Callable[[], StoredObject], transform: Transform, *, lost: str | None = None) -> StoredObject:
        """Return what `transform` makes of the object that `find` returns, as an object with its bytes, type and ETag.

        It is made anew where it is the one under the locator `lost`, of which the backend has not the bytes.

        Raises whatever `find` does, and:
            ImageNotSupported, ImageTooLarge: the object cannot be rendered.
            ImagesBusy: too many are being rendered.
        """
        for _ in range(_LOOKS):
            source = find()
            if lost is not None:
                self._db.run(None, [queries.forget(source.locator, transform.text(), lost)])
            try:
                kept = self._find(source.locator, transform.text()) or self._wait_for(source, transform)
            except BlobMissing:
                continue
            # Metadata tells of the source's bytes, such as how they are packed.
            return msgspec.structs.replace(
                source,
                locator=kept.locator,
                size=kept.size,
                etag=kept.etag,
                content_type=kept.content_type,
                metadata={},
            )
        raise not_found(source.bucket, source.key)

    def evict(self, most: int = _SWEPT) -> int:
        """Forget up to `most` renditions that are too old or too many; return how many went."""
        limits = self._limits
        (gone,) = self._db.run(None, [queries.evict(limits.cache_bytes, limits.cache_days, most)])
        self._remains.release(texts_in(gone))
        return len(gone.rows)

    def count_evicted(self) -> Statement:
        """Return the statement that counts those that `evict`, again and again, forgets."""
        return queries.count_evicted(self._limits.cache_bytes, self._limits.cache_days)

    def probe(self) -> ProbeResult:
        """Render a picture in every format, for doctor."""
        try:
            for target in get_args(Target):
                order = Transform(1, 1, format=target).order(max_pixels=1, seconds=self._limits.seconds)
                self._renderers.render(order, len(_DOT), lambda: [_DOT])
        except ReactorError as error:
            return ProbeResult(Readiness.WARN, f"pictures cannot be rendered: {error.message}")
        return ProbeResult(Readiness.OK, "a picture was rendered in every format")

    def close(self) -> None:
        """End the rendering processes."""
        self._renderers.close()

    def _find(self, source: str, text: str) -> _Kept | None:
        (found,) = self._db.run(None, [queries.rendition(source, text)], readonly=True)
        if not found.rows:
            return None
        kept = _kept(found)
        if kept.note_use:
            self._db.run(None, [queries.note_use(source, text)])
        return kept

    def _wait_for(self, source: StoredObject, transform: Transform) -> _Kept:
        if source.size > self._limits.source_bytes:
            raise ImageTooLarge(
                f"the object has {source.size} bytes; up to {self._limits.source_bytes} are rendered",
                details={"size": source.size, "limit": self._limits.source_bytes},
            )
        if not self._places.acquire(blocking=False):
            raise ImagesBusy
        try:
            return self._flights.run((source.locator, transform.text()), lambda: self._make(source, transform))
        finally:
            self._places.release()

    def _make(self, source: StoredObject, transform: Transform) -> _Kept:
        # Somebody may have made it since this request looked.
        if (kept := self._find(source.locator, transform.text())) is not None:
            return kept
        limits = self._limits
        order = transform.order(max_pixels=limits.pixels, seconds=limits.seconds)
        picture, content_type = self._renderers.render(order, source.size, lambda: self._backend.read(source.locator))
        kept = self._keep(source.locator, transform.text(), picture, content_type)
        if next(self._made) % _EVICT_EVERY == 0:
            self.evict(_EVICTED)
        return kept

    def _keep(self, source: str, text: str, picture: bytes, content_type: str) -> _Kept:
        """Keep a picture; return it, or the one that another process kept meanwhile. Raises BlobMissing where the source is gone."""
        staged = self._backend.stage([picture], limit=len(picture))
        try:
            with self._db.begin() as tx:
                tx.run([contents.hold_blob(staged.locator, staged.size, staged.sha256)])
                self._backend.keep(staged)
                row = queries.insert(source, text, staged.locator, staged.size, f'"{staged.sha256}"', content_type)
                (noted,) = tx.run([row])
        except DatabaseFault as fault:
            self._backend.discard(staged)
            if fault.constraint != "renditions_source_fkey":
                raise
            raise BlobMissing(source) from fault
        except BaseException:
            self._backend.discard(staged)
            raise
        kept = _kept(noted)
        if kept.locator != staged.locator:
            self._remains.release([staged.locator])
        return kept


def _kept(found: RawResult) -> _Kept:
    locator, size, etag, content_type, note_use = ((value or b"").decode() for value in found.rows[0])
    return _Kept(locator, int(size), etag, content_type, note_use == "t")
