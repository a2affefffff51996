"""The log route at its edges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.mark.parametrize("query", ["since=99999999999d", "since=9999999d", "limit=%C2%B2"])
def test_a_parameter_out_of_every_range_is_a_400(admin: Any, query: str) -> None:
    assert admin.client.get(f"/_admin/logs?{query}").status_code == 400


def test_a_last_event_id_that_only_looks_like_a_number_is_a_400(admin: Any) -> None:
    answer = admin.client.get("/_admin/logs?follow=1", headers=[(b"Last-Event-ID", b"\xb2")])
    assert answer.status_code == 400


def test_a_snapshot_is_no_stream(admin: Any) -> None:
    """`threads = 1` leaves no places for streams, and the log could never be read."""
    streams = [admin.client.stream("GET", "/_admin/logs?follow=1") for _ in range(4)]
    try:
        assert [stream.__enter__().status_code for stream in streams] == [200] * 4
        assert admin.client.get("/_admin/logs").status_code == 200
    finally:
        for stream in streams:
            stream.__exit__(None, None, None)


def events(response: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value
        elif "event" in event:
            yield event["event"], event.get("id", ""), json.loads(event["data"])
            event = {}


def test_a_reader_that_resumes_too_late_is_told_how_many_lines_it_lost(admin: Any) -> None:
    first = admin.log("first")
    for number in range(3000):
        admin.log("x" * 500 + str(number))
    with admin.client.stream("GET", "/_admin/logs?follow=1", headers={"Last-Event-ID": str(first)}) as response:
        found = events(response)
        lagged, following = next(found), next(found)
    assert lagged[0] == "lagged"
    assert lagged[2] == {"dropped": int(following[1]) - first - 1}
