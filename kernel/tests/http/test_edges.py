"""Corners of the HTTP surface, each once a defect."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reactor_kernel.config.model import CorsConfig, OpsConfig, ServerConfig
from reactor_kernel.config.values import parse_network
from reactor_kernel.contributions import Access, Fallback, HealthCheck, Middleware, Mount, Phase
from reactor_kernel.errors import BootError
from reactor_kernel.http import system
from reactor_kernel.http.address import parse, parse_short
from reactor_kernel.http.app import build_app
from reactor_kernel.observe.logs import current_request_id


class Get:
    def on_get(self, req: Any, resp: Any, **params: str) -> None:
        resp.media = params

    def on_post(self, req: Any, resp: Any) -> None:
        resp.media = {"got": req.get_media()}


def test_a_preflight_names_the_origin_once(serve: Callable[..., Any]) -> None:
    """Browsers refuse a preflight whose Access-Control-Allow-Origin stands there twice."""
    origin = "https://app.example.com"
    served = serve(
        Mount("/shop/v1/x", Get(), access=Access.USER), server=ServerConfig(cors=CorsConfig(allow_origins=(origin,)))
    )
    answer = served.client.options("/shop/v1/x", headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
    assert answer.headers.get_list("Access-Control-Allow-Origin") == [origin]


@pytest.mark.parametrize("access", [Access.USER, Access.INTERNAL])
def test_a_fallback_admits_only_its_callers(serve: Callable[..., Any], access: Access) -> None:
    served = serve(fallback=[("shop", Fallback(Get(), access=access))])
    assert served.client.get("/about").status_code == 401


def test_json_nested_too_deeply_is_the_callers_fault(serve: Callable[..., Any]) -> None:
    served = serve(Mount("/shop/v1/x", Get(), access=Access.PUBLIC))
    headers = {"Content-Type": "application/json"}
    answer = served.client.post("/shop/v1/x", content=b"[" * 100_000 + b"]" * 100_000, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_error")


def test_a_resource_that_outlasts_its_timeout_answers_408(serve: Callable[..., Any]) -> None:
    class Slow:
        def on_get(self, req: Any, resp: Any) -> None:
            time.sleep(0.3)
            resp.media = {}

    served = serve(Mount("/shop/v1/slow", Slow(), access=Access.PUBLIC, timeout=0.1))
    answer = served.client.get("/shop/v1/slow")
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "request_timeout")


def test_a_parameter_never_matches_an_empty_segment(serve: Callable[..., Any]) -> None:
    served = serve(Mount("/shop/v1/{item}", Get(), access=Access.PUBLIC))
    assert served.client.get("/shop/v1/").status_code == 404


def test_templates_the_router_cannot_hold_together_are_a_boot_fault(parts: Callable[..., Any]) -> None:
    mounts = [
        Mount("/shop/v1/{item}/price", Get(), access=Access.PUBLIC),
        Mount("/shop/v1/{thing}/stock", Get(), access=Access.PUBLIC),
    ]
    with pytest.raises(BootError, match=r"/shop/v1/\{thing\}/stock"):
        build_app(parts(*mounts))


def test_middleware_before_access_may_ask_who_calls(serve: Callable[..., Any]) -> None:
    class Asks:
        def process_request(self, req: Any, resp: Any) -> None:
            resp.set_header("X-Caller", req.context.identity.subject)

    served = serve(
        Mount("/shop/v1/x", Get(), access=Access.PUBLIC), middleware=[("shop", Middleware(Asks(), Phase.BEFORE_ACCESS))]
    )
    assert served.client.get("/shop/v1/x").headers["X-Caller"] == "anon"


def test_middleware_after_access_sees_permitted_requests_only(serve: Callable[..., Any]) -> None:
    seen: list[str] = []

    class Meter:
        def process_request(self, req: Any, resp: Any) -> None:
            seen.append("request")

        def process_resource(self, req: Any, resp: Any, resource: object, params: Any) -> None:
            seen.append("resource")

        def process_response(self, req: Any, resp: Any, resource: object, succeeded: bool) -> None:
            seen.append("response")

    served = serve(Mount("/shop/v1/x", Get(), access=Access.USER), middleware=[("shop", Middleware(Meter()))])
    served.client.get("/shop/v1/x")
    assert seen == []


def test_a_line_logged_while_streaming_carries_the_request_id(serve: Callable[..., Any]) -> None:
    seen: list[str | None] = []

    class Streams:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.stream = self.blocks()

        def blocks(self) -> Iterator[bytes]:
            seen.append(current_request_id.get())
            yield b"x"

    served = serve(Mount("/shop/v1/stream", Streams(), access=Access.PUBLIC, stream=True))
    served.client.get("/shop/v1/stream", headers={"X-Request-Id": "r-9"})
    assert seen == ["r-9"]


def test_a_health_check_that_raises_leaks_no_secret(serve: Callable[..., Any]) -> None:
    def broken() -> str | None:
        raise OSError("cannot reach postgresql://shop:hunter2@db/shop")

    answer = serve(health=[("shop", HealthCheck(broken))]).client.get("/health")
    assert "hunter2" not in answer.text


def test_a_hanging_health_check_is_not_started_again(serve: Callable[..., Any]) -> None:
    release, started = threading.Event(), []

    def hangs() -> str | None:
        started.append(1)
        release.wait(30)
        return None

    served = serve(health=[("shop", HealthCheck(hangs))])
    try:
        for _ in range(2):
            assert served.client.get("/health").status_code == 503
            time.sleep(1.1)
        assert len(started) == 1
    finally:
        release.set()


def test_a_hanging_health_check_is_waited_for_once(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting again each second would let anybody who asks often hold every thread."""
    release = threading.Event()

    def hangs() -> str | None:
        release.wait(60)
        return None

    served = serve(health=[("shop", HealthCheck(hangs))])
    try:
        assert served.client.get("/health").status_code == 503
        monkeypatch.setattr(system, "CHECK_SECONDS", 600.0)
        monkeypatch.setattr(system, "KEEP_SECONDS", 0.0)
        assert served.client.get("/health").status_code == 503
    finally:
        release.set()
    ends = time.monotonic() + 10
    while served.client.get("/health").status_code != 200:
        assert time.monotonic() < ends, "the check has returned, yet it stays ill"


def test_operators_call_from_trusted_networks_only(serve: Callable[..., Any]) -> None:
    ops = OpsConfig(trusted_networks=(parse_network("10.0.0.0/8"),))
    served = serve(Mount("/shop/v1/ops", Get(), access=Access.OPERATOR, permission="ops:read"), ops=ops)
    answer = served.client.get("/shop/v1/ops", headers={"Authorization": "Bearer operator"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "untrusted_network")


def test_flagged_operator_scopes_need_a_fresh_second_factor(serve: Callable[..., Any]) -> None:
    ops = OpsConfig(require_step_up_for=("ops:burn",))
    served = serve(Mount("/shop/v1/ops", Get(), access=Access.OPERATOR, permission="ops:burn"), ops=ops)
    answer = served.client.get("/shop/v1/ops", headers={"Authorization": "Bearer operator"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "step_up_required")
    assert answer.headers["WWW-Authenticate"] == 'WebAuthn realm="reactor-ops"'


def test_422_is_not_used(serve: Callable[..., Any]) -> None:
    import falcon

    class Refuses:
        def on_get(self, req: Any, resp: Any) -> None:
            raise falcon.HTTPUnprocessableEntity(description="no")

    answer = serve(Mount("/shop/v1/x", Refuses(), access=Access.PUBLIC)).client.get("/shop/v1/x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_error")


def test_a_body_that_ends_early_is_refused(serve: Callable[..., Any]) -> None:
    """Waitress never hands one on; an engine that streams bodies does."""
    import io

    app = build_app_of(serve, Mount("/shop/v1/x", Get(), access=Access.PUBLIC))
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/shop/v1/x",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": "10",
        "CONTENT_TYPE": "application/json",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(b"12345"),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    list(app(environ, lambda line, headers, exc_info=None: status.append(line)))
    assert status[0].startswith("400")


def build_app_of(serve: Callable[..., Any], *mounts: Mount) -> Any:
    return serve(*mounts).app


def test_long_forwarded_junk_is_not_remembered() -> None:
    """A cache of whatever strangers send grows to 4096 headers of 64 KiB."""
    parse_short.cache_clear()
    assert parse("x" * 60_000) is None
    assert parse_short.cache_info().currsize == 0


@pytest.mark.parametrize("path", ["/health", "/shop/v1/x"])
def test_head_is_answered_where_get_is(serve: Callable[..., Any], path: str) -> None:
    served = serve(Mount("/shop/v1/x", Get(), access=Access.PUBLIC))
    answer = served.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


def test_head_of_a_stream_has_no_body(serve: Callable[..., Any]) -> None:
    class Stream:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.stream = iter([b"one", b"two"])

    served = serve(Mount("/shop/v1/x", Stream(), access=Access.PUBLIC))
    answer = served.raw(b"HEAD /shop/v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert (head.splitlines()[0], body) == (b"HTTP/1.1 200 OK", b"")
    assert served.client.get("/shop/v1/x").content == b"onetwo"
