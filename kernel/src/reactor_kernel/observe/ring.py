"""The last log lines of all workers, in memory they share: what `/_admin/logs` shows and follows."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_HEADER = struct.Struct("<QQQQ")  # next id, oldest id, write position, read position
_RECORD = struct.Struct("<QI")  # id, length


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands: the position after the last line it read, and that line's id."""

    position: int
    last_id: int


class LogRing:
    """A ring of log lines in an anonymous mapping that forked workers inherit.

    Ids grow by one over all workers, from `first_id`: by default the microseconds since 1970, so that the ids of a restarted
    server go on above those of the one before, and a reader that resumes is not put where another line stands.

    The oldest lines give way once `size` bytes are full; the default holds well over 10 000 lines. The lock is a POSIX record
    lock, which the operating system releases when a worker is killed.
    """

    def __init__(self, size: int = 16 * 1024 * 1024, *, first_id: int | None = None) -> None:
        self._size = size
        self._first = first_id if first_id is not None else time.time_ns() // 1000
        self._map = mmap.mmap(-1, _HEADER.size + size)
        self._map[: _HEADER.size] = _HEADER.pack(self._first, self._first, 0, 0)
        handle, path = tempfile.mkstemp(prefix="reactor-log-")
        os.unlink(path)
        self._lock_file = handle
        # Not at exit: other threads may log until the very end.
        weakref.finalize(self, os.close, handle).atexit = False
        self._lock = threading.Lock()
        self.before_read: Callable[[], None] | None = None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            fcntl.lockf(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._lock_file, fcntl.LOCK_UN)

    @property
    def longest(self) -> int:
        """The most bytes a line may have; what is longer is cut."""
        return self._size // 4

    def append(self, line: bytes) -> int:
        """Store one line and return its id. A line over a quarter of the ring is cut."""
        with self._locked():
            return self._append(line[: self.longest])

    def extend(self, lines: Sequence[bytes]) -> None:
        """Store lines one after the other."""
        with self._locked():
            for line in lines:
                self._append(line[: self.longest])

    def _append(self, line: bytes) -> int:
        need = _RECORD.size + len(line)
        next_id, oldest, write, read = _HEADER.unpack_from(self._map, 0)
        while write + need - read > self._size:
            _, length = _RECORD.unpack(self._copy(read, _RECORD.size))
            read += _RECORD.size + length
            oldest += 1
        # First the oldest lines are given up, then they are written over: a worker killed in between leaves nobody a
        # header that points into a half-written line.
        self._map[: _HEADER.size] = _HEADER.pack(next_id, oldest, write, read)
        self._put(write, _RECORD.pack(next_id, len(line)) + line)
        self._map[: _HEADER.size] = _HEADER.pack(next_id + 1, oldest, write + need, read)
        return int(next_id)

    def end(self) -> Cursor:
        """Return the cursor after the newest line."""
        self._freshen()
        with self._locked():
            next_id, _, write, _ = _HEADER.unpack_from(self._map, 0)
        return Cursor(write, next_id - 1)

    def start(self) -> Cursor:
        """Return the cursor before the oldest line kept."""
        self._freshen()
        with self._locked():
            _, oldest, _, read = _HEADER.unpack_from(self._map, 0)
        return Cursor(read, oldest - 1)

    def gave(self, line_id: int) -> bool:
        """Tell whether an id was given to a line here, or is the one before the first; others are of another start."""
        return self._first - 1 <= line_id <= self.end().last_id

    def after_id(self, last_id: int) -> Cursor:
        """Return a cursor that resumes after a line; an id that was not given here resumes before the first line of all."""
        cursor = self.start()
        if not self.gave(last_id):
            return Cursor(cursor.position, self._first - 1)
        if last_id <= cursor.last_id:
            return Cursor(cursor.position, last_id)
        # Counted from the end: the beginning may have moved on since it was asked for.
        _, lines, after = self.read(cursor, limit=1 << 30)
        position = after.position
        for line_id, line in reversed(lines):
            if line_id <= last_id:
                break
            position -= _RECORD.size + len(line)
        return Cursor(position, last_id)

    def read(self, cursor: Cursor, *, limit: int = 1000) -> tuple[int, list[tuple[int, bytes]], Cursor]:
        """Return (lines lost since the cursor, the next lines with their ids, the new cursor)."""
        lines: list[tuple[int, bytes]] = []
        self._freshen()
        with self._locked():
            _, oldest, write, read = _HEADER.unpack_from(self._map, 0)
            lost = max(0, oldest - 1 - cursor.last_id) if cursor.position <= read else 0
            position, last_id = max(cursor.position, read), cursor.last_id + lost
            while position < write and len(lines) < limit:
                last_id, length = _RECORD.unpack(self._copy(position, _RECORD.size))
                lines.append((last_id, self._copy(position + _RECORD.size, length)))
                position += _RECORD.size + length
        return lost, lines, Cursor(position, last_id)

    def _freshen(self) -> None:
        """Let this process' lines that are still on their way come in; another worker's come within moments."""
        if self.before_read is not None:
            self.before_read()

    def _copy(self, position: int, length: int) -> bytes:
        start = position % self._size
        first = min(length, self._size - start)
        base = _HEADER.size
        return self._map[base + start : base + start + first] + self._map[base : base + length - first]

    def _put(self, position: int, data: bytes) -> None:
        start = position % self._size
        first = min(len(data), self._size - start)
        base = _HEADER.size
        self._map[base + start : base + start + first] = data[:first]
        self._map[base : base + len(data) - first] = data[first:]
