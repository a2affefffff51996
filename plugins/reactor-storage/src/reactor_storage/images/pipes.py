"""Pipes to a process that may hang, or say what it likes: whoever waits at one waits a bounded time and takes bounded bytes."""

from __future__ import annotations

import os
import select
import time

# More than the largest picture that is rendered has, in the format that packs it worst.
MOST_READ = 64 * 1024 * 1024
_PIECE = 1024 * 1024


class Stalled(Exception):
    """The other side did nothing for longer than it may take."""


class Inlet:
    """The end of a pipe that is written to."""

    def __init__(self, descriptor: int, patience: float) -> None:
        """Take how many seconds the other side may take none of the bytes."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        self._patience = patience

    def write(self, content: bytes) -> None:
        """Write all of it. Raises Stalled, BrokenPipeError."""
        rest = memoryview(content)
        while rest:
            if not self._ready.poll(self._patience * 1000):
                raise Stalled
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Room for less than what is to be written at once.
                continue

    def flush(self) -> None:
        """Do nothing: what was written is in the pipe."""


class Outlet:
    """The end of a pipe that is read from."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLIN)
        self._ends = float("inf")

    def expect(self, seconds: float) -> None:
        """Let all that is read from now on come within so many seconds."""
        self._ends = time.monotonic() + seconds

    def read(self, length: int) -> bytes:
        """Return so many bytes; fewer where the other side ended, or would send more than is believed. Raises Stalled."""
        found = bytearray()
        if length > MOST_READ:
            return b""
        while len(found) < length:
            left = self._ends - time.monotonic()
            if left <= 0 or not self._ready.poll(left * 1000):
                raise Stalled
            if not (piece := os.read(self._descriptor, min(length - len(found), _PIECE))):
                break
            found += piece
        return bytes(found)
