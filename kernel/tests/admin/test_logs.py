"""§4.4: a snapshot of the log, and a stream that can be resumed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest


def messages(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [line["message"] for line in answer.json()]


def frames(response: Any) -> Iterator[dict[str, str]]:
    """Yield the events of a stream as they arrive; comments are left out."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if "event" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


def test_a_line_has_the_shape_clients_read(admin: Any) -> None:
    admin.log("hello", capability="shop", request_id="r-1", fields={"till": 3})
    answer = admin.client.get("/_admin/logs")
    assert answer.json() == [
        {
            "timestamp": "2026-01-02T03:04:05.000+00:00",
            "level": "info",
            "target": "reactor_kernel",
            "message": "hello",
            "capability": "shop",
            "request_id": "r-1",
            "fields": {"till": 3},
        }
    ]


def test_filters_combine(admin: Any) -> None:
    admin.log("old", capability="shop", timestamp="2020-01-01T00:00:00+00:00", level="error")
    admin.log("quiet", capability="shop", level="debug")
    admin.log("loud", capability="shop", level="error")
    admin.log("elsewhere", capability="press", level="error")
    get = admin.client.get
    assert messages(get("/_admin/logs?capability=shop&since=2026-01-01T00:00:00Z&level=warn")) == ["loud"]
    assert messages(get("/_admin/logs?capability=shop&capability=press&level=error")) == ["old", "loud", "elsewhere"]
    assert messages(get("/_admin/logs?capability=shop,press&level=ERROR")) == ["old", "loud", "elsewhere"]
    assert messages(get("/_admin/logs?capability=nobody")) == []


def test_since_takes_a_duration(admin: Any) -> None:
    from datetime import UTC, datetime, timedelta

    for minutes in (90, 10):
        admin.log(f"{minutes} minutes ago", timestamp=(datetime.now(UTC) - timedelta(minutes=minutes)).isoformat())
    assert messages(admin.client.get("/_admin/logs?since=30m")) == ["10 minutes ago"]
    assert messages(admin.client.get("/_admin/logs?since=2h")) == ["90 minutes ago", "10 minutes ago"]


def test_the_newest_lines_are_shown_oldest_first(admin: Any) -> None:
    for number in range(150):
        admin.log(str(number))
    assert messages(admin.client.get("/_admin/logs")) == [str(number) for number in range(50, 150)]
    assert messages(admin.client.get("/_admin/logs?limit=2")) == ["148", "149"]
    assert len(messages(admin.client.get("/_admin/logs?limit=1000"))) == 150


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit must be a number from 1 to 1000"),
        ("limit=1001", "limit must be a number from 1 to 1000"),
        ("limit=x", "limit must be a number from 1 to 1000"),
        ("level=loud", "level must be one of debug, info, warn, error, not 'loud'"),
        ("since=yesterday", "since must be a duration such as 30m or an RFC 3339 time, not 'yesterday'"),
    ],
)
def test_a_wrong_parameter_is_named(admin: Any, query: str, message: str) -> None:
    error = admin.client.get(f"/_admin/logs?{query}").json()["error"]
    assert (error["status"], error["code"], error["message"]) == (400, "validation_error", message)


def test_a_stream_shows_new_lines_with_growing_ids(admin: Any) -> None:
    admin.log("before")
    with admin.client.stream("GET", "/_admin/logs?follow=1") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "x-request-id" in response.headers
        events = frames(response)
        threading.Timer(0.3, lambda: [admin.log("one"), admin.log("skipped", level="debug"), admin.log("two")]).start()
        first, second, third = next(events), next(events), next(events)
    assert [json.loads(e["data"])["message"] for e in (first, second, third)] == ["one", "skipped", "two"]
    assert [e["event"] for e in (first, second, third)] == ["log"] * 3
    assert int(first["id"]) < int(second["id"]) < int(third["id"])


def test_a_stream_is_also_asked_for_by_accept_and_filtered(admin: Any) -> None:
    with admin.client.stream("GET", "/_admin/logs?level=error", headers={"Accept": "text/event-stream"}) as response:
        events = frames(response)
        threading.Timer(0.3, lambda: [admin.log("quiet"), admin.log("loud", level="error")]).start()
        assert json.loads(next(events)["data"])["message"] == "loud"


def test_last_event_id_resumes_without_a_gap(admin: Any) -> None:
    ids = [admin.log(str(number)) for number in range(5)]
    with admin.client.stream("GET", "/_admin/logs?follow=1", headers={"Last-Event-ID": str(ids[1])}) as response:
        events = frames(response)
        assert [json.loads(next(events)["data"])["message"] for _ in range(3)] == ["2", "3", "4"]


def test_resuming_after_a_restart_says_that_lines_may_be_missing(admin: Any) -> None:
    from reactor_kernel.observe.ring import LogRing

    before = LogRing(size=4096, first_id=7)
    old = before.append(b"{}")
    admin.log("since the restart")
    with admin.client.stream("GET", "/_admin/logs?follow=1", headers={"Last-Event-ID": str(old)}) as response:
        events = frames(response)
        first, second = next(events), next(events)
    assert (first["event"], json.loads(first["data"])) == ("lagged", {"dropped": 0, "restarted": True})
    assert json.loads(second["data"])["message"] == "since the restart"


def test_a_stream_ends_with_a_last_word_when_the_server_drains(admin: Any) -> None:
    with admin.client.stream("GET", "/_admin/logs?follow=1") as response:
        threading.Timer(0.3, lambda: setattr(admin, "draining", True)).start()
        events = list(frames(response))
    assert [(event["event"], event["data"]) for event in events] == [("shutdown", "{}")]


def test_streams_are_capped_and_their_places_come_back(admin: Any) -> None:
    import httpx

    with httpx.Client(base_url=admin.client.base_url, headers=admin.client.headers, timeout=10) as other:
        open_streams = [other.stream("GET", "/_admin/logs?follow=1") for _ in range(4)]
        for stream in open_streams:
            assert stream.__enter__().status_code == 200
        refused = admin.client.get("/_admin/logs?follow=1")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert admin.client.get("/_admin/version").status_code == 200
        for stream in open_streams:
            stream.__exit__(None, None, None)
    until = time.monotonic() + 10
    while admin.client.get("/_admin/logs").status_code != 200:
        # A client that left is noticed at the next write: a line, or the heartbeat.
        admin.log("anything")
        assert time.monotonic() < until
        time.sleep(0.05)
