"""Where the vault's sealed entries are kept: one file per project, or memory."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from reactor_kernel.errors import Unavailable
from reactor_kernel.vault.cipher import Altered, new_key, seal, unseal

FORMAT = 1
_CHECK = ("check",)
_REVISION_ENDS = 64  # bytes into the file by which the revision has ended


class Version(msgspec.Struct):
    """One version: its own data key wrapped by the master key and, for a secret, the sealed value."""

    wrapped: bytes
    created_at: str
    sealed: bytes = b""


class Entry(msgspec.Struct):
    """A secret or a named key with all its versions, from 1."""

    created_at: str
    versions: list[Version]


class Content(msgspec.Struct):
    """Everything a project's vault holds.

    `revision` is random and stands first, so that the start of the file tells whether it changed. `check` is sealed by the
    master key, to tell a wrong one.
    """

    revision: str
    project: str
    check: bytes = b""
    format: int = FORMAT
    secrets: dict[str, Entry] = msgspec.field(default_factory=dict)
    keys: dict[str, Entry] = msgspec.field(default_factory=dict)


class WrongMasterKey(Exception):
    """The vault was encrypted with another master key."""


class DamagedStore(Exception):
    """The vault's file cannot be understood."""


class Store(Protocol):
    """Keeps the content of one project's vault and the master key that wraps its data keys."""

    project: str

    @property
    def master_key(self) -> bytes:
        """The key that wraps data keys."""
        ...

    def read(self) -> Content:
        """Return the newest content; the same object as long as nothing changed. Not to be modified."""
        ...

    def change(self) -> AbstractContextManager[Content]:
        """Give the newest content to be modified; it is stored when the `with` block ends without an exception."""
        ...


class MemoryStore:
    """Keeps the content in memory under a random master key."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.master_key = new_key()
        self._content = Content("", project)
        self._lock = threading.Lock()

    def read(self) -> Content:
        return self._content

    @contextmanager
    def change(self) -> Iterator[Content]:
        with self._lock:
            draft = _copy(self._content)
            yield draft
            self._content = draft


class FileStore:
    """Keeps the content in `<directory>/<project>.vault`.

    Writers of all processes take turns by a lock file. A write replaces the file as a whole, after the new one is on the
    disk, so that a reader and a crash see the old or the new one.
    """

    def __init__(self, directory: Path, project: str, master_key: bytes) -> None:
        self.project = project
        self.master_key = master_key
        self._file = directory / f"{project}.vault"
        self._lock_file = directory / f"{project}.lock"
        self._thread_lock = threading.RLock()
        self._stamp: tuple[bytes, int, int] | None = None
        self._content = Content("", project)
        self._load()

    def read(self) -> Content:
        with self._thread_lock:
            try:
                self._load()
            except (WrongMasterKey, DamagedStore) as error:
                raise Unavailable(f"the vault cannot be read: {error}") from None
            except OSError as error:
                raise Unavailable(f"the vault cannot be read: {error.strerror}") from None
            return self._content

    @contextmanager
    def change(self) -> Iterator[Content]:
        with self._thread_lock, self._locked():
            draft = _copy(self.read())
            if not draft.check:
                draft.check = seal(self.master_key, b"", (self.project, *_CHECK))
            yield draft
            draft.revision = uuid.uuid4().hex
            try:
                self._write(msgspec.json.encode(draft))
            except OSError as error:
                raise Unavailable(f"the vault cannot be written: {error.strerror}") from None
            self._load()

    def _load(self) -> None:
        try:
            with self._file.open("rb") as file:
                found = os.fstat(file.fileno())
                start = file.read(_REVISION_ENDS)
                stamp = (start, found.st_mtime_ns, found.st_size)
                if stamp == self._stamp:
                    return
                raw = start + file.read()
        except FileNotFoundError:
            if self._stamp is not None:
                self._stamp, self._content = None, Content("", self.project)
            return
        content = self._decode(raw)
        try:
            unseal(self.master_key, content.check, (self.project, *_CHECK))
        except Altered:
            raise WrongMasterKey(f"does not open {self._file}, which was encrypted with another key") from None
        self._stamp, self._content = stamp, content

    def _decode(self, raw: bytes) -> Content:
        try:
            content = msgspec.json.decode(raw, type=Content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise DamagedStore(f"{self._file} is damaged; restore it from a backup") from None
        if content.format != FORMAT:
            raise DamagedStore(f"{self._file} has format {content.format}; this version reads format {FORMAT}")
        if content.project != self.project:
            raise DamagedStore(f"{self._file} belongs to project {content.project}")
        return content

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl

        try:
            self._lock_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"the vault cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)  # which releases the lock, as the end of the process does

    def _write(self, raw: bytes) -> None:
        # One name is enough: only the holder of the lock writes it, and a crash's leftover is overwritten.
        draft = self._file.with_suffix(".new")
        with suppress(FileNotFoundError):
            draft.unlink()
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)
        directory = os.open(self._file.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _copy(content: Content) -> Content:
    return msgspec.json.decode(msgspec.json.encode(content), type=Content)
