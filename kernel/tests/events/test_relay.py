"""Durable delivery: at least once, retried, alone with its slowness, and never lost to a kill."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reactor_kernel.contracts import Statement
from reactor_kernel.contributions import BackgroundService, Delivery, EventType, Subscription
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.errors import DatabaseFault, NotFound
from reactor_kernel.events.bus import EventBus
from reactor_kernel.events.outbox import Outbox
from reactor_kernel.events.relay import RelayPolicy

LOG = logging.getLogger("test_relay")
FAST = RelayPolicy(lease_secs=1.5, poll_secs=0.5, batch=5, max_attempts=3, first_delay_secs=0.05, keep_secs=0)


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        raise AssertionError("not asked for")


@dataclass(frozen=True)
class Ordered:
    number: int


class Node:
    """A node's bus and relay in threads of this process."""

    def __init__(self, database: PostgresDatabase, policy: RelayPolicy, **handlers: Callable[[Any], None]) -> None:
        subscriptions = [
            ("shop", Subscription("shop.order.placed", handler, Delivery.DURABLE, name))
            for name, handler in handlers.items()
        ]
        self.bus = EventBus([("shop", EventType("shop.order.placed", Ordered))], subscriptions, RealClock(), LOG)
        self.database = database
        database.attach_bus(self.bus)
        self.stop = threading.Event()
        self.service: BackgroundService = self.bus.relay(database, policy)
        database.start_listener()
        self.thread = threading.Thread(target=self.service.start, args=(self.stop,))
        self.thread.start()

    def place(self, *numbers: int) -> None:
        with self.database.begin() as tx:
            for number in numbers:
                tx.publish("shop.order.placed", Ordered(number))

    def end(self) -> None:
        self.stop.set()
        self.thread.join(15)
        assert not self.thread.is_alive()


@pytest.fixture
def node(database: PostgresDatabase) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(policy: RelayPolicy = FAST, **handlers: Callable[[Any], None]) -> Node:
        made.append(Node(database, policy, **handlers))
        return made[-1]

    yield make
    for each in made:
        each.end()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def states(database: PostgresDatabase) -> dict[str, int]:
    query = "SELECT state, count(*) FROM _reactor_kernel.outbox_deliveries GROUP BY 1"
    rows = database.run(None, [Statement(query)])[0].rows
    return {str(state, "utf-8"): int(count or 0) for state, count in rows if state}


def test_every_event_is_delivered_in_order_and_done(node: Callable[..., Node], database: PostgresDatabase) -> None:
    heard: list[int] = []
    twice: list[int] = []
    slow_poll = RelayPolicy(poll_secs=600)  # only the notification can wake it
    here = node(
        slow_poll, first=lambda event: heard.append(event.number), second=lambda event: twice.append(event.number)
    )
    for start in range(0, 60, 3):
        here.place(start, start + 1, start + 2)
    until(lambda: len(heard) == 60 and len(twice) == 60)
    assert sorted(heard) == sorted(twice) == list(range(60))
    until(lambda: states(database) == {"done": 120})


def test_what_was_published_while_no_node_ran_is_delivered_at_the_start(
    node: Callable[..., Node], database: PostgresDatabase
) -> None:
    quiet = EventBus(
        [("shop", EventType("shop.order.placed", Ordered))],
        [("shop", Subscription("shop.order.placed", lambda event: None, Delivery.DURABLE, "sub"))],
        RealClock(),
        LOG,
    )
    database.attach_bus(quiet)
    with database.begin() as tx:
        tx.publish("shop.order.placed", Ordered(7))
    heard: list[Ordered] = []
    node(sub=heard.append)
    until(lambda: heard == [Ordered(7)])


def test_a_failing_handler_is_retried_then_dead_and_can_be_revived(
    node: Callable[..., Node], database: PostgresDatabase
) -> None:
    tries: list[float] = []
    mended = threading.Event()

    def handle(event: Ordered) -> None:
        tries.append(time.monotonic())
        if not mended.is_set():
            raise ValueError(f"no stock for {event.number}\0")

    here = node(sub=handle)
    here.place(1)
    outbox = Outbox(database)
    until(lambda: outbox.backlog() == {"pending": 0, "dead": 1})
    assert len(tries) == FAST.max_attempts
    assert tries[2] - tries[1] > tries[1] - tries[0] > 0.04
    [dead] = outbox.dead()
    assert (dead.subscription, dead.topic, dead.attempts, dead.error) == (
        "sub",
        "shop.order.placed",
        3,
        "ValueError: no stock for 1",
    )
    assert here.bus.failures == {("shop.order.placed", "shop"): 3}
    mended.set()
    outbox.revive(dead.event, dead.subscription)
    until(lambda: states(database) == {"done": 1})
    with pytest.raises(NotFound) as caught:
        outbox.revive(dead.event, "sub")
    assert caught.value.message == f"there is no dead delivery of event {dead.event} to sub"


def test_a_slow_handler_holds_up_only_itself(node: Callable[..., Node], database: PostgresDatabase) -> None:
    release = threading.Event()
    begun: list[int] = []
    quick: list[int] = []

    def slow(event: Ordered) -> None:
        begun.append(event.number)
        release.wait(30)

    here = node(slow=slow, quick=lambda event: quick.append(event.number))
    here.place(1, 2)
    until(lambda: sorted(quick) == [1, 2])
    here.place(3, 4, 5)
    until(lambda: sorted(quick) == [1, 2, 3, 4, 5])
    time.sleep(FAST.lease_secs * 2.5)  # far beyond the lease: it is prolonged while the handler works
    assert len(begun) == 1
    release.set()
    until(lambda: sorted(begun) == [1, 2, 3, 4, 5])
    until(lambda: states(database) == {"done": 10})


def test_two_nodes_share_the_work_without_doubling_it(dsn: str, node: Callable[..., Node]) -> None:
    lock = threading.Lock()
    heard: list[tuple[str, int]] = []

    def hear(who: str) -> Callable[[Ordered], None]:
        def handle(event: Ordered) -> None:
            with lock:
                heard.append((who, event.number))
            time.sleep(0.005)

        return handle

    one = node(sub=hear("one"))
    second = PostgresDatabase(dsn, pool_max=4)
    two = Node(second, FAST, sub=hear("two"))
    try:
        for start in range(0, 100, 10):
            one.place(*range(start, start + 10))
        until(lambda: len(heard) >= 100)
        time.sleep(0.5)
    finally:
        two.end()
        second.dispose()
    assert sorted(number for _, number in heard) == list(range(100))
    assert {who for who, _ in heard} == {"one", "two"}


_CONSUMER = """
import logging, sys, threading, time
from dataclasses import dataclass
from datetime import UTC, datetime
from reactor_kernel.contributions import Delivery, EventType, Subscription
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.events.bus import EventBus
from reactor_kernel.events.relay import RelayPolicy

class Clock:
    def now(self): return datetime.now(UTC)

@dataclass(frozen=True)
class Ordered:
    number: int

def handle(event):
    with open(sys.argv[2], "a") as file:
        file.write(f"begin {event.number}\\n")
    time.sleep(float(sys.argv[3]))
    with open(sys.argv[2], "a") as file:
        file.write(f"end {event.number}\\n")

database = PostgresDatabase(sys.argv[1])
bus = EventBus([("shop", EventType("shop.order.placed", Ordered))],
               [("shop", Subscription("shop.order.placed", handle, Delivery.DURABLE, "sub"))], Clock(), logging.getLogger())
service = bus.relay(database, RelayPolicy(lease_secs=1.5, poll_secs=0.3, batch=3, max_attempts=int(sys.argv[4])))
database.start_listener()
print("up", flush=True)
service.start(threading.Event())
"""


def consumer(dsn: str, file: Path, seconds: float, attempts: int = 10) -> subprocess.Popen[str]:
    made = subprocess.Popen(
        [sys.executable, "-c", _CONSUMER, dsn, str(file), str(seconds), str(attempts)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert made.stdout is not None
    assert made.stdout.readline() == "up\n"
    return made


def publish(database: PostgresDatabase, *numbers: int) -> None:
    subscription = Subscription("shop.order.placed", lambda event: None, Delivery.DURABLE, "sub")
    types = [("shop", EventType("shop.order.placed", Ordered))]
    database.attach_bus(EventBus(types, [("shop", subscription)], RealClock(), LOG))
    with database.begin() as tx:
        for number in numbers:
            tx.publish("shop.order.placed", Ordered(number))


@pytest.mark.faults
def test_a_consumer_killed_in_the_middle_loses_nothing(database: PostgresDatabase, dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "heard"
    publish(database, *range(20))
    first = consumer(dsn, file, 0.1)
    until(lambda: file.exists() and "end 3" in file.read_text())
    first.kill()
    first.wait(10)
    ended_before = {line for line in file.read_text().splitlines() if line.startswith("end")}
    assert len(ended_before) < 20
    second = consumer(dsn, file, 0.0)
    try:
        until(lambda: states(database) == {"done": 20})
    finally:
        second.kill()
        second.wait(10)
    lines = file.read_text().splitlines()
    assert {line for line in lines if line.startswith("end")} == {f"end {number}" for number in range(20)}
    # At least once: only what was in hand when the process died may come twice.
    repeated = [number for number in range(20) if lines.count(f"begin {number}") > 1]
    assert len(repeated) <= 1 or len(repeated) <= 3


@pytest.mark.faults
def test_an_event_that_kills_every_process_comes_to_rest(database: PostgresDatabase, dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "heard"
    publish(database, 1)
    for attempt in range(1, 3):
        doomed = consumer(dsn, file, 60, attempts=2)
        until(lambda attempt=attempt: file.exists() and file.read_text().count("begin 1") == attempt)
        doomed.kill()
        doomed.wait(10)
    last = consumer(dsn, file, 0, attempts=2)
    try:
        until(lambda: states(database) == {"dead": 1})
    finally:
        last.kill()
        last.wait(10)
    assert file.read_text().count("begin 1") == 2
    assert Outbox(database).dead()[0].error == "the process ended during the last attempt"


def test_draining_finishes_what_is_in_hand_and_gives_the_rest_back(
    node: Callable[..., Node], database: PostgresDatabase
) -> None:
    release = threading.Event()
    begun: list[int] = []

    def slow(event: Ordered) -> None:
        begun.append(event.number)
        release.wait(30)

    here = node(sub=slow)
    here.place(1, 2, 3)
    until(lambda: len(begun) == 1)
    assert here.service.drain is not None
    threading.Timer(0.3, release.set).start()
    here.service.drain(10)
    assert len(begun) == 1
    here.end()
    assert states(database) == {"done": 1, "pending": 2}
    query = "SELECT attempts, lease FROM _reactor_kernel.outbox_deliveries WHERE state = 'pending'"
    assert database.run(None, [Statement(query)])[0].rows == [(b"0", None), (b"0", None)]


def test_what_is_claimed_while_the_drain_begins_is_given_back(
    node: Callable[..., Node], database: PostgresDatabase, dsn: str
) -> None:
    begun: list[int] = []
    here = node(sub=lambda event: begun.append(event.number))
    with psycopg.connect(dsn, autocommit=True) as other, psycopg.connect(dsn) as blocking:
        blocking.execute("LOCK TABLE _reactor_kernel.outbox_deliveries IN SHARE MODE")
        blocking.execute(
            "WITH event AS (INSERT INTO _reactor_kernel.outbox_events (id, topic, version, payload)"
            " SELECT gen_random_uuid(), 'shop.order.placed', 1, json_build_object('number', n) FROM generate_series(1, 3) n"
            " RETURNING id) INSERT INTO _reactor_kernel.outbox_deliveries (event_id, subscription) SELECT id, 'sub' FROM event"
        )
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = '_reactor_kernel.outbox_deliveries'::regclass AND NOT granted"
        until(lambda: (other.execute(waiting).fetchone() or (0,))[0] == 1)
        assert here.service.drain is not None
        here.service.drain(10)
        blocking.commit()
    here.end()
    assert begun == []
    assert states(database) == {"pending": 3}
    query = "SELECT DISTINCT attempts, lease FROM _reactor_kernel.outbox_deliveries"
    assert database.run(None, [Statement(query)])[0].rows == [(b"0", None)]


def test_the_sweep_removes_what_was_delivered_and_keeps_the_dead(database: PostgresDatabase) -> None:
    publish(database, 1, 2, 3)
    database.run(
        None,
        [
            Statement(
                "UPDATE _reactor_kernel.outbox_deliveries d SET finished_at = now() - interval '2 days',"
                " state = CASE (e.payload ->> 'number') WHEN '1' THEN 'done' WHEN '2' THEN 'dead' ELSE 'pending' END"
                " FROM _reactor_kernel.outbox_events e WHERE e.id = d.event_id"
            ),
            Statement("UPDATE _reactor_kernel.outbox_events SET created_at = now() - interval '2 days'"),
        ],
    )
    Outbox(database).sweep(86400)
    assert states(database) == {"dead": 1, "pending": 1}
    [result] = database.run(None, [Statement("SELECT count(*) FROM _reactor_kernel.outbox_events")])
    assert result.rows == [(b"2",)]


def test_a_newer_version_of_an_event_waits_for_a_node_that_knows_it(
    node: Callable[..., Node], database: PostgresDatabase
) -> None:
    publish(database, 1)
    database.run(None, [Statement("UPDATE _reactor_kernel.outbox_events SET version = 2")])
    here = node(sub=lambda event: None)
    until(lambda: states(database) == {"dead": 1})
    here.end()
    assert Outbox(database).dead()[0].error == (
        "InternalError: event shop.order.placed has version 2; this node knows up to 1"
    )


class NoAnswer(Exception):
    def __str__(self) -> str:
        raise AttributeError("response")


@pytest.mark.parametrize("problem", [SystemExit(3), NoAnswer(), ValueError("half of \ud800")])
def test_a_handler_that_fails_in_an_odd_way_is_tried_again(
    node: Callable[..., Node], database: PostgresDatabase, problem: BaseException
) -> None:
    seen: list[int] = []

    def odd_at_first(event: Ordered) -> None:
        seen.append(event.number)
        if len(seen) == 1:
            raise problem

    made = node(RelayPolicy(lease_secs=600, first_delay_secs=0.05, poll_secs=0.2), mail=odd_at_first)
    made.place(1)
    until(lambda: seen == [1, 1])
    made.place(2)
    until(lambda: seen == [1, 1, 2])
    until(lambda: Outbox(database).backlog() == {"pending": 0, "dead": 0})


def test_a_relay_that_starts_again_leaves_no_thread_behind(database: PostgresDatabase) -> None:
    def keepers() -> int:
        return sum(thread.name == "reactor-outbox-leases" for thread in threading.enumerate())

    subscription = Subscription("shop.order.placed", lambda _: None, Delivery.DURABLE, "mail")
    bus = EventBus([("shop", EventType("shop.order.placed", Ordered))], [("shop", subscription)], RealClock(), LOG)
    database.run(None, [Statement("ALTER TABLE _reactor_kernel.outbox_deliveries RENAME TO elsewhere")])
    service = bus.relay(database, FAST)
    stop = threading.Event()
    for _ in range(3):
        with pytest.raises(DatabaseFault) as caught:
            service.start(stop)
        assert str(caught.value) == '42P01: relation "_reactor_kernel.outbox_deliveries" does not exist'
    assert not stop.is_set()
    until(lambda: keepers() == 0)


def test_a_thread_that_could_not_be_started_is_tried_again(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    subscription = Subscription("shop.order.placed", lambda event: heard.append(event.number), Delivery.DURABLE, "sub")
    bus = EventBus([("shop", EventType("shop.order.placed", Ordered))], [("shop", subscription)], RealClock(), LOG)
    publish(database, 1, 2)
    service, stop = bus.relay(database, RelayPolicy(poll_secs=0.1)), threading.Event()
    start = threading.Thread.start

    def at_the_limit(thread: threading.Thread) -> None:
        if thread.name == "reactor-outbox-sub":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", at_the_limit)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            service.start(stop)
    again = threading.Thread(target=service.start, args=(stop,))
    again.start()
    try:
        until(lambda: heard == [1, 2])
        publish(database, 3)
        until(lambda: heard == [1, 2, 3])
    finally:
        stop.set()
        again.join(15)
