"""Server-sent events: frames, heartbeats, the last word."""

from __future__ import annotations

from reactor_kernel.api import EventStream, SseEvent


def frames(
    source: list[SseEvent | bytes | None], times: list[float], draining: list[bool], **options: object
) -> list[bytes]:
    clock, drains = iter(times), iter(draining)
    return list(EventStream(iter(source), lambda: next(drains), lambda: next(clock), **options))  # type: ignore[arg-type]


def test_events_are_written_and_ready_frames_sent_as_they_are() -> None:
    sent = frames([SseEvent("a", {"n": 1}, "7"), b"event: b\ndata: 2\n\n"], [0, 0, 0], [False, False])
    assert sent == [b"retry: 3000\n\n", b'id: 7\nevent: a\ndata: {"n":1}\n\n', b"event: b\ndata: 2\n\n"]


def test_a_quiet_stream_sends_its_own_heartbeat_every_fifteen_seconds() -> None:
    times = [0, 14, 15, 15, 29]
    assert frames([None, None, None], times, [False] * 3)[1:] == [b": heartbeat\n\n"]
    assert frames([None, None, None], times, [False] * 3, heartbeat=lambda: b": ping\n\n")[1:] == [b": ping\n\n"]


def test_a_draining_server_says_so_and_ends() -> None:
    assert frames([None, SseEvent("a", 1)], [0], [True])[1:] == [b"event: shutdown\ndata: {}\n\n"]
