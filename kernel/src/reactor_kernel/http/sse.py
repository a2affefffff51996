"""Server-sent events (WHATWG HTML §9.2): frames, a heartbeat, and a last word when the server drains."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import msgspec

HEARTBEAT = b": heartbeat\n\n"
HEARTBEAT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event; `data` is written as JSON."""

    event: str
    data: object
    id: str | None = None

    def encode(self) -> bytes:
        """Return the frame."""
        head = f"id: {self.id}\n" if self.id is not None else ""
        return head.encode() + b"event: " + self.event.encode() + b"\ndata: " + msgspec.json.encode(self.data) + b"\n\n"


class EventStream:
    """Iterates frames of a source until it ends or the server drains.

    Args:
        source: yields events, or None where nothing happened for a moment (at most every second or so). Bytes are a whole
            frame and sent as they are, for what is written once and read by many.
        draining: tells whether the server is about to stop; the stream then ends with the event `shutdown`.
        monotonic: the clock for heartbeats.
        heartbeat: returns the frame to send after 15 s in which nothing was sent.

    A plugin gives `ctx.draining` and `ctx.clock.monotonic`, sets the content type `text/event-stream` and mounts the route with
    `stream=True`. The source is closed when the stream ends, also because the reader went away.
    """

    def __init__(
        self,
        source: Iterator[SseEvent | bytes | None],
        draining: Callable[[], bool],
        monotonic: Callable[[], float],
        *,
        heartbeat: Callable[[], bytes] = lambda: HEARTBEAT,
    ) -> None:
        self._source = source
        self._draining = draining
        self._monotonic = monotonic
        self._heartbeat = heartbeat
        self._frames = self._run()

    def __iter__(self) -> Iterator[bytes]:
        return self._frames

    def close(self) -> None:
        """End the source; called by the server when the response is over (PEP 3333)."""
        self._frames.close()
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def _run(self) -> Generator[bytes, None, None]:
        quiet_since = self._monotonic()
        yield b"retry: 3000\n\n"
        for event in self._source:
            if self._draining():
                yield SseEvent("shutdown", {}).encode()
                return
            if event is not None:
                yield event if isinstance(event, bytes) else event.encode()
                quiet_since = self._monotonic()
            elif self._monotonic() - quiet_since >= HEARTBEAT_SECONDS:
                yield self._heartbeat()
                quiet_since = self._monotonic()
