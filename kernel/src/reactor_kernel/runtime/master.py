"""The master process: forks workers, replaces those that die, passes signals on, and does nothing else.

It runs no thread and no request, so it is small, and forking it is safe.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import NoReturn

from reactor_kernel.errors import BootError, ExitCode
from reactor_kernel.runtime import serve
from reactor_kernel.runtime.binding import BACKLOG, beside, share
from reactor_kernel.runtime.signals import ENDING, SignalPipe, wait_readable

LOG = logging.getLogger("reactor_kernel.serve")

_STABLE_SECS = 10.0
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_CRASH_LOOP = 5
_BLOCKED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}

_READY, _SHUTDOWN = b"r", b"s"


@dataclass(slots=True)
class _Worker:
    """One place among the workers and the process that fills it."""

    index: int
    pid: int | None = None
    control: int | None = None  # the worker writes, the master reads
    started: float = 0.0
    ready: bool = False
    failures: int = 0
    restart_at: float = field(default=0.0)


class Master:
    """Keeps `target.workers` processes serving."""

    def __init__(self, target: serve.ServeTarget) -> None:
        self.target = target
        self.workers = [_Worker(index) for index in range(target.workers)]
        self.draining_since: float | None = None
        self.exit_code = ExitCode.OK
        self._ever_ready = False
        self._holder = _shared(target.listener)
        self._first_taken = False

    def request_shutdown(self) -> None:
        """Drain all workers and end."""
        self.pipe.send()

    def run(self) -> int:
        """Serve until told to stop; return the exit code."""
        self.target.before_fork()
        if others := [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]:
            LOG.warning(
                "forking with other threads running (%s); a lock one of them holds stays locked", ", ".join(others)
            )
        self.pipe = SignalPipe((*ENDING, signal.SIGCHLD))
        # The workers hold the reading end; it ends for them when this process does, however that happens.
        self._alive_reader, self._alive_writer = os.pipe()
        # What is loaded by now stays shared between the workers as long as no collection touches it.
        gc.collect()
        gc.freeze()
        try:
            while True:
                self._fill_places()
                if self.draining_since is not None and not any(worker.pid for worker in self.workers):
                    return self.exit_code
                self._sleep()
                self._read_controls()
                self._reap()
                self._kill_overdue()
        finally:
            gc.unfreeze()
            self._kill_all()
            os.close(self._alive_reader)
            os.close(self._alive_writer)
            self.pipe.close()

    # -- starting ---------------------------------------------------------------------------------------------------

    def _fill_places(self) -> None:
        if self.draining_since is not None:
            return
        now = time.monotonic()
        for worker in self.workers:
            if worker.pid is None and worker.restart_at <= now:
                self._fork(worker)

    def _fork(self, worker: _Worker) -> None:
        try:
            control_reader, control_writer = os.pipe()
        except OSError as error:
            self._put_off(worker, error)
            return
        # A signal between fork and the child's own handlers would be written into the master's pipe.
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
            os.close(control_reader)
            os.close(control_writer)
            self._put_off(worker, error)
            return
        if pid == 0:
            os.close(control_reader)
            self._become_worker(worker, control_writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
        if self._holder is not None and not self._first_taken:
            # It is that worker's from here on, and ends with it: no connection waits for a process that is gone.
            self._first_taken = True
            self.target.listener.close()
        os.close(control_writer)
        os.set_blocking(control_reader, False)
        worker.pid, worker.control = pid, control_reader
        worker.started, worker.ready = time.monotonic(), False
        LOG.info("worker %d started with pid %d", worker.index, pid)

    def _put_off(self, worker: _Worker, error: OSError) -> None:
        """Fork later where the system cannot now: giving up would end the workers that serve."""
        if not self._ever_ready and not any(other.pid for other in self.workers):
            raise error
        worker.failures += 1
        delay = _delay(worker.failures + 1)
        worker.restart_at = time.monotonic() + delay
        LOG.error("worker %d cannot be forked: %s; tried again in %.1f s", worker.index, error.strerror, delay)

    def _become_worker(self, own: _Worker, control: int) -> NoReturn:
        """Serve as a worker; never returns into the master's frames."""
        code: int = ExitCode.FAILED
        try:
            self.pipe.abandon()
            os.close(self._alive_writer)
            for other in self.workers:
                if other.control is not None:
                    os.close(other.control)
            listener = self._own_socket()
            serve._serving[:] = [lambda: _write(control, _SHUTDOWN)]
            # A terminal sends SIGINT to the whole group; what it means is the master's to say, once, by SIGTERM.
            pipe = SignalPipe((signal.SIGTERM,), ignored=(signal.SIGINT, signal.SIGHUP))
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
            serve.serve_here(
                self.target,
                own.index,
                pipe,
                second_signal_ends=False,
                orphaned=self._alive_reader,
                on_ready=lambda: self._ready(listener, control),
            )
            code = ExitCode.OK
        except BootError as error:
            LOG.error("worker %d could not start:\n%s", own.index, error)
            code = error.exit_code
        except BaseException:
            LOG.exception("worker %d failed", own.index)
        finally:
            logging.shutdown()
            # Not sys.exit: handlers registered by the master before the fork are not the worker's to run.
            serve.leave(code)

    def _own_socket(self) -> socket.socket:
        """Return the socket this worker accepts on; on one that all share, whoever wakes first would take everything.

        The first worker goes on with the one that was opened before it, because connections may wait there.
        """
        if self._holder is not None:
            if self._first_taken:
                self.target.listener = beside(self._holder)
            self._holder.close()
        return self.target.listener

    def _ready(self, listener: socket.socket, control: int) -> None:
        listener.listen(BACKLOG)
        _write(control, _READY)

    # -- watching ---------------------------------------------------------------------------------------------------

    def _sleep(self) -> None:
        now = time.monotonic()
        if self.draining_since is not None:
            timeout: float | None = max(0.0, self._drain_ends() - now)
        else:
            due = [worker.restart_at for worker in self.workers if worker.pid is None]
            timeout = max(0.0, min(due) - now) if due else None
        controls = [worker.control for worker in self.workers if worker.control is not None]
        ready = wait_readable([self.pipe.reader, *controls], timeout)
        if self.pipe.reader in ready:
            for byte in self.pipe.read():
                if byte != signal.SIGCHLD:
                    self._told_to_end(byte)

    def _told_to_end(self, byte: int) -> None:
        if self.draining_since is None:
            self._begin_drain(f"signal {byte}" if byte else "shutdown was requested")
        elif byte:
            LOG.warning("signal %d while draining; leaving at once", byte)
            self._kill_all()
            serve.leave(128 + byte)

    def _begin_drain(self, reason: str) -> None:
        LOG.info("draining %d workers: %s", sum(worker.pid is not None for worker in self.workers), reason)
        self.draining_since = time.monotonic()
        # While this copy is open, connections would still be queued with nobody left to accept them.
        self.target.listener.close()
        if self._holder is not None:
            self._holder.close()
        for worker in self.workers:
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGTERM)

    def _drain_ends(self) -> float:
        since = self.draining_since if self.draining_since is not None else time.monotonic()
        return since + self.target.drain_timeout + serve.GRACE_SECS + 1.0

    def _kill_overdue(self) -> None:
        if self.draining_since is not None and time.monotonic() >= self._drain_ends():
            overdue = [worker.pid for worker in self.workers if worker.pid is not None]
            if overdue:
                LOG.warning("worker(s) %s did not end in time and are killed", ", ".join(map(str, overdue)))
                self._kill_all()

    def _read_controls(self) -> None:
        for worker in self.workers:
            if worker.control is None:
                continue
            try:
                said = os.read(worker.control, 64)
            except BlockingIOError:
                continue
            if not said:
                os.close(worker.control)
                worker.control = None
            if _READY in said:
                worker.ready = self._ever_ready = True
            if _SHUTDOWN in said and self.draining_since is None:
                self._begin_drain(f"worker {worker.index} passed on a shutdown request")

    def _reap(self) -> None:
        for worker in self.workers:
            # By pid, never -1: the master may have other children, whose ends are not ours to take.
            if worker.pid is not None and (status := _ended(worker.pid)) is not None:
                self._lost(worker, status)

    def _lost(self, worker: _Worker, status: int) -> None:
        pid, lived = worker.pid, time.monotonic() - worker.started
        worker.pid = None
        if worker.control is not None:
            os.close(worker.control)
            worker.control = None
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        if self.draining_since is not None:
            LOG.log(logging.INFO if code == 0 else logging.WARNING, "worker %d (pid %d) %s", worker.index, pid, how)
            return
        if not self._ever_ready and code > 0:
            # It never worked, and it said why: starting it again would say the same.
            self.exit_code = code
            self._begin_drain(f"worker {worker.index} could not start")
            return
        worker.failures = 1 if worker.ready and lived >= _STABLE_SECS else worker.failures + 1
        delay = _delay(worker.failures)
        worker.ready = False
        if worker.failures >= _CRASH_LOOP and not any(other.ready for other in self.workers):
            LOG.error(
                "worker %d (pid %d) %s %.1f s after its start, %d times in a row, and no other worker serves; giving up",
                worker.index, pid, how, lived, worker.failures,
            )  # fmt: skip
            self.exit_code = ExitCode.FAILED
            self._begin_drain("the workers crash in a loop")
            return
        worker.restart_at = time.monotonic() + delay
        LOG.log(
            logging.WARNING if code == 0 else logging.ERROR,
            "worker %d (pid %d) %s; another is started in %.1f s", worker.index, pid, how, delay,
        )  # fmt: skip

    def _kill_all(self) -> None:
        for worker in self.workers:
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
                worker.pid = None


def _shared(listener: socket.socket) -> socket.socket | None:
    """Let each worker listen with a socket of its own, where the system spreads connections over them."""
    if sys.platform != "linux":
        return None
    try:
        return share(listener)
    except OSError as error:
        LOG.warning("the workers share one socket, because SO_REUSEPORT is refused: %s", error)
        return None


def _delay(failures: int) -> float:
    return 0.0 if failures == 1 else float(min(_FIRST_DELAY * 2 ** min(failures - 2, 32), _LONGEST_DELAY))


def _ended(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return status if done else None


def _write(descriptor: int, message: bytes) -> None:
    try:
        os.write(descriptor, message)
    except BrokenPipeError:
        # The master is gone; its end of the life line starts the drain.
        LOG.warning("the master process is gone")
