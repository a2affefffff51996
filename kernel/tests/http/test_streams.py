"""What a plugin's own server-sent events do: frames, places, the end of the source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from reactor_kernel.api import Access, EventStream, Mount, SseEvent


class Ticks:
    """Streams one event, then nothing until the reader leaves or the server drains."""

    def __init__(self) -> None:
        self.draining = False
        self.ended = threading.Event()
        self.deadlines: list[float | None] = []

    def on_get(self, req: Any, resp: Any) -> None:
        self.deadlines.append(req.context.deadline)
        if "follow" not in req.params:
            resp.media = {"ticks": 1}
            return
        req.context.claim_stream()
        self.deadlines.append(req.context.deadline)
        resp.content_type = "text/event-stream"
        resp.stream = EventStream(self._ticks(), lambda: self.draining, time.monotonic)

    def _ticks(self) -> Iterator[SseEvent | None]:
        try:
            yield SseEvent("tick", {"n": 1}, "1")
            while True:
                # Bytes, so that a reader that left is noticed.
                yield SseEvent("tock", {})
                time.sleep(0.01)
        finally:
            self.ended.set()


def test_a_route_may_stream_on_some_requests_only(serve: Callable[..., Any]) -> None:
    ticks = Ticks()
    client = serve(Mount("/shop/v1/ticks", ticks, access=Access.PUBLIC, timeout=30)).client
    before = time.monotonic()
    assert client.get("/shop/v1/ticks").json() == {"ticks": 1}
    [deadline] = ticks.deadlines
    assert deadline is not None
    assert before < deadline <= time.monotonic() + 30
    with client.stream("GET", "/shop/v1/ticks?follow") as response:
        lines = response.iter_lines()
        assert [next(lines) for _ in range(5)] == ["retry: 3000", "", "id: 1", "event: tick", 'data: {"n":1}']
    assert ticks.deadlines[2] is None, "a stream has no deadline"
    assert ticks.ended.wait(10), "the source is closed when the reader leaves"


def test_a_stream_ends_with_a_last_word_when_the_server_drains(serve: Callable[..., Any]) -> None:
    ticks = Ticks()
    client = serve(Mount("/shop/v1/ticks", ticks, access=Access.PUBLIC)).client
    with client.stream("GET", "/shop/v1/ticks?follow") as response:
        lines = response.iter_lines()
        while next(lines) != "event: tick":
            pass
        ticks.draining = True
        rest = list(lines)
    assert rest[-3:] == ["event: shutdown", "data: {}", ""]
    assert ticks.ended.wait(10)


def test_the_source_is_closed_even_when_nothing_was_read() -> None:
    ticks = Ticks()
    source = ticks._ticks()
    next(source)
    EventStream(source, lambda: False, time.monotonic).close()
    assert ticks.ended.is_set()
