"""What an engine refuses before the application sees it can be read by the scripts that may read the application's answers."""

from __future__ import annotations

import http.client
import importlib.util
import json
import socket
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest

from reactor_kernel.config.model import CorsConfig, ServerConfig
from reactor_kernel.contributions import Access, MethodRule, Mount
from reactor_kernel.runtime.engines import GRANIAN, WAITRESS

APP, OTHER = "https://app.example.com", "https://other.example.com"
TOO_LARGE = "the request body is larger than the 100 bytes this route accepts"
NAMES = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary")


class Upload:
    def on_post(self, req: Any, resp: Any) -> None:
        resp.media = {"received": len(req.bounded_stream.read())}


def mount(path: str, **more: Any) -> Mount:
    return Mount(path, Upload(), access=Access.PUBLIC, methods={"POST": MethodRule(body_limit=100)}, **more)


MOUNTS = (mount("/shop/v1/plain"), mount("/shop/v1/exposing", exposes=("ETag", "X-Total")))


@pytest.fixture(params=["waitress", "granian"])
def engine(request: pytest.FixtureRequest) -> Any:
    if request.param == "granian" and importlib.util.find_spec("granian") is None:
        pytest.skip("granian is not installed")
    return {"waitress": WAITRESS, "granian": GRANIAN}[request.param]


@pytest.fixture
def shop(serve: Callable[..., Any], engine: Any) -> Callable[..., Any]:
    """Serve the routes on the engine; keyword arguments are `[server.cors]`."""
    return lambda **cors: serve(*MOUNTS, engine=engine, server=ServerConfig(cors=CorsConfig(**cors)))


def send(
    served: Any, path: str, origin: str | None, framing: str = "Content-Length: 200", body: bytes = b"x" * 200
) -> Any:
    """Post bytes as they are; return status, headers and document of the answer."""
    head = f"POST {path} HTTP/1.1\r\nHost: reactor.test\r\n{framing}\r\n"
    head += "" if origin is None else f"Origin: {origin}\r\n"
    with socket.create_connection(served.address, timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n" + body)
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        return answer.status, answer.headers, json.loads(answer.read())


def cors_of(headers: Message) -> dict[str, str]:
    return {name: str(headers[name]) for name in NAMES if name in headers}


def refused(
    answer: Any, status: int = 413, code: str = "payload_too_large", message: str = TOO_LARGE
) -> dict[str, str]:
    """Check a refusal; return its CORS headers."""
    found, headers, document = answer
    rid = headers["X-Request-Id"]
    error = {"code": code, "message": message, "status": status, "request_id": rid}
    assert (found, document) == (status, {"ok": False, "error": error})
    return cors_of(headers)


CHUNKED = ("Transfer-Encoding: chunked", b"c8\r\n" + b"x" * 200 + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("framing", [(), CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "cors", [{"allow_origins": (APP,)}, {"allow_origins": (APP,), "allow_credentials": True}, {"allow_origins": ("*",)}]
)
def test_a_body_that_is_too_large_is_refused_as_the_application_would_answer(
    shop: Callable[..., Any], cors: dict[str, Any], framing: Any
) -> None:
    served = shop(**cors)
    for path in ("/shop/v1/plain", "/shop/v1/exposing", "//shop/v1/exposing"):
        status, headers, _ = send(served, path, APP, "Content-Length: 20", b"x" * 20)
        assert status == 200
        found = refused(send(served, path, APP, *framing))
        assert found == cors_of(headers)
        assert found["Access-Control-Allow-Origin"] in (APP, "*")
    assert {"ETag", "X-Total"} <= set(found["Access-Control-Expose-Headers"].split(", "))


@pytest.mark.parametrize("framing", [(), CHUNKED], ids=["length", "chunked"])
def test_other_origins_and_no_browser_get_none(shop: Callable[..., Any], framing: Any) -> None:
    served = shop(allow_origins=(APP,))
    assert refused(send(served, "/shop/v1/plain", OTHER, *framing)) == {"Vary": "Origin"}
    assert refused(send(served, "/shop/v1/plain", f"{APP}, {OTHER}", *framing)) == {"Vary": "Origin"}
    assert refused(send(served, "/shop/v1/plain", None, *framing)) == {}
    default = TOO_LARGE.replace("100", str(ServerConfig().max_body_bytes))
    for path in ("/_admin/x", "/_ops/v1/x"):
        found = send(served, path, APP, f"Content-Length: {10**9}", b"")
        assert refused(found, message=default) == {}
    status, headers, _ = send(served, "/nowhere", APP, f"Content-Length: {10**9}", b"")
    assert (status, headers["Access-Control-Allow-Origin"]) == (413, APP)


def test_where_cors_is_off_there_is_none(shop: Callable[..., Any]) -> None:
    assert refused(send(shop(), "/shop/v1/plain", APP)) == {}


def test_a_request_that_does_not_arrive_in_time(serve: Callable[..., Any]) -> None:
    served = serve(
        *MOUNTS, engine=WAITRESS, server=ServerConfig(cors=CorsConfig(allow_origins=(APP,))),
        options={"body_grace_secs": 0.1, "cleanup_interval_secs": 0},
    )  # fmt: skip
    answer = send(served, "/shop/v1/plain", APP, "Content-Length: 50", b"x")
    found = refused(answer, 408, "request_timeout", "the request was not received in time")
    assert found["Access-Control-Allow-Origin"] == APP


def test_a_head_whose_path_is_not_known_gets_none(serve: Callable[..., Any]) -> None:
    served = serve(*MOUNTS, engine=WAITRESS, server=ServerConfig(cors=CorsConfig(allow_origins=(APP,))))
    answer = send(served, "/shop/v1/plain", APP, f"Origin: {APP}\r\nBad Name: x", b"")
    assert refused(answer, 400, "bad_request", "the request is not well-formed HTTP: Invalid header") == {}


def test_a_head_that_is_too_large_on_granian(serve: Callable[..., Any]) -> None:
    if importlib.util.find_spec("granian") is None:
        pytest.skip("granian is not installed")
    served = serve(*MOUNTS, engine=GRANIAN, server=ServerConfig(cors=CorsConfig(allow_origins=(APP,))))
    lines = "\r\n".join(f"X-{number}: {'x' * 7000}" for number in range(10))
    answer = send(served, "/shop/v1/plain", APP, lines, b"")
    message = "the request line and headers are larger than 65536 bytes"
    found = refused(answer, 431, "request_header_fields_too_large", message)
    assert found["Access-Control-Allow-Origin"] == APP
