"""What the checks share: the backend under test, and how they look at it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from reactor_storage.backends.contract import Backend, BlobMissing, Staged

MIB = 1024 * 1024
NO_LIMIT = 1 << 50
MakeBackend = Callable[[], Backend]


class Subject:
    """The backend under test."""

    @pytest.fixture
    def backend(self, make_backend: MakeBackend) -> Backend:
        """One backend."""
        return make_backend()


def staged(backend: Backend, content: bytes) -> Staged:
    """Stage a content in one piece."""
    return backend.stage([content] if content else [], limit=len(content))


def kept(backend: Backend, content: bytes) -> str:
    """Stage and keep a content; return its locator."""
    found = staged(backend, content)
    backend.keep(found)
    return found.locator


def content_of(backend: Backend, locator: str) -> bytes:
    """Return a whole content."""
    return b"".join(backend.read(locator))


def is_missing(backend: Backend, locator: str) -> bool:
    """Tell whether nothing is read under a locator."""
    try:
        pieces = backend.read(locator)
    except BlobMissing:
        return True
    for _ in pieces:
        pass
    return False


def everything(backend: Backend) -> set[str]:
    """Return the locators of all that is there, however young."""
    return set(backend.kept(before=datetime.now(UTC) + timedelta(days=1)))


def pieces_of(size: int, piece: int = 256 * 1024) -> Iterator[bytes]:
    """Yield a content of a size in which no two pieces are alike."""
    for number, start in enumerate(range(0, size, piece)):
        seed = hashlib.sha256(str(number).encode()).digest()
        yield (seed * (piece // len(seed) + 1))[: min(piece, size - start)]


def sha256_of(size: int) -> str:
    """Return the digest of what `pieces_of` yields."""
    digest = hashlib.sha256()
    for piece in pieces_of(size):
        digest.update(piece)
    return digest.hexdigest()
