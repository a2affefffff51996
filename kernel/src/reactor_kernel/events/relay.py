"""Delivers durable events from the outbox: at least once, on one node, retried with backoff."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from reactor_kernel.contracts.runtime import StopSignal
from reactor_kernel.errors import DatabaseUnavailable, PoolTimeout, ReactorError
from reactor_kernel.events.outbox import Claim, Outbox

if TYPE_CHECKING:
    from reactor_kernel.contracts.db import Database

CHANNEL = "reactor_outbox"


@dataclass(frozen=True, slots=True)
class RelayPolicy:
    """How deliveries are timed.

    Attributes:
        lease_secs: how long a delivery stays with a node that was killed. A living node prolongs it as long as it works.
        poll_secs: how often to look when no notification comes.
        batch: deliveries taken at once per subscription.
        max_attempts: tries before a delivery is dead.
        first_delay_secs: pause after the first failure, doubled after each further one up to `longest_delay_secs`.
        keep_secs: how long delivered events stay visible.
    """

    lease_secs: float = 30.0
    poll_secs: float = 5.0
    batch: int = 20
    max_attempts: int = 10
    first_delay_secs: float = 1.0
    longest_delay_secs: float = 300.0
    keep_secs: float = 86400.0

    def delay(self, attempt: int) -> float:
        """Return the pause after the given attempt failed, spread by a tenth so that failures do not march in step."""
        full = min(self.longest_delay_secs, self.first_delay_secs * 2.0 ** min(attempt - 1, 30))
        return full * random.uniform(0.9, 1.1)


class Handlers(Protocol):
    """Who handles what the relay delivers."""

    @property
    def durable_names(self) -> list[str]:
        """The subscriptions that can be served here."""
        ...

    def handle(self, subscription: str, topic: str, version: int, payload: bytes) -> None:
        """Decode and handle one event; an exception means it must be delivered again."""
        ...

    def count_failure(self, topic: str, subscription: str) -> None:
        """Count a failed delivery."""
        ...


class _Lane:
    """The deliveries of one subscription on this node, handled one after the other in a thread of their own."""

    def __init__(self) -> None:
        self.queue: deque[Claim] = deque()
        self.current: Claim | None = None
        self.thread: threading.Thread | None = None

    def held(self) -> list[Claim]:
        """What the lane has claimed and not finished."""
        return [*self.queue] + ([self.current] if self.current is not None else [])


class Relay:
    """Claims due deliveries and hands them to one lane per subscription, so that a slow handler holds up only itself."""

    def __init__(self, database: Database, handlers: Handlers, log: logging.Logger, policy: RelayPolicy) -> None:
        self._outbox = Outbox(database)
        self._handlers = handlers
        self._log = log
        self._policy = policy
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._lanes: dict[str, _Lane] = {}
        self._draining = False

    def wake(self) -> None:
        """Look for due deliveries now."""
        self._wake.set()

    def drain(self, deadline_secs: float) -> None:
        """Take nothing new, give back what was not begun and wait for what is in hand."""
        end = time.monotonic() + deadline_secs
        with self._changed:
            self._draining = True
            unbegun = [claim for lane in self._lanes.values() for claim in lane.queue]
            for lane in self._lanes.values():
                lane.queue.clear()
        for claim in unbegun:
            self._safely("giving a delivery back", partial(self._outbox.give_back, claim))
        with self._changed:
            self._changed.wait_for(lambda: not self._busy(), timeout=max(0.0, end - time.monotonic()))
        self._wake.set()

    def run(self, stop: StopSignal) -> None:
        """Deliver until told to stop; then take nothing more and let go of what was not begun."""
        with self._changed:
            self._draining = False
        over = threading.Event()
        keeper = threading.Thread(target=self._keep_leases, args=(over,), name="reactor-outbox-leases", daemon=True)
        keeper.start()
        try:
            self._look(stop)
        finally:
            over.set()  # after a failure too: the next run brings its own
        self.drain(0)
        keeper.join(5)

    def _look(self, stop: StopSignal) -> None:
        swept = time.monotonic()
        pause = 0.0
        while not stop.is_set():
            self._await(stop, pause)
            if stop.is_set():
                break
            # Cleared before looking: what is committed after the look wakes the next turn.
            self._wake.clear()
            try:
                pause = self._turn()
            except (DatabaseUnavailable, PoolTimeout) as problem:
                self._log.warning("the outbox cannot be read, next try in 1 s: %s", problem)
                pause = 1.0
            if time.monotonic() - swept > 600:
                swept = time.monotonic()
                self._safely("sweeping the outbox", lambda: self._outbox.sweep(self._policy.keep_secs))

    def _await(self, stop: StopSignal, pause: float) -> None:
        # The stop signal cannot be waited for together with the wake-up; a quarter of a second bounds the end.
        end = time.monotonic() + pause
        while not stop.is_set() and not self._wake.is_set():
            left = end - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(min(left, 0.25))

    def _turn(self) -> float:
        """Claim for every idle lane; return how long to wait for the next look."""
        names = self._handlers.durable_names
        with self._changed:
            if self._draining:
                return self._policy.poll_secs
            idle = [name for name in names if self._lanes.setdefault(name, _Lane()).thread is None]
        if not idle:
            return self._policy.poll_secs
        policy = self._policy
        claims = self._outbox.claim(idle, each=policy.batch, lease_secs=policy.lease_secs, most=policy.max_attempts)
        with self._changed:
            late: list[Claim] = claims if self._draining else []
            for claim in claims if not late else ():
                self._lanes[claim.subscription].queue.append(claim)
            for name, lane in self._lanes.items():
                if lane.queue and lane.thread is None:
                    thread = threading.Thread(
                        target=self._serve, args=(lane,), name=f"reactor-outbox-{name}", daemon=True
                    )
                    thread.start()  # where the system has none to give, the lane stays without one for the next turn
                    lane.thread = thread
        for claim in late:  # the drain began while they were claimed
            self._safely("giving a delivery back", partial(self._outbox.give_back, claim))
        if claims:
            return 0.0  # the other lanes may have something that is due soon
        due = self._outbox.next_due(idle)
        return self._policy.poll_secs if due is None else min(self._policy.poll_secs, max(due, 0.01))

    def _serve(self, lane: _Lane) -> None:
        while True:
            with self._changed:
                if not lane.queue:
                    lane.thread = None
                    self._changed.notify_all()
                    break
                claim = lane.current = lane.queue.popleft()
            try:
                self._deliver(claim)
            finally:
                lane.current = None
        self._wake.set()  # there may be more than one batch

    def _deliver(self, claim: Claim) -> None:
        try:
            self._handlers.handle(claim.subscription, claim.topic, claim.version, claim.payload)
        except BaseException as problem:  # noqa: BLE001 - any failure means: deliver again; SystemExit would end the lane for ever
            self._handlers.count_failure(claim.topic, claim.subscription)
            last = claim.attempt >= self._policy.max_attempts
            outcome = "given up" if last else "will be tried again"
            self._log.exception(
                "durable subscription %s failed on %s (attempt %d of %d), %s",
                *(claim.subscription, claim.topic, claim.attempt, self._policy.max_attempts, outcome),
            )
            reason = _told(problem)
            delay = self._policy.delay(claim.attempt)
            self._safely(
                "recording a failed delivery",
                lambda: self._outbox.failed(claim, reason, most=self._policy.max_attempts, delay_secs=delay),
            )
        else:
            # Should this fail, the lease ends and the event is delivered once more: at least once is the promise.
            self._safely("recording a delivery", lambda: self._outbox.done(claim))

    def _keep_leases(self, over: threading.Event) -> None:
        interval = self._policy.lease_secs / 3
        while True:
            stopping = over.wait(interval)
            with self._changed:
                held = [claim for lane in self._lanes.values() for claim in lane.held()]
            if held:
                self._safely("prolonging leases", partial(self._outbox.extend, held, self._policy.lease_secs))
            elif stopping:
                return
            if stopping:
                time.sleep(min(0.2, interval))

    def _busy(self) -> bool:
        return any(lane.thread is not None for lane in self._lanes.values())

    def _safely(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except ReactorError as problem:
            self._log.warning("%s failed: %s", what, problem)


def _told(problem: BaseException) -> str:
    try:
        said = str(problem)
    except Exception:  # noqa: BLE001 - foreign code; the failure it stands for must be recorded whatever it does
        said = "it cannot tell why"
    return f"{type(problem).__name__}: {said}"
