"""Requests that are wrong, hostile or meet a broken plugin; the envelope is the same everywhere."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from reactor_kernel.api import (
    Access,
    Delivery,
    EventType,
    Mount,
    OpenApiFragment,
    PluginContext,
    PluginInfo,
    Probe,
    ProbeResult,
    Subscription,
    ValidationError,
    hookimpl,
)
from reactor_kernel.testing import ADMIN_TOKEN, CapturedEvents, LiveServer

SECRET_OF_THE_BUG = "postgres://me:hunter2@db/internal"


class Exploding:
    def on_get(self, req: Any, resp: Any) -> None:
        raise RuntimeError(SECRET_OF_THE_BUG)


class Echo:
    def on_post(self, req: Any, resp: Any) -> None:
        document = req.get_media()
        if not isinstance(document, dict):
            raise ValidationError("the body must be an object")
        resp.media = document

    def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {"address": req.context.client.address, "loopback": req.context.client.is_loopback}


class Wild:
    """`/fault/v1/files/{name}`: shows what the router made of a path."""

    def on_get(self, req: Any, resp: Any, name: str) -> None:
        resp.media = {"name": name}


class Fault:
    """Every sort of misbehaviour at run time."""

    info = PluginInfo(name="fault", version="1.2", api=(1, 0))
    log: Any = None

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount]:
        yield Mount("/fault/v1/explode", Exploding(), access=Access.PUBLIC)
        yield Mount("/fault/v1/echo", Echo(), access=Access.PUBLIC)
        yield Mount("/fault/v1/files/{name}", Wild(), access=Access.PUBLIC)
        yield Mount("/fault/v1/admin", Echo(), access=Access.ADMIN)
        yield Mount("/fault/v1/user", Echo(), access=Access.USER)

    @hookimpl
    def reactor_openapi(self) -> Iterable[OpenApiFragment]:
        answered = {"responses": {"200": {"description": "ok"}}}
        yield OpenApiFragment(
            {
                "paths": {
                    "/fault/v1/explode": {"get": answered},
                    "/fault/v1/echo": {"get": answered, "post": answered},
                    "/fault/v1/files/{name}": {"get": answered},
                    "/fault/v1/admin": {"get": answered, "post": answered},
                    "/fault/v1/user": {"get": answered, "post": answered},
                }
            }
        )

    @hookimpl
    def reactor_event_types(self) -> Iterable[EventType]:
        yield EventType("fault.thing.happened", dict)

    @hookimpl
    def reactor_subscriptions(self, ctx: PluginContext) -> Iterable[Subscription]:
        def explode(event: Any) -> None:
            raise RuntimeError("the subscriber is broken")

        yield Subscription("fault.thing.happened", explode, Delivery.LOCAL)

    @hookimpl
    def reactor_probes(self) -> Iterable[Probe]:
        def explode() -> ProbeResult:
            raise RuntimeError("the probe is broken")

        yield Probe("explodes", explode)


@pytest.fixture
def reactor_plugins() -> list[type]:
    return [Fault]


@pytest.fixture
def reactor_config() -> Mapping[str, Any]:
    return {"server": {"trusted_proxies": ["10.0.0.0/8", "127.0.0.1/32"]}}


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the error of an envelope, after checking what every envelope has."""
    body = answer.json()
    assert set(body) == {"ok", "error"}
    assert body["ok"] is False
    assert body["error"]["status"] == answer.status_code
    assert body["error"].pop("request_id") == answer.headers["X-Request-Id"]
    return dict(body["error"])


def test_an_exception_in_a_request_is_a_plain_500_outside_and_a_traceback_inside(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/fault/v1/explode")
    assert error_of(answer) == {
        "code": "internal_error",
        "message": "something went wrong on the server",
        "status": 500,
    }
    assert "RuntimeError" in caplog.text
    assert client.get("/fault/v1/files/after").status_code == 200, "the next request is served"


def test_a_raising_subscriber_stops_neither_the_publisher_nor_the_others(
    captured_events: CapturedEvents, kernel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with kernel.database.begin() as tx:
        tx.publish("fault.thing.happened", {"n": 1})
    assert captured_events.of("fault.thing.happened") == [{"n": 1}]
    assert "the subscriber is broken" in caplog.text


def test_a_raising_probe_is_a_failed_probe(client: httpx.Client) -> None:
    answer = client.get("/_admin/doctor", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert answer.status_code == 207
    assert answer.json()["status"] == "fail"
    assert answer.json()["capabilities"]["fault"]["status"] == "fail"
    [check] = [check for check in answer.json()["checks"] if "explodes" in check["name"]]
    assert "the probe is broken" in check["message"]


@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"a": }', b"\xff\xfe", b""])
def test_malformed_json_is_400_validation_error(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/fault/v1/echo", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "validation_error"


def test_json_of_the_wrong_shape_is_400_in_the_plugins_words(client: httpx.Client) -> None:
    answer = client.post("/fault/v1/echo", json=[1])
    assert error_of(answer) == {"code": "validation_error", "message": "the body must be an object", "status": 400}


def test_an_unknown_path_and_a_wrong_method_have_the_envelope(client: httpx.Client) -> None:
    assert error_of(client.get("/nowhere")) == {
        "code": "not_found",
        "message": "there is nothing at this address",
        "status": 404,
    }
    answer = client.delete("/fault/v1/echo")
    assert error_of(answer) == {
        "code": "method_not_allowed",
        "message": "/fault/v1/echo does not answer DELETE",
        "status": 405,
    }
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))


def test_a_three_mebibyte_body_is_refused_before_it_is_read(live_server: LiveServer) -> None:
    """Only the head is sent: the answer must not wait for the body."""
    head = (
        b"POST /fault/v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3145728\r\n\r\n"
    )
    status, body = raw(live_server, head)
    assert status == 413
    assert (body["error"]["code"], body["error"]["status"]) == ("payload_too_large", 413)
    assert httpx.get(f"{live_server.url}/fault/v1/files/after").status_code == 200


def test_a_three_mebibyte_chunked_body_is_refused(live_server: LiveServer) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(48):
            yield b" " * 65536

    try:
        answer = httpx.post(f"{live_server.url}/fault/v1/echo", content=chunks(), timeout=20)
    except (httpx.WriteError, httpx.ReadError):
        # The refusal closed the connection while we were still sending; what counts is that the server lives.
        answer = None
    if answer is not None:
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "payload_too_large"
    assert httpx.get(f"{live_server.url}/fault/v1/files/after").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [b"X-Long: " + b"a" * 400_000 + b"\r\n", b"".join(b"X-%d: %s\r\n" % (n, b"b" * 60) for n in range(8000))],
    ids=["one long header", "thousands of headers"],
)
def test_a_header_bomb_is_431_and_the_server_goes_on(live_server: LiveServer, headers: bytes) -> None:
    status, body = raw(live_server, b"GET /health HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
    assert status == 431
    assert (body["ok"], body["error"]["code"], body["error"]["status"]) == (
        False,
        "request_header_fields_too_large",
        431,
    )
    assert httpx.get(f"{live_server.url}/fault/v1/files/after").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        b"/fault/v1/files/%2e%2e/echo",
        b"/fault/v1/files/%2e%2e%2f%2e%2e%2f_admin%2fversion",
        b"/fault/v1/files/..%2f..%2f_admin%2fversion",
        b"/fault/v1/files/../../_admin/version",
        b"/fault/v1/%2e%2e/%2e%2e/_admin/version",
    ],
)
def test_dots_in_a_path_reach_nothing_else(live_server: LiveServer, path: bytes) -> None:
    status, body = raw(live_server, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status in (200, 400, 404)
    assert "reactor_server" not in body, "the path was walked up to another route"
    if status == 200:
        assert set(body) == {"name"}, "at most the one route that takes any name answers"


def test_a_forged_forwarded_header_from_a_stranger_changes_nothing(kernel: Any) -> None:
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        value = "for=127.0.0.1" if header == "Forwarded" else "127.0.0.1"
        with client_from(kernel, "203.0.113.9") as client:
            assert client.get("/fault/v1/echo", headers={header: value}).json() == {
                "address": "203.0.113.9",
                "loopback": False,
            }
            answer = client.get("/fault/v1/admin", headers={header: value, "Authorization": f"Bearer {ADMIN_TOKEN}"})
            assert error_of(answer) == {
                "code": "forbidden",
                "message": "admin access restricted to loopback",
                "hint": "call from the server itself, or set [admin] allow_remote = true",
                "status": 403,
            }


def test_behind_a_trusted_proxy_the_callers_own_forgery_is_not_believed(kernel: Any) -> None:
    """The proxy appends what it saw; what the caller wrote stands to the left of it."""
    with client_from(kernel, "127.0.0.1") as client:
        forged = {"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}
        assert client.get("/fault/v1/echo", headers=forged).json()["address"] == "203.0.113.9"
        answer = client.get("/fault/v1/admin", headers={**forged, "Authorization": f"Bearer {ADMIN_TOKEN}"})
        assert answer.status_code == 403


def test_junk_in_a_forwarded_header_is_not_loopback(kernel: Any) -> None:
    with client_from(kernel, "127.0.0.1") as client:
        answer = client.get(
            "/fault/v1/admin", headers={"X-Forwarded-For": "junk", "Authorization": f"Bearer {ADMIN_TOKEN}"}
        )
        assert answer.status_code == 403


@pytest.mark.parametrize("token", ["", "wrong", "vault:admin", "env:ADMIN", ADMIN_TOKEN + "x", ADMIN_TOKEN[:-1]])
def test_only_the_whole_admin_token_opens_admin_routes(client: httpx.Client, token: str) -> None:
    answer = client.get("/fault/v1/admin", headers={"Authorization": f"Bearer {token}"} if token else {})
    assert answer.status_code == 401
    assert error_of(answer)["code"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_admin_token_opens_no_user_route(client: httpx.Client) -> None:
    answer = client.get("/fault/v1/user", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("sent", ["a b", "x" * 129, "", "a\tb"])
def test_an_unusable_request_id_is_replaced(client: httpx.Client, sent: str) -> None:
    answer = client.get("/health", headers={"X-Request-Id": sent})
    assert answer.headers["X-Request-Id"] != sent
    assert len(answer.headers["X-Request-Id"]) == 36


def test_a_usable_request_id_is_echoed_also_on_errors(client: httpx.Client) -> None:
    answer = client.get("/nowhere", headers={"X-Request-Id": "abc-123"})
    assert answer.headers["X-Request-Id"] == "abc-123"
    assert answer.json()["error"]["request_id"] == "abc-123"


def client_from(kernel: Any, address: str) -> httpx.Client:
    transport = httpx.WSGITransport(app=kernel.app, remote_addr=address)
    return httpx.Client(transport=transport, base_url="http://reactor.test")


def raw(server: LiveServer, request: bytes) -> tuple[int, dict[str, Any]]:
    """Send bytes as they are; return status and JSON body of the answer."""
    with socket.create_connection(server.address, timeout=20) as connection:
        # Refused while sending: the answer is still there to read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        received = b""
        while True:
            try:
                block = connection.recv(65536)
            except ConnectionResetError:
                break
            received += block
            head, _, body = received.partition(b"\r\n\r\n")
            if not block or (body and _complete(head, body)):
                break
    assert received, "the connection was closed without an answer"
    return int(received.split(b" ", 2)[1]), json.loads(body)


def _complete(head: bytes, body: bytes) -> bool:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False
