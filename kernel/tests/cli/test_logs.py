"""`reactor logs`: the snapshot, and the stream with its resumption."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Scripted, Tool

LINE = {
    "timestamp": "2026-01-02T03:04:05.678+00:00",
    "level": "warn",
    "message": "slow \x1b[2J",
    "capability": "tiny",
    "fields": {"ms": 12, "who": "a b"},
}


def event(number: int, message: str, **changes: Any) -> bytes:
    """One line of the log as the server streams it."""
    line = {**LINE, "message": message, "level": "info", "fields": {}, **changes}
    return f"event: log\nid: {number}\ndata: {json.dumps(line)}\n\n".encode()


def test_a_snapshot_passes_the_filters_on(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, [LINE])
    done = reactor(
        *("logs", "tiny", "--capability", "kernel", "--since", "30m", "--level", "warn", "--limit", "5"),
        *("--endpoint", scripted.url),
    )
    assert done.data == [LINE]
    assert scripted.requests[0][1] == "/_admin/logs?capability=kernel%2Ctiny&since=30m&level=warn&limit=5"


def test_people_read_lines_that_cannot_control_their_terminal(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, [LINE])
    done = reactor.on_terminal("logs", "all", "--endpoint", scripted.url, env={"NO_COLOR": "1"})
    assert done.out == '2026-01-02 03:04:05 WARN  tiny: slow  [2J  ms=12 who="a b"\n'
    colored = reactor.on_terminal("logs", "--endpoint", scripted.url)
    assert colored.out == '2026-01-02 03:04:05 \x1b[33mWARN \x1b[0m tiny: slow  [2J  ms=12 who="a b"\n'
    scripted.answers[0] = (200, {}, b"[]")
    assert reactor.on_terminal("logs", "--endpoint", scripted.url).out == "No log lines found.\n"


def test_following_resumes_after_the_last_line_and_ends_with_the_envelope(reactor: Tool, scripted: Scripted) -> None:
    stream = {"Content_Type": "text/event-stream"}
    half = b"event: log\nid: 99\ndata: {"
    scripted.answer(200, b": heartbeat\n\n" + event(7, "one") + event(8, "two") + half, **stream)
    restarted = b'event: lagged\ndata: {"dropped": 0, "restarted": true}\n\n'
    lagged = b'event: lagged\ndata: {"dropped": 3}\n\n'
    scripted.answer(200, restarted + lagged + event(12, "three"), **stream)
    process = reactor.spawn("logs", "-f", "-v", "--endpoint", scripted.url)
    assert process.stdout is not None
    assert process.stderr is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [line["message"] for line in lines] == ["one", "two", "three"]
    process.send_signal(signal.SIGINT)
    rest = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert process.wait(30) == 130
    written = 3 + len(rest) - 1
    # The interrupt may fall between writing a line and counting it.
    assert rest[-1] in [{"ok": True, "data": {"lines": count}} for count in (written - 1, written)]
    warned = process.stderr.read()
    assert "warning: the server was started again; what it logged before it ended may be missing here" in warned
    assert "warning: 3 lines were lost because they were read too slowly" in warned
    assert [request[2].get("Last-Event-ID") for request in scripted.requests[:3]][:2] == [None, "8"]
    assert scripted.requests[0][1] == "/_admin/logs?follow=1"
    assert scripted.requests[0][2]["Accept"] == "text/event-stream"


def test_a_stream_that_is_refused_ends_with_the_refusal(reactor: Tool, scripted: Scripted) -> None:
    scripted.refuse(401, "unauthorized", "the admin token is required")
    done = reactor("logs", "-f", "--endpoint", scripted.url)
    assert (done.code, done.out.count("\n"), done.error["code"]) == (3, 1, "AUTH_REQUIRED")


def test_a_server_that_stays_away_ends_the_stream(reactor: Tool) -> None:
    done = reactor("logs", "-f", "--endpoint", "http://127.0.0.1:1")
    assert (done.code, done.error["code"]) == (6, "CONNECTION_REFUSED")
