"""The rendering processes of one server process: begun when one is needed, ended and replaced when a picture was too much for one."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from reactor_kernel.api import InternalError
from reactor_storage.backends.contract import BackendFailed
from reactor_storage.errors import ImageNotSupported, ImagesBusy, ImageTooLarge
from reactor_storage.images.pipes import Inlet, Outlet, Stalled
from reactor_storage.images.wire import Answer, Ended, Order, WrongLength, receive, send

if TYPE_CHECKING:
    from prometheus_client import Histogram

# The interpreter and its libraries, and what a pixel needs while it is decoded, filtered and converted.
_MEMORY = 512 * 1024 * 1024
_MEMORY_PER_PIXEL = 16
_IDLE_SECONDS = 60.0
# A process ends by itself in time; one that cannot, or does not want to, is ended after these seconds more.
_SLACK_SECONDS = 3.0
_READY_SECONDS = 60.0
_ANSWERS = msgspec.json.Decoder(Answer)
# What the system's loader may need; nothing else of the environment, which holds secrets.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG")


class Renderers:
    """Renders pictures in processes of their own. Thread-safe. `durations` has the label outcome."""

    def __init__(
        self, *, most: int, max_pixels: int, seconds: float, durations: Histogram, log: logging.Logger,
        idle: float = _IDLE_SECONDS,
    ) -> None:  # fmt: skip
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._closed = False
        self._memory = _MEMORY + _MEMORY_PER_PIXEL * max_pixels
        self._seconds = seconds
        self._idle_seconds = idle
        self._durations = durations
        self._log = log

    def render(self, order: Order, length: int, source: Callable[[], Iterable[bytes]]) -> tuple[bytes, str]:
        """Return the picture that an order makes of a source of `length` bytes, and its content type.

        `source` opens it, again where a process ended before it took the order.

        Raises:
            ImageNotSupported, ImageTooLarge: the source cannot be rendered.
            ImagesBusy: no process became free in time.
        """
        if not self._places.acquire(timeout=self._seconds):
            raise ImagesBusy
        began, outcome = time.monotonic(), "failed"
        try:
            answer, picture = self._run(order, length, source)
            outcome = answer.outcome
        finally:
            self._places.release()
            self._durations.labels(outcome).observe(time.monotonic() - began)
        if outcome == "rendered":
            return picture, answer.content_type
        error = ImageTooLarge if outcome == "too_large" else ImageNotSupported
        raise error(f"the object {answer.message}")

    def close(self) -> None:
        """End the processes that are idle; those at work end when they have answered."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _run(self, order: Order, length: int, source: Callable[[], Iterable[bytes]]) -> tuple[Answer, bytes]:
        while True:
            process = self._take()
            try:
                found = process.run(order, length, source())
            except Ended:
                if (status := process.end()) == 0:
                    # It had nothing to do for long, and went at this moment.
                    continue
                raise self._failure(status, order) from None
            except Stalled:
                self._log.warning("a rendering process hung and is ended with status %d", process.end())
                raise _too_slow(order) from None
            except WrongLength:
                process.end()
                raise BackendFailed("a content has not the length that it had when it was stored") from None
            except BaseException:
                process.end()
                raise
            self._give_back(process)
            return found

    def _take(self) -> _Process:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None:
                return self._begin()
            if process.alive:
                return process
            process.end()

    def _begin(self) -> _Process:
        try:
            return _Process(self._memory, self._idle_seconds, self._seconds + _SLACK_SECONDS)
        except _NotBegun as error:
            self._log.error("a rendering process does not start; %s", error)
            raise InternalError("the rendering process does not start", hint="The server's log says why.") from error

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(process)
                return
        process.end()

    def _failure(self, status: int, order: Order) -> ImageTooLarge | ImageNotSupported:
        if status == -signal.SIGALRM:
            return _too_slow(order)
        self._log.warning("a rendering process ended with status %d; another one takes its place", status)
        return ImageNotSupported("the object cannot be decoded: it made the decoder fail")


def _too_slow(order: Order) -> ImageTooLarge:
    return ImageTooLarge(f"the object takes longer to render than {order.seconds:g} seconds")


class _NotBegun(Exception):
    """A process ended or hung before it was ready; says with which status, and how to see why."""


class _Process:
    """One rendering process."""

    def __init__(self, memory: int, idle: float, patience: float) -> None:
        """Take for how many seconds it may take nothing of a source, or then give no answer."""
        environment = {name: value for name in _PASSED_ON if (value := os.environ.get(name)) is not None}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-P", "-s", "-m", "reactor_storage.images.worker", str(memory), str(idle)]
        # A session of its own, so that Ctrl-C reaches the server, which lets this one finish.
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd="/",
            start_new_session=True, bufsize=0,
        )  # fmt: skip
        self._patience = patience
        self._orders = Inlet(cast("BinaryIO", self._child.stdin).fileno(), patience)
        self._answers = Outlet(cast("BinaryIO", self._child.stdout).fileno())
        self._answers.expect(_READY_SECONDS)
        try:
            receive(self._answers)
        except (Ended, Stalled):
            shown = shlex.join([f"PYTHONPATH={environment['PYTHONPATH']}", *command])
            raise _NotBegun(f"it ended with status {self.end()}; this shows why: env {shown}") from None
        except BaseException:
            self.end()
            raise

    @property
    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._child.poll() is None

    def run(self, order: Order, length: int, source: Iterable[bytes]) -> tuple[Answer, bytes]:
        """Give it an order and wait for the answer. Raises Ended, Stalled, WrongLength and whatever `source` does."""
        send(self._orders, order, length, source)
        self._answers.expect(self._patience)
        answer, picture = receive(self._answers)
        return _ANSWERS.decode(answer), picture

    def end(self) -> int:
        """End it where it has not ended by itself; return its status."""
        for pipe in (self._child.stdin, self._child.stdout):
            cast("BinaryIO", pipe).close()
        try:
            return self._child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()
