"""Typed events and who listens to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

_TOPIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+\Z")


class Delivery(Enum):
    """How an event reaches a subscriber.

    LOCAL: once, in the process that committed, after the commit; lost if the process dies.
    DURABLE: from the outbox, at least once, on one node, retried with backoff.
    """

    LOCAL = "local"
    DURABLE = "durable"


@dataclass(frozen=True, slots=True)
class EventType:
    """A topic (`<plugin>.<noun>.<verb>`) and the dataclass or msgspec struct its payload is an instance of."""

    topic: str
    payload: type
    version: int = 1

    def __post_init__(self) -> None:
        if not _TOPIC.match(self.topic):
            raise ValueError(f"topic {self.topic!r} must look like plugin.noun.verb")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A handler of one topic. `name` identifies a durable subscription over restarts and must not change."""

    topic: str
    handler: Callable[[Any], None]
    delivery: Delivery = Delivery.LOCAL
    name: str | None = None

    def __post_init__(self) -> None:
        if self.delivery is Delivery.DURABLE and not self.name:
            raise ValueError(f"durable subscription to {self.topic} needs a name")
