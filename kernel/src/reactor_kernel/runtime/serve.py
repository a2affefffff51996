"""Serve one target in this process or in pre-forked workers, until told to stop."""

from __future__ import annotations

import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn, Protocol

from reactor_kernel.contributions import ServerEngine, ServeRequest
from reactor_kernel.errors import ExitCode
from reactor_kernel.runtime.binding import bind
from reactor_kernel.runtime.signals import ENDING, SignalPipe, wait_readable

__all__ = ["ServeTarget", "ServedApp", "bind", "request_shutdown", "run", "serve_here"]

LOG = logging.getLogger("reactor_kernel.serve")

# What a process may still take after its drain budget before it is ended the hard way.
GRACE_SECS = 3.0
# The usual soft limit of 1024 is less than a full house of connections and the database's take together.
_OPEN_FILES = 65536


class ServedApp(Protocol):
    """A WSGI application that knows the body limit of each of its routes."""

    def __call__(self, environ: dict[str, object], start_response: Callable[..., object], /) -> Iterable[bytes]:
        """Answer one request."""
        ...

    def body_limit_for(self, method: str, path: str) -> int:
        """Return how many bytes of request body a route accepts."""
        ...

    def cross_origin_headers(self, path: str, origin: str | None) -> Sequence[tuple[str, str]]:
        """Return the headers that let scripts of an origin read an answer of a path."""
        ...


class ServeTarget(Protocol):
    """What is served, before and after workers are forked."""

    listener: socket.socket
    engine: ServerEngine
    workers: int
    threads: int
    drain_timeout: float
    body_limit: int

    def before_fork(self) -> None:
        """Let go of what a child must not share: connections, threads."""
        ...

    def start_worker(self, index: int) -> ServedApp:
        """Start what this process needs and return the application."""
        ...

    def drain(self, deadline: float) -> None:
        """Say so in `/health`, end streams and background services within `deadline` seconds."""
        ...

    def stop_worker(self) -> None:
        """Release what this process holds."""
        ...


# Signals belong to the process, not to a kernel, and so do the processes that end on request. The stack holds the
# innermost; in a worker it is the worker's own, which passes the request to its master.
_serving: list[Callable[[], None]] = []


def request_shutdown() -> None:
    """Ask whatever is being served by this process to drain and end; in a worker, all workers and the master end."""
    for ask in list(_serving):
        ask()


def run(target: ServeTarget) -> int:
    """Serve until a signal or `request_shutdown`; return the exit code.

    The first SIGTERM, SIGINT or SIGHUP drains, a second one ends the process at once with 128 + its number. With
    several workers this process must have no other thread.
    """
    if target.engine.check is not None:
        target.engine.check()
    _allow_open_files()
    if target.workers > 1:
        from reactor_kernel.runtime.master import Master

        master = Master(target)
        _serving.append(master.request_shutdown)
        try:
            return master.run()
        finally:
            _serving.remove(master.request_shutdown)
    pipe = SignalPipe(ENDING)
    _serving.append(pipe.send)
    try:
        serve_here(target, 0, pipe, second_signal_ends=True)
        return ExitCode.OK
    finally:
        _serving.remove(pipe.send)
        pipe.close()


def _allow_open_files() -> None:
    """Raise the soft limit of open files as far as the hard one lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        LOG.warning("no more than %d files can be open at once: %s", soft, error)


def serve_here(
    target: ServeTarget,
    index: int,
    pipe: SignalPipe,
    *,
    second_signal_ends: bool,
    orphaned: int | None = None,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Start, serve and drain in this process.

    Args:
        target: what to serve.
        index: which worker this is, from 0.
        pipe: brings the signals.
        second_signal_ends: whether a second signal ends the process at once. Workers leave that to their master.
        orphaned: a descriptor that reaches its end when the master is gone.
        on_ready: called once the application stands, just before it is served.
    """
    process = _ServingProcess(target, pipe, second_signal_ends, orphaned)
    process.watch()
    try:
        app = target.start_worker(index)
        if on_ready is not None:
            on_ready()
        try:
            target.engine.serve(
                ServeRequest(
                    app=app,
                    listener=target.listener,
                    threads=target.threads,
                    body_limit=target.body_limit,
                    body_limit_for=app.body_limit_for,
                    drain_timeout=target.drain_timeout,
                    stop=process.stop,
                    cross_origin_headers=app.cross_origin_headers,
                )
            )
        finally:
            process.finish()
    finally:
        target.stop_worker()
        process.ended()


class _ServingProcess:
    """The thread that turns the first signal into a drain and makes sure that the drain ends."""

    def __init__(self, target: ServeTarget, pipe: SignalPipe, second_signal_ends: bool, orphaned: int | None) -> None:
        self.target = target
        self.pipe = pipe
        self.second_signal_ends = second_signal_ends
        self.orphaned = orphaned
        self.stop = threading.Event()
        self._drained = threading.Event()
        self._draining_since: float | None = None
        self._lock = threading.Lock()
        self._over, self._tell_over = os.pipe()

    def watch(self) -> None:
        """Start reading the signals."""
        self._thread = threading.Thread(target=self._watch, name="reactor-signals", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the drain, within what is left of its time; the engine has ended."""
        self._begin_drain("the engine ended")
        since = self._draining_since if self._draining_since is not None else time.monotonic()
        left = since + self.target.drain_timeout - time.monotonic()
        if not self._drained.wait(max(left, 0.0)):
            LOG.warning(
                "background services had not ended when the drain timeout of %g s was over", self.target.drain_timeout
            )

    def ended(self) -> None:
        """End the watching thread; the process can be left."""
        os.write(self._tell_over, b"x")
        self._thread.join()
        os.close(self._over)
        os.close(self._tell_over)

    def _watch(self) -> None:
        sources = [self.pipe.reader, self._over] + ([self.orphaned] if self.orphaned is not None else [])
        while True:
            ready = wait_readable(sources, self._left_before_force())
            if self._over in ready:
                return
            if self.orphaned in ready:
                sources.remove(self.orphaned)
                self._begin_drain("the master process is gone")
            for byte in self.pipe.read() if self.pipe.reader in ready else b"":
                if self._draining_since is None:
                    self._begin_drain(f"signal {byte}" if byte else "shutdown was requested")
                elif byte and self.second_signal_ends:
                    LOG.warning("signal %d while draining; leaving at once", byte)
                    leave(128 + byte)
            if self._left_before_force() == 0:
                LOG.warning("still busy %g s after the drain timeout; leaving", GRACE_SECS)
                leave(ExitCode.OK)

    def _left_before_force(self) -> float | None:
        if self._draining_since is None:
            return None
        return max(0.0, self._draining_since + self.target.drain_timeout + GRACE_SECS - time.monotonic())

    def _begin_drain(self, reason: str) -> None:
        with self._lock:
            if self._draining_since is not None:
                return
            self._draining_since = time.monotonic()
        LOG.info("draining: %s", reason)
        threading.Thread(target=self._drain, name="reactor-drain", daemon=True).start()

    def _drain(self) -> None:
        try:
            # The engine first stops accepting; what it still serves sees `draining` and ends its streams.
            self.stop.set()
            self.target.drain(self.target.drain_timeout)
        except Exception:
            LOG.exception("draining failed")
        finally:
            self._drained.set()


def leave(code: int) -> NoReturn:
    """End the process now. Nothing is tidied, not even log handlers, for a stuck thread may hold their locks."""
    os._exit(code)
