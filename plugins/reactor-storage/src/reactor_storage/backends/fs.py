"""Contents in a directory, each in a file named by its SHA-256.

```
{base}/blobs/ab/cd/abcd…    what is kept
{base}/staging/<uuid>       what is being received
```

Names are made here and from digests only, so no key of an object ever becomes part of a path.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import FileIO
from itertools import chain
from pathlib import Path

from reactor_kernel.api import uuid7
from reactor_storage.backends.contract import (
    BackendFailed,
    BackendFull,
    BlobMissing,
    ContentTooLong,
    Staged,
)

# Of what is read; each costs its reader a turn through the server, and its thread the memory.
_PIECE = 1024 * 1024
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_CHECK = "check-"
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class FileSystemBackend:
    """The backend `fs`. Several processes may share the directory; several nodes if it is a shared mount with atomic renames."""

    name = "fs"

    def __init__(self, base: Path, log: logging.Logger) -> None:
        self._blobs = base / "blobs"
        self._staging = base / "staging"
        self._log = log

    def stage(self, chunks: Iterable[bytes], *, limit: int) -> Staged:
        """Write a content into a file of its own and bring it to the disk."""
        digest, size = hashlib.sha256(), 0
        place = self._staging / str(uuid7())
        try:
            with _failing("a content cannot be written"):
                file = self._open_new(place)
            with file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise ContentTooLong
                    digest.update(chunk)
                    with _failing("a content cannot be written"):
                        _write_all(file, chunk)
                with _failing("a content cannot be written"):
                    os.fsync(file.fileno())
        except BaseException:
            self._unlink(place)
            raise
        sha256 = digest.hexdigest()
        return Staged(sha256, size, sha256, str(place))

    def compose(self, locators: Sequence[str], *, limit: int) -> Staged:
        """Copy contents behind each other."""
        return self.stage((chunk for locator in locators for chunk in self.read(locator)), limit=limit)

    def keep(self, staged: Staged) -> None:
        """Rename the file to its digest. The file that was there before, if one, had the same content."""
        target = self._path(staged.locator)
        with _failing("a content cannot be kept"):
            try:
                self._make(target.parent)
                os.replace(staged.place, target)
                _sync_directory(target.parent)
            except FileNotFoundError as error:
                if not target.exists():
                    raise BackendFailed("what was staged is gone") from error

    def discard(self, staged: Staged) -> None:
        """Remove the file."""
        self._unlink(Path(staged.place))

    def read(self, locator: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Open the file; what is removed while it is read is read to its end."""
        with _failing("a content cannot be read"):
            try:
                file = open(self._name(locator), "rb", buffering=0)  # noqa: SIM115 - the iterator closes it
            except FileNotFoundError as error:
                raise BlobMissing(locator) from error
        return _pieces(file, start, length)

    def remove(self, locator: str) -> None:
        """Remove the file. A locator of another backend names none."""
        if not _DIGEST.match(locator):
            return
        with _failing("a content cannot be removed"):
            self._path(locator).unlink(missing_ok=True)

    def kept(self, *, before: datetime) -> Iterator[str]:
        """Walk through the digests."""
        limit = before.timestamp()
        for path in self._blobs.glob("??/??/*"):
            if _DIGEST.match(path.name) and _older(path, limit):
                yield path.name

    def sweep_staged(self, *, before: datetime) -> int:
        """Remove files of uploads whose process is gone."""
        return sum(map(self._unlink, self._abandoned(before)))

    def count_staged(self, *, before: datetime) -> int:
        """Count them."""
        return sum(1 for _ in self._abandoned(before))

    def _abandoned(self, before: datetime) -> Iterator[Path]:
        limit = before.timestamp()
        left = chain(self._staging.glob("*"), self._blobs.glob(f"{_CHECK}*"))
        return (path for path in left if _older(path, limit))

    def check(self) -> None:
        """Write a file, move it to the contents, read it there and remove it."""
        content = uuid7().bytes
        staged = self.stage([content], limit=len(content))
        place = self._blobs / f"{_CHECK}{uuid7()}"
        try:
            with _failing("a content cannot be kept"):
                self._make(self._blobs)
                os.replace(staged.place, place)
            with _failing("a content cannot be read"):
                found = place.read_bytes()
        finally:
            self.discard(staged)
            self._unlink(place)
        if found != content:
            raise BackendFailed("what is read is not what was written")

    def _path(self, locator: str) -> Path:
        return Path(self._name(locator))

    def _name(self, locator: str) -> str:
        if not _DIGEST.match(locator):
            raise BlobMissing(locator)
        return f"{self._blobs}/{locator[:2]}/{locator[2:4]}/{locator}"

    def _open_new(self, place: Path) -> FileIO:
        try:
            return open(place, "xb", buffering=0)
        except FileNotFoundError:
            self._make(place.parent)
            return open(place, "xb", buffering=0)

    @staticmethod
    def _make(folder: Path) -> None:
        """Make a folder, and bring the names of those that are new to the disk."""
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(mode=0o700, exist_ok=True)
            _sync_directory(new.parent)

    def _unlink(self, place: Path) -> bool:
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            # The sweep tries again; the caller has an answer of its own to give.
            self._log.warning("%s stays until it is swept: %s", place, error)
            return False
        return True


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    """Turn what the file system refuses into the backend's own failures."""
    try:
        yield
    except OSError as error:
        kind = BackendFull if error.errno in _FULL else BackendFailed
        raise kind(f"{what}: {error.strerror}") from error


def _write_all(file: FileIO, chunk: bytes) -> None:
    # Where the disk is all but full the system takes a part and says so, without an error.
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _pieces(file: FileIO, start: int, length: int | None) -> Iterator[bytes]:
    with file:
        if start:
            file.seek(start)
        left = length
        while left is None or left > 0:
            piece = file.read(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece


def _older(path: Path, limit: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime < limit
    return False


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
