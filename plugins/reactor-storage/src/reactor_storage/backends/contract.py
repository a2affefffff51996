"""What a backend does: keep contents under locators. It knows neither buckets nor keys nor rows.

An upload is staged first, then kept: what is staged may vanish with the process, what is kept stays until it is removed. Between the
two the caller's transaction decides. A locator is the backend's own text; equal contents may share one.

Where a backend cannot tell what was staged from what was kept, `kept` may name both: the caller removes what no row refers to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from reactor_kernel.api import InternalError, Kind

CHUNK = 256 * 1024


class Staged(msgspec.Struct, frozen=True):
    """A content that is complete and not yet kept. `sha256` is lowercase hex; `place` is the backend's own."""

    locator: str
    size: int
    sha256: str
    place: str


class BlobMissing(Exception):
    """The backend holds nothing under this locator."""


class BackendFailed(InternalError):
    """The backend could not do what it was asked: it is full or misconfigured. Nothing was changed.

    `str()` is the reason, for the log and doctor, without a secret; clients are told nothing of it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("the content could not be kept or read; nothing was changed")
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class BackendUnavailable(BackendFailed):
    """The backend is down or overloaded; the same may succeed soon."""

    code = "unavailable"
    kind = Kind.UNAVAILABLE
    hint = "Send the request again after a while."

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.headers["Retry-After"] = "5"


class Backend(Protocol):
    """Keeps contents. Thread-safe; several processes and nodes may share what is behind it."""

    name: str

    def stage(self, chunks: Iterable[bytes], *, limit: int) -> Staged:
        """Take a content of at most `limit` bytes, with memory independent of its size.

        Raises:
            ContentTooLong: it goes on beyond `limit`; nothing is left of it.
            BackendFailed, BackendFull: nothing is left of it.
        Whatever `chunks` raises is raised again, with nothing left.
        """
        ...

    def compose(self, locators: Sequence[str], *, limit: int) -> Staged:
        """Stage the contents of several locators one after the other. Raises as `stage`, and BlobMissing."""
        ...

    def keep(self, staged: Staged) -> None:
        """Keep a staged content under its locator, durably; again is no error.

        Raises:
            BackendFailed: it is not kept, also because what was staged is gone.
        """
        ...

    def discard(self, staged: Staged) -> None:
        """Drop what is staged, if it is still there. What was kept meanwhile stays: the end of a transaction may be unknown."""
        ...

    def read(self, locator: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Return the bytes from `start`, in pieces; what lies behind its end is left out.

        That it exists is checked before the first piece is asked for.

        Raises:
            BlobMissing: nothing is there (any more).
            BackendFailed: it cannot be reached.
        """
        ...

    def remove(self, locator: str) -> None:
        """Remove a content; a missing one is no error. Who reads it at this moment reads on where the backend can."""
        ...

    def kept(self, *, before: datetime) -> Iterator[str]:
        """Return the locators of what was kept before an instant, for finding what no row refers to."""
        ...

    def sweep_staged(self, *, before: datetime) -> int:
        """Drop what was staged before an instant and never kept; return how many."""
        ...

    def count_staged(self, *, before: datetime) -> int:
        """Return how many `sweep_staged` would drop."""
        ...

    def check(self) -> None:
        """Write, read and remove a small content. Raises BackendFailed with the reason."""
        ...


class ContentTooLong(Exception):
    """The content is longer than it may be."""


class BackendFull(BackendFailed):
    """The backend has no space left for what it was to keep."""

    code = "storage_full"
    hint = "Remove what is not needed, or ask the operator for more space."

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.message = "the storage has no space left for this; nothing was changed"
        # RFC 4918 §11.5
        self.status = 507
