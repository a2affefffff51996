"""What surrounds every request: health, metrics, the log line, middleware, streams, time."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from reactor_kernel.config.model import ServerConfig
from reactor_kernel.contributions import Access, HealthCheck, Middleware, Mount, Phase


class Get:
    def on_get(self, req: Any, resp: Any, **params: str) -> None:
        resp.media = params


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until, "it did not happen within 5 s"
        time.sleep(0.01)


class TestHealth:
    """§4.1."""

    def test_every_part_is_healthy(self, serve: Callable[..., Any]) -> None:
        served = serve(health=[("shop", HealthCheck(lambda: None))], database_health=lambda: None)
        answer = served.client.get("/health")
        assert (answer.status_code, answer.json()) == (
            200,
            {"status": "healthy", "capabilities": [{"name": "shop", "status": "healthy"}]},
        )

    def test_an_ill_part_is_named_with_its_reason(self, serve: Callable[..., Any]) -> None:
        served = serve(
            health=[("shop", HealthCheck(lambda: "the till is open"))],
            database_health=lambda: "the database cannot be reached",
            versions={"shop": "2.1.0", "well": "1.0"},
            prefixes={"shop": "/shop/v1", "well": "/well/v1"},
        )
        answer = served.client.get("/health")
        assert (answer.status_code, answer.json()) == (
            503,
            {
                "status": "unhealthy",
                "capabilities": [
                    {"name": "shop", "status": "unhealthy", "error": "the till is open"},
                    {"name": "well", "status": "healthy"},
                    {"name": "database", "status": "unhealthy", "error": "the database cannot be reached"},
                ],
            },
        )
        assert served.client.get("/shop/v1/health").status_code == 200

    def test_a_check_that_raises_is_ill(self, serve: Callable[..., Any]) -> None:
        def broken() -> str | None:
            raise LookupError("no till")

        answer = serve(health=[("shop", HealthCheck(broken))]).client.get("/health").json()
        assert answer["capabilities"] == [{"name": "shop", "status": "unhealthy", "error": "LookupError: no till"}]

    def test_a_check_that_hangs_blocks_neither_the_others_nor_the_answer(self, serve: Callable[..., Any]) -> None:
        release = threading.Event()
        served = serve(
            health=[("shop", HealthCheck(lambda: "late" if release.wait(30) else None))],
            database_health=lambda: "down",
        )
        answer = served.client.get("/health").json()
        release.set()
        assert answer["capabilities"] == [
            {"name": "shop", "status": "unhealthy", "error": "no answer within 2 s"},
            {"name": "database", "status": "unhealthy", "error": "down"},
        ]

    def test_hammering_it_does_not_hammer_the_checks(self, serve: Callable[..., Any]) -> None:
        asked: list[float] = []
        served = serve(health=[("shop", HealthCheck(lambda: asked.append(time.monotonic())))])
        for _ in range(30):
            assert served.client.get("/health").status_code == 200
        assert all(later - earlier > 0.9 for earlier, later in pairwise(asked))

    def test_it_says_draining_during_shutdown(self, serve: Callable[..., Any]) -> None:
        answer = serve(draining=lambda: True).client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")

    def test_an_optional_plugin_that_failed_is_shown_and_the_rest_is_healthy(self, serve: Callable[..., Any]) -> None:
        press = {"name": "press", "status": "unhealthy", "error": "No module named 'ink'", "optional": True}
        answer = serve(failed={"press": press["error"]}).client.get("/health")
        assert (answer.status_code, answer.json()) == (
            200,
            {"status": "healthy", "capabilities": [{"name": "shop", "status": "healthy"}, press]},
        )
        ill = serve(failed={"press": press["error"]}, health=[("shop", HealthCheck(lambda: "on fire"))])
        answer = ill.client.get("/health")
        assert (answer.status_code, answer.json()) == (
            503,
            {
                "status": "unhealthy",
                "capabilities": [{"name": "shop", "status": "unhealthy", "error": "on fire"}, press],
            },
        )


def test_metrics_carry_templates_and_never_raw_paths(serve: Callable[..., Any]) -> None:
    served = serve(Mount("/shop/v1/{item}", Get(), access=Access.PUBLIC))
    for item in ("secret-1", "secret-2"):
        served.client.get(f"/shop/v1/{item}")
    served.client.get("/scan/for/holes")
    served.client.request("BREW", "/_api/nothing")
    answer = served.client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Content-Type"].endswith("charset=utf-8")
    lines = answer.text.splitlines()
    assert 'reactor_http_requests_total{capability="shop",method="GET",status="200"} 2.0' in lines
    assert 'reactor_http_requests_total{capability="kernel",method="GET",status="404"} 1.0' in lines
    assert 'reactor_server_info{version="9.9.9"} 1.0' in lines
    assert 'reactor_http_request_duration_seconds_count{capability="shop"} 2.0' in lines
    assert "secret" not in answer.text
    assert "BREW" not in answer.text


def test_the_log_line_of_a_request_shows_its_template_and_no_query(
    serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(Mount("/shop/v1/{item}", Get(), access=Access.PUBLIC))
    with caplog.at_level(logging.INFO, "reactor_kernel.http"):
        served.client.get("/shop/v1/mine?access_token=hunter2", headers={"X-Request-Id": "r-7"})
    eventually(lambda: any(r.name == "reactor_kernel.http" for r in caplog.records))
    [line] = [vars(r) for r in caplog.records if r.name == "reactor_kernel.http"]
    assert {name: line[name] for name in ("method", "path", "status", "capability", "request_id")} == {
        "method": "GET",
        "path": "/shop/v1/{item}",
        "status": 200,
        "capability": "shop",
        "request_id": "r-7",
    }
    assert line["latency_ms"] >= 0
    assert "hunter2" not in str(line)


class Recorder:
    """Middleware that notes which of its methods ran, and for whom."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def process_request(self, req: Any, resp: Any) -> None:
        self.seen.append(f"request {req.path}")

    def process_resource(self, req: Any, resp: Any, resource: object, params: Any) -> None:
        self.seen.append(f"resource {req.path}")

    def process_response(self, req: Any, resp: Any, resource: object, succeeded: bool) -> None:
        self.seen.append(f"response {req.path}")


def test_middleware_before_access_sees_refused_requests_too(serve: Callable[..., Any]) -> None:
    before = Recorder()
    served = serve(
        Mount("/shop/v1/x", Get(), access=Access.USER), middleware=[("shop", Middleware(before, Phase.BEFORE_ACCESS))]
    )
    served.client.get("/shop/v1/x")
    served.client.get("/nowhere")
    assert "request /shop/v1/x" in before.seen
    assert "request /nowhere" in before.seen


class Streams:
    """Streams until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.open = 0

    def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = "text/plain"
        resp.stream = self.blocks()

    def blocks(self) -> Iterator[bytes]:
        self.open += 1
        try:
            yield b"x" * 1024
            while not self.release.wait(0.02):
                yield b"x" * 1024
        finally:
            self.open -= 1


class TestStreams:
    """§8 of the house plan: streams never starve requests."""

    def test_beyond_the_cap_streams_are_refused_and_requests_are_not(self, serve: Callable[..., Any]) -> None:
        streams = Streams()
        served = serve(
            Mount("/shop/v1/stream", streams, access=Access.PUBLIC, stream=True),
            Mount("/shop/v1/x", Get(), access=Access.PUBLIC),
            server=ServerConfig(threads=8, max_streams=2),
        )
        with httpx.Client(base_url=served.client.base_url) as one, httpx.Client(base_url=served.client.base_url) as two:
            with one.stream("GET", "/shop/v1/stream") as first, two.stream("GET", "/shop/v1/stream") as second:
                assert (first.status_code, second.status_code) == (200, 200)
                assert "x-request-id" in first.headers
                refused = served.client.get("/shop/v1/stream")
                assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
                assert refused.json()["error"]["code"] == "unavailable"
                assert refused.json()["error"]["message"] == "too many open streams"
                assert served.client.get("/shop/v1/x").status_code == 200
                streams.release.set()
                first.read(), second.read()
        streams.release.clear()
        with served.client.stream("GET", "/shop/v1/stream") as again:
            assert again.status_code == 200
            streams.release.set()
            again.read()

    def test_a_client_that_goes_away_gives_its_place_back(self, serve: Callable[..., Any]) -> None:
        streams = Streams()
        served = serve(
            Mount("/shop/v1/stream", streams, access=Access.PUBLIC, stream=True),
            server=ServerConfig(threads=8, max_streams=1),
        )
        with socket.create_connection(served.address, timeout=5) as sock:
            sock.sendall(b"GET /shop/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in sock.recv(4096)
        eventually(lambda: streams.open == 0)
        streams.release.set()
        assert served.client.get("/shop/v1/stream").status_code == 200

    def test_a_stream_that_fails_before_its_first_byte_gives_its_place_back(self, serve: Callable[..., Any]) -> None:
        class Fails:
            def on_get(self, req: Any, resp: Any) -> None:
                raise RuntimeError("no")

        served = serve(
            Mount("/shop/v1/stream", Fails(), access=Access.PUBLIC, stream=True),
            server=ServerConfig(threads=8, max_streams=1),
        )
        assert [served.client.get("/shop/v1/stream").status_code for _ in range(3)] == [500, 500, 500]


def test_two_applications_in_one_process_do_not_meet(serve: Callable[..., Any]) -> None:
    one = serve(Mount("/shop/v1/one", Get(), access=Access.PUBLIC))
    two = serve(Mount("/shop/v1/two", Get(), access=Access.PUBLIC))
    assert one.client.get("/shop/v1/one").status_code == 200
    assert two.client.get("/shop/v1/one").status_code == 404
    assert 'capability="shop"' in one.client.get("/metrics").text
    assert 'capability="shop"' not in two.client.get("/metrics").text
