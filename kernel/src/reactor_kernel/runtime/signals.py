"""Signals as bytes in a pipe.

A Python signal handler runs on the main thread between two bytecodes, where taking a lock can deadlock and a long C call
delays it. The byte that the interpreter's C handler writes to the wakeup descriptor arrives at once, and whoever reads
the pipe acts on an ordinary thread.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

SHUTDOWN = 0
"""The byte for a shutdown that was asked for by `request_shutdown`; real signals are their numbers."""

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _arrived(number: int, frame: FrameType | None) -> None:
    """Do nothing: the wakeup descriptor has already carried the number."""


# What came before a server's own handlers stood.
_early: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the signals that end a server raise KeyboardInterrupt in the block, which starts one and serves.

    Also those that whoever started this process had it ignore. The interpreter drops an exception that is raised in a callback
    of its own, such as one of an import, so the first `SignalPipe` delivers what came before it once more. Off the main thread
    nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _early.clear()
    former = {number: signal.signal(number, _interrupt) for number in ENDING if _is_meant(number)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _early.append(number)
    raise KeyboardInterrupt


def _is_meant(number: signal.Signals) -> bool:
    # nohup and the like want SIGHUP ignored; SIGINT is ignored by shells for background jobs, yet an operator who sends it by
    # hand means it.
    return number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN


class SignalPipe:
    """Catches signals while open. Off the main thread it only carries `shutdown` requests."""

    def __init__(self, caught: Sequence[signal.Signals], ignored: Sequence[signal.Signals] = ()) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)
        self._former: dict[signal.Signals, Any] = {}
        self._former_wakeup: int | None = None
        if threading.current_thread() is threading.main_thread():
            self._former_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            for number in caught:
                if _is_meant(number):
                    self._former[number] = signal.signal(number, _arrived)
            for number in ignored:
                self._former[number] = signal.signal(number, signal.SIG_IGN)
            while _early:
                self.send(_early.pop(0))

    def send(self, byte: int = SHUTDOWN) -> None:
        """Put a byte into the pipe."""
        try:
            os.write(self._writer, bytes([byte]))
        except BlockingIOError:
            # The pipe is full of earlier requests to end.
            return

    def read(self) -> bytes:
        """Return what arrived; empty when nothing did."""
        try:
            return os.read(self.reader, 512)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give the signals back to who had them."""
        if self._former_wakeup is not None:
            signal.set_wakeup_fd(self._former_wakeup)
            for number, handler in self._former.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        os.close(self.reader)
        os.close(self._writer)

    def abandon(self) -> None:
        """Close a parent's pipe in a forked child, leaving the handlers for the child's own pipe to replace."""
        if self._former_wakeup is not None:
            signal.set_wakeup_fd(-1)
        os.close(self.reader)
        os.close(self._writer)


def wait_readable(descriptors: Sequence[int], timeout: float | None) -> set[int]:
    """Sleep until one of the descriptors has something to read (or is at its end), or `timeout` seconds passed."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    ready = poll.poll(None if timeout is None else max(0, int(timeout * 1000 + 0.999)))
    return {descriptor for descriptor, _ in ready}
