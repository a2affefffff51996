"""The event log that plugins are handed while the bus is still being made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reactor_kernel.events.bus import EventBus


class Emitter:
    """The event log that plugins are handed before the bus exists; subscriptions are made with it in hand."""

    def __init__(self) -> None:
        self.bus: EventBus | None = None

    def emit(self, topic: str, payload: object) -> None:
        """Deliver to this process' LOCAL subscribers now."""
        if self.bus is None:
            raise RuntimeError(f"{topic} is emitted while plugins are still being assembled; wait for reactor_started")
        self.bus.emit(topic, payload)
