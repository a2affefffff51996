"""Records what plugins publish."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reactor_kernel.contributions import Subscription
from reactor_kernel.hookspecs.marker import hookimpl
from reactor_kernel.plugins.info import PluginInfo

RECORDER = "captured_events"
"""The name, and so the section, of the plugin that listens."""


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """One event as a LOCAL subscriber got it."""

    topic: str
    payload: Any


class CapturedEvents:
    """Every event that reached LOCAL subscribers, in order; what was rolled back is not among them."""

    def __init__(self) -> None:
        self._events: list[CapturedEvent] = []
        self._arrived = threading.Condition()

    def all(self) -> list[CapturedEvent]:
        """Return a copy of what was captured so far."""
        with self._arrived:
            return list(self._events)

    def of(self, topic: str) -> list[Any]:
        """Return the payloads of one topic."""
        return [event.payload for event in self.all() if event.topic == topic]

    def wait_for(self, topic: str, *, timeout: float = 10) -> Any:
        """Return the first payload of a topic, waiting for another thread to publish it.

        Raises AssertionError that names what did arrive.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: any(event.topic == topic for event in self._events), timeout):
                seen = ", ".join(event.topic for event in self._events) or "nothing"
                raise AssertionError(f"{topic} was not published within {timeout} s; published: {seen}")
            return next(event.payload for event in self._events if event.topic == topic)

    def record(self, topic: str, payload: Any) -> None:
        """Keep one event; called by the subscriptions."""
        with self._arrived:
            self._events.append(CapturedEvent(topic, payload))
            self._arrived.notify_all()

    def listener(self, plugins: Sequence[type]) -> type:
        """Make a plugin class that subscribes to every topic that `plugins` declare."""
        topics = sorted({event.topic for plugin in plugins for event in _declared(plugin)})
        record = self.record

        class Recorder:
            info = PluginInfo(name=RECORDER, version="0", api=(1, 0), after=tuple(_names(plugins)))

            @hookimpl
            def reactor_subscriptions(self) -> Iterable[Subscription]:
                return [Subscription(topic, partial(record, topic)) for topic in topics]

        return Recorder


def _declared(plugin: type) -> Iterable[Any]:
    declare = getattr(plugin, "reactor_event_types", None)
    return () if declare is None else plugin().reactor_event_types()


def _names(plugins: Sequence[type]) -> Iterable[str]:
    return (plugin.info.name for plugin in plugins)  # type: ignore[attr-defined]
