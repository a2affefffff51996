"""Background services: a thread each, restarted with backoff, led by one node where they must be, drained at the end."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from reactor_kernel.contracts.runtime import Clock, Leader
from reactor_kernel.contributions import BackgroundService


class LeaderElection(Leader, Protocol):
    """Leadership that can be sought and given up."""

    def acquire(self, task: str) -> bool:
        """Try once to become the leader of `task`; return whether this process is it now."""
        ...

    def release(self, task: str) -> None:
        """Give the leadership of `task` up; harmless when it is not held."""
        ...


class ServiceState(Enum):
    """What a background service does at the moment."""

    STARTING = "starting"
    STANDBY = "standby"  # another node leads
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as seen from outside. `since` is when the state began, `restarts` counts failures."""

    plugin: str
    name: str
    state: ServiceState
    since: datetime
    restarts: int
    leader_only: bool
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast failed services come back and leadership is sought, in seconds."""

    first_delay: float = 0.5
    longest_delay: float = 60.0
    forgiven_after: float = 60.0
    acquire_every: float = 5.0
    check_leadership_every: float = 1.0

    def delay(self, failures: int, chance: float) -> float:
        """Return the pause after the n-th failure in a row; `chance` in [0, 1) spreads it by half around its middle."""
        middle = min(self.first_delay * 2.0 ** min(failures - 1, 32), self.longest_delay)
        return float(middle * (0.5 + chance))


class Supervisor:
    """Runs background services from `start` until `drain`."""

    def __init__(
        self,
        services: Sequence[tuple[str, BackgroundService]],
        leader: LeaderElection,
        clock: Clock,
        log: logging.Logger,
        *,
        pace: Pace | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._runners = [
            _Runner(plugin, service, leader, clock, log, pace or Pace(), chance) for plugin, service in services
        ]
        self._clock = clock
        self._log = log
        self._started = False

    def start(self) -> None:
        """Start every service. To be called after forking."""
        if self._started:
            raise RuntimeError("the supervisor was started already")
        self._started = True
        for runner in self._runners:
            runner.start()

    def status(self) -> list[ServiceStatus]:
        """Return how every service fares."""
        return [runner.status() for runner in self._runners]

    def drain(self, deadline: float) -> None:
        """Let every service finish its work in hand and end, all within `deadline` seconds.

        Each one's own `drain` is called with what is left of the time, all at once; as soon as it returns, the service is
        told to stop. Those that overrun are named in a warning and left to the end of the process.
        """
        if not self._started:
            return
        ends = self._clock.monotonic() + deadline
        # Stopping takes a moment too, so drains get a little less than all of the time.
        reserve = min(1.0, deadline * 0.1)
        drainers = [runner.begin_drain(max(0.0, deadline - reserve)) for runner in self._runners]
        for drainer in drainers:
            if drainer is not None:
                drainer.join(max(0.0, ends - reserve - self._clock.monotonic()))
        for runner in self._runners:
            runner.stop()
        for runner in self._runners:
            runner.join(max(0.0, ends - self._clock.monotonic()))
        late = [runner.label for runner in self._runners if runner.is_alive()]
        if late:
            self._log.warning("background services overran the drain of %g s: %s", deadline, ", ".join(late))


class _Runner:
    """One service's thread."""

    def __init__(
        self,
        plugin: str,
        service: BackgroundService,
        leader: LeaderElection,
        clock: Clock,
        log: logging.Logger,
        pace: Pace,
        chance: Callable[[], float],
    ) -> None:
        self.plugin = plugin
        self.service = service
        self.label = f"{plugin}/{service.name}"
        self._task = f"{plugin}-{service.name}"
        self._leader = leader
        self._clock = clock
        self._log = log
        self._pace = pace
        self._chance = chance
        self._lock = threading.Lock()
        self._state = ServiceState.STARTING
        self._since = clock.now()
        self._restarts = 0
        self._failures = 0
        self._last_error: str | None = None
        self._ending = threading.Event()
        # The present run's own signal; losing leadership ends the run, not the runner.
        self._stop: threading.Event | None = None
        self._thread = threading.Thread(target=self._run, name=f"reactor-{self._task}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def status(self) -> ServiceStatus:
        with self._lock:
            return ServiceStatus(
                self.plugin,
                self.service.name,
                self._state,
                self._since,
                self._restarts,
                self.service.leader_only,
                self._last_error,
            )

    def stop(self) -> None:
        """Set the stop signal of the present run and start no other."""
        with self._lock:
            self._ending.set()
            if self._stop is not None:
                self._stop.set()

    def begin_drain(self, budget: float) -> threading.Thread | None:
        """Drain on a thread of its own, then stop. Without anything to drain, stop now."""
        drain = self.service.drain
        if drain is None or self.status().state is not ServiceState.RUNNING:
            self.stop()
            return None

        def finish() -> None:
            try:
                drain(budget)
            except Exception:  # noqa: BLE001 - a plugin's code; logged
                self._log.exception("background service %s failed to drain", self.label)
            finally:
                self.stop()

        thread = threading.Thread(target=finish, name=f"reactor-drain-{self._task}", daemon=True)
        thread.start()
        return thread

    # -- on the runner's thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.is_set():
            if self.service.leader_only and not self._lead():
                self._enter(ServiceState.STANDBY)
                self._ending.wait(self._pace.acquire_every)
                continue
            began = self._clock.monotonic()
            failed = self._run_once()
            if failed is not None and not self._ending.is_set():
                if self._clock.monotonic() - began >= self._pace.forgiven_after:
                    self._failures = 0
                self._back_off(failed)
        self._enter(ServiceState.STOPPED)

    def _lead(self) -> bool:
        try:
            return self._leader.acquire(self._task)
        except Exception as error:  # noqa: BLE001 - foreign code; logged
            with self._lock:
                known = self._last_error == str(error)
                self._last_error = str(error)
            if not known:
                self._log.warning("background service %s could not seek leadership: %s", self.label, error)
            return False

    def _run_once(self) -> Exception | None:
        """Run the service to its end; return why it failed, None where it was told to end."""
        stop = threading.Event()
        with self._lock:
            if self._ending.is_set():
                stop.set()
            self._stop = stop
        run_over = threading.Event()
        watch: threading.Thread | None = None
        if self.service.leader_only:
            watch = threading.Thread(
                target=self._watch_leadership, args=(stop, run_over), name=f"reactor-lead-{self._task}", daemon=True
            )
            watch.start()
        self._enter(ServiceState.RUNNING)
        failed: Exception | None = None
        try:
            self.service.start(stop)
            if not stop.is_set():
                failed = RuntimeError("it returned before it was told to stop")
        except Exception as error:  # noqa: BLE001 - foreign code; logged
            failed = error
        except SystemExit as error:
            # Libraries with a command line raise it, and a thread would end by it without a word.
            failed = None if stop.is_set() else RuntimeError(f"it asked the process to end: SystemExit({error.code!r})")
        finally:
            run_over.set()
            if watch is not None:
                watch.join()
                self._give_up_leadership()
            with self._lock:
                self._stop = None
        return failed

    def _watch_leadership(self, stop: threading.Event, run_over: threading.Event) -> None:
        while not run_over.wait(self._pace.check_leadership_every):
            try:
                leads = self._leader.is_leader(self._task)
            except Exception as error:  # noqa: BLE001 - foreign code; logged
                self._log.warning("background service %s lost sight of its leadership: %s", self.label, error)
                leads = False
            if not leads:
                if not stop.is_set():
                    self._log.warning("background service %s lost its leadership and is stopped here", self.label)
                    stop.set()
                return

    def _give_up_leadership(self) -> None:
        try:
            self._leader.release(self._task)
        except Exception as error:  # noqa: BLE001 - foreign code; logged
            # A leadership whose connection is broken is already lost.
            self._log.warning("background service %s could not give up its leadership: %s", self.label, error)

    def _back_off(self, failed: Exception) -> None:
        self._failures += 1
        delay = self._pace.delay(self._failures, self._chance())
        with self._lock:
            self._restarts += 1
            self._last_error = f"{type(failed).__name__}: {failed}"
        self._log.error("background service %s failed; it starts again in %.1f s", self.label, delay, exc_info=failed)
        self._enter(ServiceState.BACKOFF)
        self._ending.wait(delay)

    def _enter(self, state: ServiceState) -> None:
        with self._lock:
            if state is not self._state:
                self._state = state
                self._since = self._clock.now()
