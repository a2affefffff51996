"""The bus of one kernel: which events exist, who listens, and how an event leaves a transaction."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from reactor_kernel.contracts.db import Statement
from reactor_kernel.contracts.runtime import Clock
from reactor_kernel.contributions.events import Delivery, EventType, Subscription
from reactor_kernel.contributions.operations import BackgroundService
from reactor_kernel.errors import BootError, Fault, InternalError
from reactor_kernel.events.relay import CHANNEL, Relay, RelayPolicy
from reactor_kernel.ids import NIL, uuid7

if TYPE_CHECKING:
    from reactor_kernel.db.database import PostgresDatabase
    from reactor_kernel.db.transaction import PostgresTx

_INSERT = """
WITH event AS (
    INSERT INTO _reactor_kernel.outbox_events (id, topic, version, payload) VALUES ($1, $2, $3, $4) RETURNING id
)
INSERT INTO _reactor_kernel.outbox_deliveries (event_id, subscription)
SELECT event.id, name FROM event, json_array_elements_text($5::json) AS name
"""
_WAKE = Statement("SELECT pg_notify($1, '')", (CHANNEL,))


@dataclass(frozen=True, slots=True)
class _Topic:
    owner: str
    type: EventType
    local: tuple[tuple[str, Subscription], ...]
    durable: tuple[str, ...]


class EventBus:
    """Implements `contracts.EventLog`; attached to a database it also serves `tx.publish`.

    Args:
        types: declared event types, each with the plugin that owns it.
        subscriptions: handlers, each with the plugin that brought it. Those of undeclared topics are kept in `orphans`.
        clock: time.
        log: where failures of handlers go.

    Raises:
        BootError: two owners of one topic, or two durable subscriptions of one name.
    """

    def __init__(
        self,
        types: Sequence[tuple[str, EventType]],
        subscriptions: Sequence[tuple[str, Subscription]],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._clock = clock
        self._last_id = NIL
        self._id_lock = threading.Lock()
        self._log = log
        self.failures: Counter[tuple[str, str]] = Counter()
        """Failed deliveries per (topic, plugin of the handler)."""
        self._missed: set[str] = set()
        self.on_failure: Callable[[str, str], None] | None = None
        _refuse_conflicts(types, subscriptions)
        declared = {event.topic for _, event in types}
        self.orphans = tuple((plugin, sub.topic) for plugin, sub in subscriptions if sub.topic not in declared)
        self._topics: dict[str, _Topic] = {}
        for owner, event in types:
            of_topic = [(plugin, sub) for plugin, sub in subscriptions if sub.topic == event.topic]
            self._topics[event.topic] = _Topic(
                owner,
                event,
                tuple((plugin, sub) for plugin, sub in of_topic if sub.delivery is Delivery.LOCAL),
                tuple(sub.name for _, sub in of_topic if sub.delivery is Delivery.DURABLE and sub.name),
            )
        self._durable = {
            sub.name: (plugin, sub) for plugin, sub in subscriptions if sub.delivery is Delivery.DURABLE and sub.name
        }

    def emit(self, topic: str, payload: object) -> None:
        """Deliver to this process' LOCAL subscribers now; durable ones get only what is published in a transaction.

        Raises:
            InternalError: the topic is not declared, or the payload has another type.
        """
        known = self._check(topic, payload)
        if known.durable and topic not in self._missed:
            self._missed.add(topic)
            self._log.warning(
                "%s is emitted outside of a transaction: %s will not get it", topic, ", ".join(known.durable)
            )
        self._deliver(known, payload)

    def publish(self, tx: PostgresTx, topic: str, *payloads: object) -> None:
        """Write the outbox rows of events with what `tx` sends next, and deliver them locally after the commit."""
        known = self._check(topic, *payloads)
        if not payloads:
            return
        if known.durable:
            names = msgspec.json.encode(known.durable)
            version = str(known.type.version)
            # As the owner: callers' roles cannot see the outbox. NOTIFY reaches the relays only if this commits.
            rows = [
                Statement(_INSERT, (self._id(), topic, version, msgspec.json.encode(one), names), as_owner=True)
                for one in payloads
            ]
            tx.later([*rows, _WAKE])
        if known.local:
            tx.after_commit(lambda: self._deliver(known, *payloads))

    def relay(self, database: PostgresDatabase, policy: RelayPolicy | None = None) -> BackgroundService:
        """Return the service that delivers durable events; every node runs it. Call before the listener starts."""
        relay = Relay(database, self, self._log, policy or RelayPolicy())
        database.on_notify(CHANNEL, lambda _: relay.wake())
        return BackgroundService("kernel-outbox-relay", relay.run, drain=relay.drain)

    # -- what the relay asks --------------------------------------------------------------------------------------

    @property
    def durable_names(self) -> list[str]:
        """The durable subscriptions this node can serve."""
        return sorted(self._durable)

    def handle(self, subscription: str, topic: str, version: int, payload: bytes) -> None:
        """Decode a stored event and call a durable subscription's handler; raises what the handler raises."""
        _, known = self._durable[subscription]
        if known.topic != topic:
            raise InternalError(f"subscription {subscription} listens to {known.topic} now, not to {topic}")
        declared = self._topics.get(topic)
        if declared is None:
            raise InternalError(f"event {topic} is not declared by any enabled plugin")
        if version > declared.type.version:
            raise InternalError(f"event {topic} has version {version}; this node knows up to {declared.type.version}")
        known.handler(msgspec.json.decode(payload, type=declared.type.payload))

    def count_failure(self, topic: str, subscription: str) -> None:
        """Count a failed delivery of a durable subscription."""
        self._count(topic, self._durable[subscription][0])

    def _count(self, topic: str, plugin: str) -> None:
        self.failures[topic, plugin] += 1
        if self.on_failure is not None:
            self.on_failure(topic, plugin)

    def _id(self) -> str:
        """Make the id of an event, above that of the one before: what one transaction publishes is claimed in its order."""
        made = uuid7(int(self._clock.now().timestamp() * 1000))
        with self._id_lock:
            if made <= self._last_id:
                made = UUID(int=self._last_id.int + 1)
            self._last_id = made
        return str(made)

    def _check(self, topic: str, *payloads: object) -> _Topic:
        known = self._topics.get(topic)
        if known is None:
            raise InternalError(
                f"event {topic} is not declared; yield EventType({topic!r}, …) from reactor_event_types of the publishing plugin"
            )
        for payload in payloads:
            if type(payload) is not known.type.payload:
                wanted, got = known.type.payload.__qualname__, type(payload).__qualname__
                raise InternalError(f"the payload of event {topic} must be a {wanted}, not a {got}")
        return known

    def _deliver(self, known: _Topic, *payloads: object) -> None:
        for payload, (plugin, subscription) in product(payloads, known.local):
            try:
                subscription.handler(payload)
            except Exception:  # noqa: BLE001 - what happened stands; one subscriber must not take it from the others
                self._count(known.type.topic, plugin)
                self._log.exception("a subscriber of %s (plugin %s) failed", known.type.topic, plugin)


def _refuse_conflicts(
    types: Sequence[tuple[str, EventType]], subscriptions: Sequence[tuple[str, Subscription]]
) -> None:
    faults = []
    owners: dict[str, str] = {}
    for plugin, event in types:
        if event.topic in owners:
            faults.append(
                Fault(
                    category="conflict",
                    subject=f"event {event.topic}",
                    message=f"is declared by plugin {owners[event.topic]} and by plugin {plugin}",
                    plugin=plugin,
                    fix="disable one of them",
                )
            )
        owners.setdefault(event.topic, plugin)
    named: dict[Any, str] = {}
    for plugin, subscription in subscriptions:
        if subscription.delivery is not Delivery.DURABLE:
            continue
        if subscription.name in named:
            faults.append(
                Fault(
                    category="conflict",
                    subject=f"durable subscription {subscription.name}",
                    message=f"is brought by plugin {named[subscription.name]} and by plugin {plugin}",
                    plugin=plugin,
                    fix="give each its own name",
                )
            )
        named.setdefault(subscription.name, plugin)
    if faults:
        raise BootError(faults)
