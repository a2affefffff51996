"""Background services: restarts, leadership, drain."""

from __future__ import annotations

import logging
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.contributions import BackgroundService
from reactor_kernel.runtime.supervisor import Pace, ServiceState, Supervisor

from .conftest import eventually

LOG = logging.getLogger("reactor_kernel.test.supervisor")
QUICK = Pace(first_delay=0.01, longest_delay=0.05, acquire_every=0.05, check_leadership_every=0.02)


class RealClock:
    def now(self):
        return datetime.now(UTC)

    def monotonic(self):
        return time.monotonic()


class Election:
    """Leadership shared by the supervisors of one test; it can be taken away."""

    def __init__(self):
        self.holder: dict[str, object] = {}
        self.broken = False
        self.lock = threading.Lock()

    def member(self):
        return Member(self)


class Member:
    def __init__(self, election):
        self.election = election

    def acquire(self, task):
        with self.election.lock:
            if self.election.broken:
                raise ConnectionError("the database is away")
            return self.election.holder.setdefault(task, self) is self

    def is_leader(self, task):
        return self.election.holder.get(task) is self

    def release(self, task):
        with self.election.lock:
            if self.election.holder.get(task) is self:
                del self.election.holder[task]


def supervise(*services, leader=None, pace=QUICK):
    return Supervisor(
        [("demo", service) for service in services],
        leader or Election().member(),
        RealClock(),
        LOG,
        pace=pace,
        chance=lambda: 0.5,
    )


def test_a_service_runs_until_the_drain():
    seen = []

    def run(stop):
        seen.append("running")
        stop.wait()
        seen.append("ended")

    supervisor = supervise(BackgroundService("clock", run))
    assert [status.state for status in supervisor.status()] == [ServiceState.STARTING]
    supervisor.start()
    eventually(lambda: seen)
    assert supervisor.status()[0].state is ServiceState.RUNNING
    supervisor.drain(5)
    assert seen == ["running", "ended"]
    status = supervisor.status()[0]
    assert (status.plugin, status.name, status.state, status.restarts) == ("demo", "clock", ServiceState.STOPPED, 0)


def test_a_service_that_asks_the_process_to_end_is_restarted_too():
    runs = []

    def run(stop):
        runs.append(1)
        if len(runs) == 1:
            sys.exit(3)
        stop.wait()

    supervisor = supervise(BackgroundService("clock", run))
    supervisor.start()
    eventually(lambda: len(runs) == 2)
    status = supervisor.status()[0]
    assert (status.state, status.restarts) == (ServiceState.RUNNING, 1)
    assert status.last_error == "RuntimeError: it asked the process to end: SystemExit(3)"
    supervisor.drain(5)
    assert supervisor.status()[0].state is ServiceState.STOPPED


def test_a_failing_service_is_restarted_logged_and_counted(caplog):
    runs = []

    def run(stop):
        runs.append(1)
        if len(runs) < 4:
            raise ValueError(f"number {len(runs)}")
        stop.wait()

    supervisor = supervise(BackgroundService("clock", run))
    supervisor.start()
    eventually(lambda: len(runs) == 4)
    status = supervisor.status()[0]
    assert status.restarts == 3
    assert status.last_error == "ValueError: number 3"
    supervisor.drain(5)
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert messages == [
        "background service demo/clock failed; it starts again in 0.0 s",
        "background service demo/clock failed; it starts again in 0.0 s",
        "background service demo/clock failed; it starts again in 0.0 s",
    ]


def test_returning_early_is_a_failure():
    supervisor = supervise(BackgroundService("clock", lambda stop: None))
    supervisor.start()
    eventually(lambda: supervisor.status()[0].restarts > 1)
    assert supervisor.status()[0].last_error == "RuntimeError: it returned before it was told to stop"
    supervisor.drain(5)


def test_one_service_failing_leaves_the_others_alone():
    def fail(stop):
        raise ValueError

    supervisor = supervise(BackgroundService("bad", fail), BackgroundService("good", lambda stop: stop.wait()))
    supervisor.start()
    eventually(lambda: supervisor.status()[0].restarts > 2)
    good = supervisor.status()[1]
    assert (good.state, good.restarts) == (ServiceState.RUNNING, 0)
    supervisor.drain(5)


def test_a_service_in_backoff_is_drained_without_waiting_for_it():
    def fail(stop):
        raise ValueError

    supervisor = supervise(BackgroundService("bad", fail), pace=Pace(first_delay=600))
    supervisor.start()
    eventually(lambda: supervisor.status()[0].state is ServiceState.BACKOFF)
    supervisor.drain(5)
    assert supervisor.status()[0].state is ServiceState.STOPPED


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delays_grow_are_spread_and_stay_bounded(failures, chance):
    pace = Pace()
    delay = pace.delay(failures, chance)
    assert 0.25 <= delay <= 90.0
    assert pace.delay(failures + 1, chance) >= delay


# -- leadership ---------------------------------------------------------------------------------------------------------


def leading(running):
    def run(stop):
        me = threading.current_thread()
        running.append(me)
        stop.wait()
        running.remove(me)

    return BackgroundService("clock", run, leader_only=True)


def test_exactly_one_of_two_nodes_runs_a_leader_only_service_and_the_other_takes_over():
    election, running = Election(), []
    first = supervise(leading(running), leader=election.member())
    second = supervise(leading(running), leader=election.member())
    first.start()
    eventually(lambda: running)
    second.start()
    eventually(lambda: second.status()[0].state is ServiceState.STANDBY)
    assert len(running) == 1
    first.drain(5)
    eventually(lambda: second.status()[0].state is ServiceState.RUNNING)
    assert len(running) == 1
    second.drain(5)
    assert running == []
    assert election.holder == {}


def test_the_leadership_task_is_named_after_plugin_and_service():
    election, running = Election(), []
    supervisor = supervise(leading(running), leader=election.member())
    supervisor.start()
    eventually(lambda: running)
    assert list(election.holder) == ["demo-clock"]
    supervisor.drain(5)


def test_losing_leadership_stops_the_service_and_it_runs_again_once_it_is_back(caplog):
    election, running = Election(), []
    supervisor = supervise(leading(running), leader=election.member())
    supervisor.start()
    eventually(lambda: running)
    with election.lock:
        election.holder["demo-clock"] = "somebody else"
    eventually(lambda: not running and supervisor.status()[0].state is ServiceState.STANDBY)
    assert "background service demo/clock lost its leadership and is stopped here" in caplog.messages
    assert supervisor.status()[0].restarts == 0
    with election.lock:
        del election.holder["demo-clock"]
    eventually(lambda: running)
    supervisor.drain(5)


def test_a_failure_gives_the_leadership_to_another_node():
    election, running = Election(), []

    def fail(stop):
        raise ValueError("only here")

    broken = supervise(
        BackgroundService("clock", fail, leader_only=True), leader=election.member(), pace=Pace(first_delay=600)
    )
    broken.start()
    eventually(lambda: broken.status()[0].state is ServiceState.BACKOFF)
    other = supervise(leading(running), leader=election.member())
    other.start()
    eventually(lambda: running)
    broken.drain(5)
    other.drain(5)


def test_an_unreachable_election_is_reported_once_and_tried_again(caplog):
    election, running = Election(), []
    election.broken = True
    supervisor = supervise(leading(running), leader=election.member())
    supervisor.start()
    eventually(lambda: supervisor.status()[0].last_error == "the database is away")
    time.sleep(0.2)
    assert caplog.messages == ["background service demo/clock could not seek leadership: the database is away"]
    election.broken = False
    eventually(lambda: running)
    supervisor.drain(5)


# -- drain --------------------------------------------------------------------------------------------------------------


def test_drains_run_side_by_side_before_their_services_are_told_to_stop():
    together = threading.Barrier(2, timeout=5)
    order = []

    def service(name):
        def run(stop):
            stop.wait()
            order.append(f"{name} stopped")

        def drain(deadline):
            assert 0 < deadline < 5
            together.wait()
            order.append(f"{name} drained")

        return BackgroundService(name, run, drain=drain)

    supervisor = supervise(service("a"), service("b"))
    supervisor.start()
    eventually(lambda: all(status.state is ServiceState.RUNNING for status in supervisor.status()))
    supervisor.drain(5)
    assert sorted(order) == ["a drained", "a stopped", "b drained", "b stopped"]
    for name in "ab":
        assert order.index(f"{name} drained") < order.index(f"{name} stopped")


def test_a_failing_drain_still_stops_the_service(caplog):
    def drain(deadline):
        raise ValueError("no")

    supervisor = supervise(BackgroundService("clock", lambda stop: stop.wait(), drain=drain))
    supervisor.start()
    eventually(lambda: supervisor.status()[0].state is ServiceState.RUNNING)
    supervisor.drain(5)
    assert supervisor.status()[0].state is ServiceState.STOPPED
    assert "background service demo/clock failed to drain" in caplog.messages


def test_overrunners_are_named(caplog):
    release = threading.Event()
    stuck = BackgroundService("stuck", lambda stop: release.wait(20))
    slow = BackgroundService("slow", lambda stop: stop.wait(), drain=lambda deadline: release.wait(20))
    supervisor = supervise(stuck, slow, BackgroundService("good", lambda stop: stop.wait()))
    supervisor.start()
    eventually(lambda: all(status.state is ServiceState.RUNNING for status in supervisor.status()))
    # Long enough for a busy machine to end the one that only lacks a thread's turn.
    supervisor.drain(3)
    assert caplog.messages == ["background services overran the drain of 3 s: demo/stuck"]
    release.set()


def test_draining_what_was_never_started_and_draining_twice_do_nothing():
    supervisor = supervise(BackgroundService("clock", lambda stop: stop.wait()))
    supervisor.drain(1)
    supervisor.start()
    supervisor.drain(5)
    supervisor.drain(0)
    with pytest.raises(RuntimeError, match="started already"):
        supervisor.start()
