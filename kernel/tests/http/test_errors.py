"""One envelope for every failure, whoever found it."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import falcon
import pytest

from reactor_kernel.config.model import ServerConfig
from reactor_kernel.contributions import Access, ErrorFacts, ErrorMembers, MethodRule, Mount
from reactor_kernel.errors import (
    Conflict,
    DatabaseFault,
    InternalError,
    Kind,
    ReactorError,
    Unavailable,
    ValidationError,
)
from reactor_kernel.http.statuses import STATUS


class Raises:
    """Raises what it is made with; echoes JSON."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def on_get(self, req: Any, resp: Any) -> None:
        resp.set_header("X-Half-Done", "yes")
        resp.media = {"half": "done"}
        raise self.error

    def on_post(self, req: Any, resp: Any) -> None:
        resp.media = {"got": req.get_media()}


def one(serve: Callable[..., Any], error: Exception) -> Any:
    served = serve(Mount("/shop/v1/x", Raises(error), access=Access.PUBLIC))
    return served.client.get("/shop/v1/x", headers={"X-Request-Id": "r-1"})


def test_a_domain_error_shows_all_it_says(serve: Callable[..., Any]) -> None:
    answer = one(
        serve,
        Conflict(
            "the slug acme is taken",
            code="org_slug_exists",
            hint="Choose another.",
            details={"slug": "acme"},
            fields={"slug": ["is taken"]},
            headers={"Retry-After": "3"},
            top_level={"code": "23505"},
        ),
    )
    assert answer.status_code == 409
    assert answer.headers["Retry-After"] == "3"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json() == {
        "ok": False,
        "code": "23505",
        "error": {
            "code": "org_slug_exists",
            "message": "the slug acme is taken",
            "status": 409,
            "request_id": "r-1",
            "hint": "Choose another.",
            "details": {"slug": "acme"},
            "fields": {"slug": ["is taken"]},
        },
    }


def test_an_exact_status_wins_over_the_kind(serve: Callable[..., Any]) -> None:
    assert one(serve, ReactorError("several fit", code="ambiguous", status=300)).status_code == 300


def test_every_kind_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


def test_a_text_that_the_database_cannot_keep_is_the_callers_to_mend(serve: Callable[..., Any]) -> None:
    answer = one(
        serve, DatabaseFault(sqlstate="22P05", primary="unsupported Unicode escape sequence", detail="hunter2")
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_error")
    assert "NUL" in answer.json()["error"]["message"]
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("password=hunter2"),
        DatabaseFault(sqlstate="23505", primary="duplicate key hunter2", detail="hunter2"),
        falcon.HTTPInternalServerError(description="hunter2"),
        KeyError("hunter2"),
    ],
)
def test_a_500_shows_nothing_of_its_cause(serve: Callable[..., Any], error: Exception) -> None:
    answer = one(serve, error)
    assert answer.status_code == 500
    assert answer.json() == {
        "ok": False,
        "error": {
            "code": "internal_error",
            "message": "something went wrong on the server",
            "status": 500,
            "request_id": "r-1",
        },
    }
    assert "hunter2" not in str(answer.headers)


def test_a_bug_is_logged_with_its_traceback(serve: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "reactor_kernel"):
        one(serve, ZeroDivisionError("by zero"))
    [record] = [r for r in caplog.records if r.name == "reactor_kernel" and "ZeroDivisionError" in r.getMessage()]
    assert record.getMessage() == "unhandled ZeroDivisionError in GET /shop/v1/x"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_an_explicit_server_error_keeps_its_words(serve: Callable[..., Any]) -> None:
    assert one(serve, InternalError("mail is off", code="email_disabled")).json()["error"]["code"] == "email_disabled"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (falcon.HTTPNotFound(), 404, "not_found"),
        (falcon.HTTPForbidden(), 403, "forbidden"),
        (falcon.HTTPUnauthorized(), 401, "unauthorized"),
        (falcon.HTTPNotAcceptable(), 406, "not_acceptable"),
        (falcon.HTTPConflict(), 409, "conflict"),
        (falcon.HTTPContentTooLarge(), 413, "payload_too_large"),
        (falcon.HTTPUnsupportedMediaType(description="no"), 415, "unsupported_media_type"),
        (falcon.HTTPTooManyRequests(), 429, "rate_limited"),
        (falcon.HTTPServiceUnavailable(), 503, "unavailable"),
        (falcon.HTTPBadGateway(), 502, "internal_error"),
        (ValidationError("no"), 400, "validation_error"),
    ],
)
def test_falcons_own_errors_wear_the_envelope(
    serve: Callable[..., Any], error: Exception, status: int, code: str
) -> None:
    answer = one(serve, error)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["status"]) == (
        status, code, status,
    )  # fmt: skip


def post(serve: Callable[..., Any], body: bytes, content_type: str = "application/json") -> Any:
    served = serve(Mount("/shop/v1/x", Raises(ValueError()), access=Access.PUBLIC))
    return served.client.post("/shop/v1/x", content=body, headers={"Content-Type": content_type})


def test_malformed_json_says_where(serve: Callable[..., Any]) -> None:
    error = post(serve, b'{"a": }').json()["error"]
    assert (error["status"], error["code"], error["message"]) == (
        400,
        "validation_error",
        "the request body is not valid JSON: JSON is malformed: invalid character (byte 6)",
    )


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'"\\ud800"', b"\x00", b"{} {}", b"nul"])
def test_no_json_is_ever_a_server_error(serve: Callable[..., Any], body: bytes) -> None:
    error = post(serve, body).json()["error"]
    assert (error["status"], error["code"]) == (400, "validation_error")


def test_another_media_type_is_refused(serve: Callable[..., Any]) -> None:
    error = post(serve, b"<a/>", "text/xml").json()["error"]
    assert (error["status"], error["code"]) == (415, "unsupported_media_type")


def test_an_unknown_path_and_an_unanswered_method(serve: Callable[..., Any]) -> None:
    served = serve(Mount("/shop/v1/x", Raises(ValueError()), access=Access.USER))
    missing = served.client.get("/nowhere")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = served.client.delete("/shop/v1/x")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert {method.strip() for method in wrong.headers["Allow"].split(",")} >= {"GET", "POST"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/shop/v1/%2e%2e/%2e%2e/_admin/version", 400),
        (b"/shop/v1/../x", 400),
        (b"/shop/v1/./x", 400),
        (b"/shop/v1/x%00", 400),
        (b"/shop/v1/%ff%fe", 400),
        (b"/shop/v1/..x", 404),
        (b"/shop//v1/x", 404),
        (b"/shop/v1/x/", 404),
        (b"/shop%2Fv1%2Fx", 200),
        (b"/shop/v1/%C3%BC", 404),
        (b"/shop/v1/%", 404),
    ],
)
def test_odd_paths_get_a_clear_answer(serve: Callable[..., Any], path: bytes, status: int) -> None:
    class Plain:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.media = {}

    served = serve(Mount("/shop/v1/x", Plain(), access=Access.PUBLIC))
    answer = served.raw(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status, answer
    assert b"x-request-id:" in head.lower()
    if status != 200:
        assert body.startswith(b'{"ok":false')


class TestRequestIds:
    """§6.1."""

    @pytest.fixture
    def served(self, serve: Callable[..., Any]) -> Any:
        return serve(Mount("/shop/v1/x", Raises(ValueError()), access=Access.PUBLIC))

    @pytest.mark.parametrize("given", ["a", "x" * 128, '"<>{}~!', "0199-anything"])
    def test_a_usable_one_is_kept(self, served: Any, given: str) -> None:
        for path in ("/health", "/nowhere", "/shop/v1/x"):
            answer = served.client.get(path, headers={"X-Request-Id": given})
            assert answer.headers.get_list("X-Request-Id") == [given]
        assert answer.json()["error"]["request_id"] == given

    @pytest.mark.parametrize("given", [b"", b"x" * 129, b"a b", b"\xfc", b"a\tb"])
    def test_any_other_is_replaced_by_a_uuid7(self, served: Any, given: bytes) -> None:
        answer = served.client.get("/shop/v1/x", headers=[(b"X-Request-Id", given)])
        made = answer.headers["X-Request-Id"]
        assert uuid.UUID(made).version == 7
        assert answer.json()["error"]["request_id"] == made


class TestBodyLimits:
    """§6.5."""

    @pytest.fixture
    def served(self, serve: Callable[..., Any]) -> Any:
        return serve(
            Mount("/shop/v1/default", Raises(ValueError()), access=Access.PUBLIC),
            Mount(
                "/shop/v1/large",
                Raises(ValueError()),
                access=Access.PUBLIC,
                body_limit=100,
                methods={"POST": MethodRule(body_limit=5000)},
            ),
            server=ServerConfig(max_body_bytes=2000),
        )

    def test_a_declared_length_over_the_limit_is_refused_unread(self, served: Any) -> None:
        answer = served.raw(
            b"POST /shop/v1/default HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2001\r\n\r\n"
            + b"1" * 2001
        )
        assert answer.startswith(b"HTTP/1.1 413")
        assert b'"code":"payload_too_large"' in answer
        assert b"the request body is larger than the 2000 bytes this route accepts" in answer

    def test_a_body_of_exactly_the_limit_is_read(self, served: Any) -> None:
        body = b'"' + b"1" * 1998 + b'"'
        headers = {"Content-Type": "application/json"}
        assert served.client.post("/shop/v1/default", content=body, headers=headers).status_code == 200

    def test_a_route_and_a_method_have_their_own_limit(self, served: Any) -> None:
        assert served.app.body_limit_for("POST", "/shop/v1/default") == 2000
        assert served.app.body_limit_for("GET", "/shop/v1/large") == 100
        assert served.app.body_limit_for("POST", "/shop/v1/large") == 5000
        assert served.app.body_limit_for("POST", "/nowhere") == 2000
        assert served.client.post("/shop/v1/large", json="1" * 4900).status_code == 200
        assert served.client.post("/shop/v1/large", json="1" * 5000).status_code == 413

    def test_a_chunked_body_is_counted_while_it_is_read(self, served: Any) -> None:
        def endless(blocks: int) -> Any:
            yield b'"'
            for _ in range(blocks):
                yield b"1" * 500
            yield b'"'

        headers = {"Content-Type": "application/json"}
        assert served.client.post("/shop/v1/default", content=endless(3), headers=headers).status_code == 200
        assert served.client.post("/shop/v1/default", content=endless(9), headers=headers).status_code == 413


def test_a_dialect_speaks_for_the_platforms_own_errors_of_its_route(serve: Callable[..., Any]) -> None:
    def dialect(told: ErrorFacts) -> ErrorMembers:
        return ErrorMembers({"other_code": told.status}, {"code": told.code.upper(), "message": told.message})

    own = Conflict("taken", code="own", top_level={"code": "23505"})
    served = serve(
        Mount("/shop/v1/x", Raises(own), access=Access.PUBLIC, body_limit=10, dialect=dialect),
        Mount("/shop/v1/y", Raises(RuntimeError("bug")), access=Access.USER, dialect=dialect),
        Mount("/shop/v1/z", Raises(RuntimeError("bug")), access=Access.USER),
    )
    call = served.client.request
    for method, path, status, code in (
        ("PUT", "x", 405, "method_not_allowed"),
        ("GET", "y", 401, "unauthorized"),
        ("GET", "nowhere/at/all", 404, "not_found"),
    ):
        said = call(method, f"/shop/v1/{path}").json()
        assert (said["error"]["code"], said["error"]["other_code"], said["code"]) == (code, status, code.upper())
        assert said["message"] == said["error"]["message"]
    assert call("GET", "/shop/v1/x").json()["code"] == "23505"
    assert "other_code" not in call("GET", "/shop/v1/x").json()["error"]
    assert "code" not in call("GET", "/shop/v1/z").json()


class Begun:
    """Says all there is to say of contents, and then cannot send them."""

    def __init__(self, fails: Callable[[], None], cache: str) -> None:
        self.closed = 0
        self._fails = fails
        self._cache = cache

    def close(self) -> None:
        self.closed += 1

    def __iter__(self) -> Iterator[bytes]:
        yield b"contents"

    def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type, resp.content_length = "image/png", 8
        resp.set_header("Cache-Control", self._cache)
        for name in ("Content-Encoding", "Content-Range", "Content-Disposition", "ETag", "Last-Modified", "Expires"):
            resp.set_header(name, "gzip")
        resp.set_header("Accept-Ranges", "bytes")
        resp.set_header("X-Own", "stays")
        resp.stream = self
        self._fails()


def _full() -> None:
    raise Unavailable("too many open streams", headers={"Retry-After": "1"})


def _unsupported() -> None:
    raise falcon.HTTPNotImplemented


@pytest.mark.parametrize(
    ("fails", "status", "code"),
    [
        (_full, 503, "unavailable"),
        (_unsupported, 501, "not_implemented"),
        (lambda: 1 / 0, 500, "internal_error"),
        (lambda: time.sleep(0.3), 408, "request_timeout"),
    ],
)
@pytest.mark.parametrize(("cache", "kept"), [("public, max-age=31536000, immutable", None), ("no-store", "no-store")])
def test_an_error_carries_nothing_that_was_said_of_contents(
    serve: Callable[..., Any], fails: Any, status: int, code: str, cache: str, kept: str | None
) -> None:
    begun = Begun(fails, cache)
    answer = serve(Mount("/shop/v1/begun", begun, access=Access.PUBLIC, timeout=0.1)).client.get("/shop/v1/begun")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    said = {*answer.headers} - {"connection", "date", "server", "x-request-id", "retry-after"}
    assert said - {"cache-control"} == {"content-type", "content-length", "x-own"}
    assert answer.headers.get("Cache-Control") == kept
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert begun.closed == 1
