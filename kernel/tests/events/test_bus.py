"""Publishing and local delivery."""

# ruff: noqa: PT012 - the block that raises is the transaction itself

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from reactor_kernel.contracts import ANONYMOUS, Statement
from reactor_kernel.contributions import Delivery, EventType, Subscription
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.errors import BootError, DatabaseFault, InternalError
from reactor_kernel.events.bus import EventBus

LOG = logging.getLogger("test_events")


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        raise AssertionError("not asked for")


@dataclass(frozen=True)
class Created:
    name: str
    at: datetime


class Other(msgspec.Struct):
    name: str


EVENT = Created("Ada", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def bus(*subscriptions: Subscription, plugin: str = "mail") -> EventBus:
    types = [("shop", EventType("shop.user.created", Created)), ("shop", EventType("shop.user.gone", Other))]
    return EventBus(types, [(plugin, sub) for sub in subscriptions], RealClock(), LOG)


def local(handler: Callable[[Any], None], topic: str = "shop.user.created") -> Subscription:
    return Subscription(topic, handler)


def durable(name: str, topic: str = "shop.user.created") -> Subscription:
    return Subscription(topic, lambda event: None, Delivery.DURABLE, name)


def stored(database: PostgresDatabase) -> list[tuple[bytes | None, ...]]:
    query = (
        "SELECT e.topic, e.version, e.payload, d.subscription, d.state FROM _reactor_kernel.outbox_events e"
        " JOIN _reactor_kernel.outbox_deliveries d ON d.event_id = e.id ORDER BY e.id, d.subscription"
    )
    return database.run(None, [Statement(query)])[0].rows


def test_local_subscribers_hear_after_the_commit_only(database: PostgresDatabase) -> None:
    heard: list[object] = []
    database.attach_bus(bus(local(heard.append)))
    with database.begin(ANONYMOUS) as tx:
        tx.publish("shop.user.created", EVENT)
        assert heard == []
    assert heard == [EVENT]
    with pytest.raises(LookupError):
        _publish_and_fail(database)
    assert heard == [EVENT]
    assert stored(database) == []


def _publish_and_fail(database: PostgresDatabase) -> None:
    with database.begin() as tx:
        tx.publish("shop.user.created", EVENT)
        raise LookupError


def test_one_failing_subscriber_is_logged_counted_and_alone(
    database: PostgresDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []
    counted: list[tuple[str, str]] = []

    def broken(event: Created) -> None:
        raise ValueError("no such mailbox")

    made = bus(local(broken), local(heard.append))
    made.on_failure = lambda topic, plugin: counted.append((topic, plugin))
    database.attach_bus(made)
    with database.begin() as tx:
        tx.publish("shop.user.created", EVENT)
    assert heard == [EVENT]
    assert counted == [("shop.user.created", "mail")]
    assert made.failures == {("shop.user.created", "mail"): 1}
    assert [record.getMessage() for record in caplog.records] == [
        "a subscriber of shop.user.created (plugin mail) failed"
    ]
    assert "no such mailbox" in caplog.text


def test_durable_events_are_rows_of_the_writers_transaction(database: PostgresDatabase) -> None:
    database.attach_bus(bus(durable("mail.welcome"), durable("crm.sync"), durable("crm.gone", "shop.user.gone")))
    with pytest.raises(LookupError):
        _publish_and_fail(database)
    assert stored(database) == []
    with database.begin(ANONYMOUS) as tx:  # a role that itself cannot see the outbox
        tx.publish("shop.user.created", EVENT)
        assert tx.run([Statement("SELECT current_user")])[0].rows == [(b"reactor_anon",)]
        with pytest.raises(DatabaseFault), tx.connection.begin_nested():
            tx.run([Statement("SELECT * FROM _reactor_kernel.outbox_events")])
        assert stored(database) == []
    payload = b'{"name":"Ada","at":"2026-01-02T03:04:05Z"}'
    assert stored(database) == [
        (b"shop.user.created", b"1", payload, b"crm.sync", b"pending"),
        (b"shop.user.created", b"1", payload, b"mail.welcome", b"pending"),
    ]


def test_a_savepoint_undoes_the_events_behind_it(database: PostgresDatabase) -> None:
    database.attach_bus(bus(durable("mail.welcome")))
    with database.begin() as tx:
        tx.publish("shop.user.created", Created("before", EVENT.at))
        tx.run([Statement("SAVEPOINT s")])
        tx.publish("shop.user.created", Created("undone", EVENT.at))
        tx.run([Statement("ROLLBACK TO s")])
        with pytest.raises(LookupError), tx.connection.begin_nested():
            tx.publish("shop.user.created", Created("undone as well", EVENT.at))
            raise LookupError
        tx.publish("shop.user.created", Created("after", EVENT.at))
    names = [msgspec.json.decode(payload or b"")["name"] for _, _, payload, _, _ in stored(database)]
    assert names == ["before", "after"]


def test_what_the_outbox_refuses_ends_the_transaction(database: PostgresDatabase) -> None:
    database.attach_bus(bus(durable("mail.welcome")))
    database.run(
        None,
        [
            Statement("CREATE TABLE kept (a int)"),
            Statement("ALTER TABLE _reactor_kernel.outbox_events ADD CONSTRAINT never CHECK (topic = '') NOT VALID"),
        ],
    )
    ran: list[str] = []
    with pytest.raises(DatabaseFault) as caught, database.begin() as tx:
        tx.after_commit(lambda: ran.append("never"))
        tx.run([Statement("INSERT INTO kept VALUES (1)")])
        tx.publish("shop.user.created", EVENT)
    assert (caught.value.constraint, ran) == ("never", [])
    assert database.run(None, [Statement("SELECT * FROM kept")])[0].rows == []


def test_several_events_are_published_together_or_not_at_all(database: PostgresDatabase) -> None:
    heard: list[object] = []
    others: list[object] = []
    database.attach_bus(bus(local(heard.append), local(others.append), durable("mail.welcome")))
    events = [Created(name, EVENT.at) for name in ("Ada", "Bea", "Cyd")]
    with database.begin(ANONYMOUS) as tx:
        tx.publish("shop.user.created", *events)
        tx.publish("shop.user.created")
        with pytest.raises(InternalError) as caught:
            tx.publish("shop.user.created", EVENT, Other("x"))
        assert caught.value.message == "the payload of event shop.user.created must be a Created, not a Other"
    assert heard == others == events
    names = sorted(msgspec.json.decode(payload or b"")["name"] for _, _, payload, _, _ in stored(database))
    assert names == ["Ada", "Bea", "Cyd"]


def test_events_of_a_transaction_are_stored_in_their_order(database: PostgresDatabase) -> None:
    database.attach_bus(bus(durable("mail.welcome")))
    names = [str(number) for number in range(200)]
    with database.begin() as tx:
        for name in names:
            tx.publish("shop.user.created", Created(name, EVENT.at))
    assert [msgspec.json.decode(payload or b"")["name"] for _, _, payload, _, _ in stored(database)] == names


def test_a_wrong_payload_or_topic_fails_at_once(database: PostgresDatabase) -> None:
    database.attach_bus(bus())
    with database.begin() as tx:
        with pytest.raises(InternalError) as caught:
            tx.publish("shop.user.created", Other("x"))
        assert caught.value.message == "the payload of event shop.user.created must be a Created, not a Other"
        with pytest.raises(InternalError) as caught:
            tx.publish("shop.user.creatd", EVENT)
        assert caught.value.message == (
            "event shop.user.creatd is not declared; yield EventType('shop.user.creatd', …) from reactor_event_types of the "
            "publishing plugin"
        )


def test_emit_reaches_local_subscribers_and_warns_once_of_durable_ones(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[object] = []
    made = bus(local(heard.append), durable("crm.sync"))
    made.emit("shop.user.created", EVENT)
    made.emit("shop.user.created", EVENT)
    assert heard == [EVENT, EVENT]
    assert [record.getMessage() for record in caplog.records] == [
        "shop.user.created is emitted outside of a transaction: crm.sync will not get it"
    ]


def test_conflicts_name_both_owners() -> None:
    types = [("shop", EventType("a.b.c", Created)), ("mail", EventType("a.b.c", Created))]
    subscriptions = [("x", durable("same", "a.b.c")), ("y", durable("same", "a.b.c"))]
    with pytest.raises(BootError) as caught:
        EventBus(types, subscriptions, RealClock(), LOG)
    assert str(caught.value) == (
        "conflict error: mail: event a.b.c: is declared by plugin shop and by plugin mail\n  fix: disable one of them\n"
        "conflict error: y: durable subscription same: is brought by plugin x and by plugin y\n"
        "  fix: give each its own name"
    )


def test_a_subscription_to_an_undeclared_topic_is_kept_as_an_orphan() -> None:
    made = bus(local(lambda event: None, "nobody.says.this"), plugin="ear")
    assert made.orphans == (("ear", "nobody.says.this"),)
