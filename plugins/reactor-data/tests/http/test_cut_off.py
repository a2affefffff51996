"""Bodies that break off on their way, sent byte for byte to both engines: what is written is what was sent, or nothing."""

from __future__ import annotations

import http.client
import importlib.util
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.runtime.engines import GRANIAN, WAITRESS
from reactor_kernel.testing import live

from .conftest import SCHEMA

FUNCTIONS = """
create table noted (what text) with (rls = false);
create function note(text) returns void language sql as 'insert into noted values ($1)';
create function note_named(what text) returns void language sql as 'insert into noted values ($1)';
create function note_number(json) returns void language sql as 'insert into noted values ($1::text)';
create function note_nothing() returns void language sql as 'insert into noted values (null)';
"""
CSV, FORM, TEXT, JSON = "text/csv", "application/x-www-form-urlencoded", "text/plain", "application/json"
# Each is valid wherever it ends behind the part before the bar.
BODIES = {
    "rows of csv": ("todos", CSV, b"title,n\na,1\n|b,2\n"),
    "last field of csv": ("todos", CSV, b"title,n\na,1|2\n"),
    "form": ("todos", FORM, b"title=a|bc"),
    "text": ("rpc/note", TEXT, b"a|bc"),
    "arguments of csv": ("rpc/note_named", CSV, b"what\na|bc\n"),
    "number": ("rpc/note_number", JSON, b"12|34"),
    "nothing": ("rpc/note_nothing", JSON, b"|{}"),
}
WHOLE = {
    "array": ("todos", JSON, b' [{"title": "a"}, {"title": "b"}]\n'),
    "object": ("todos", JSON, b'{"title": "a"}'),
    "no arguments": ("rpc/note_nothing", JSON, b"{}"),
    "text in json": ("rpc/note_number", JSON, b'"a"'),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "served"
    (root / "migrations").mkdir(parents=True)
    (root / "migrations" / "001_schema.sql").write_text(SCHEMA + FUNCTIONS, encoding="utf-8")
    return root


@pytest.fixture(params=["waitress", "granian"])
def engine(request: pytest.FixtureRequest) -> Any:
    if request.param == "granian" and importlib.util.find_spec("granian") is None:
        pytest.skip("granian is not installed")
    return {"waitress": WAITRESS, "granian": GRANIAN}[request.param]


@pytest.fixture
def address(kernel: Any, engine: Any) -> Iterator[tuple[str, int]]:
    with live(kernel, engine=engine) as server:
        yield server.address


@pytest.fixture
def written(rows: Callable[[str], Any]) -> Callable[[], int]:
    """Count what requests wrote."""

    def count() -> int:
        [(found,)] = rows("select (select count(*) from todos) + (select count(*) from noted)")
        return int(found)

    return count


def post(
    address: tuple[str, int], ann: Any, path: str, media: str, framing: str, body: bytes, *, broken: bool = False
) -> tuple[int, Any]:
    """Send a request, and nothing after it where that is `broken`; return status and document, 0 where none came."""
    lines = {"Host": "reactor.test", "Content-Type": media, **ann.headers}
    head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(f"POST /data/v1/{path} HTTP/1.1\r\n{head}{framing}\r\n\r\n".encode() + body)
        if broken:
            connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection, method="POST")
        try:
            answer.begin()
        except http.client.RemoteDisconnected:
            return 0, None
        content = answer.read()
        return answer.status, json.loads(content) if content else None


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_cut_off_is_not_written(
    address: tuple[str, int], ann: Any, engine: Any, written: Callable[[], int], name: str
) -> None:
    path, media, body = BODIES[name]
    first, _, rest = body.partition(b"|")
    # Announced and not sent; chunks without the last one; in the middle of one.
    whole = first + rest
    status, answer = post(address, ann, path, media, f"Content-Length: {len(whole)}", first, broken=True)
    assert status in (0, 400), answer
    if status and first and engine.name == "granian":
        assert answer["message"] == f"the request body ended after {len(first)} of {len(whole)} bytes"
    for sent in (chunk(first), chunk(first) + b"%x\r\n" % len(rest), chunk(first) + b"0\r\n"):
        status, answer = post(address, ann, path, media, CHUNKED, sent, broken=True)
        assert status in (0, 400, 411), answer
    assert written() == 0


@pytest.mark.parametrize("name", BODIES)
def test_chunks_whose_end_cannot_be_seen(
    address: tuple[str, int], ann: Any, engine: Any, written: Callable[[], int], name: str
) -> None:
    path, media, body = BODIES[name]
    whole = body.replace(b"|", b"") if name != "nothing" else b""
    status, answer = post(address, ann, path, media, CHUNKED, chunk(whole) + b"0\r\n\r\n")
    if engine.name == "waitress":
        assert status in (201, 204), answer
        assert written() > 0
        return
    assert (status, written()) == (411, 0)
    message = "the server cannot tell whether a body in chunks is complete"
    hint = "Send Content-Length, or JSON, which shows where it ends."
    assert {name: answer[name] for name in ("code", "message", "details", "hint")} == {
        "code": "length_required",
        "message": message,
        "details": None,
        "hint": hint,
    }
    assert (answer["error"]["code"], answer["error"]["message"]) == ("length_required", message)
    status, answer = post(address, ann, path, media, f"Content-Length: {len(whole)}", whole)
    assert status in (201, 204), answer
    assert written() > 0


@pytest.mark.parametrize("name", WHOLE)
def test_json_in_chunks_is_taken_once_it_is_whole(
    address: tuple[str, int], ann: Any, written: Callable[[], int], name: str
) -> None:
    path, media, body = WHOLE[name]
    cut = body.rstrip()[:-1]
    for sent in (chunk(cut), chunk(cut) + b"0\r\n"):
        status, answer = post(address, ann, path, media, CHUNKED, sent, broken=True)
        assert status in (0, 400), answer
    assert written() == 0
    status, answer = post(address, ann, path, media, CHUNKED, chunk(body) + b"0\r\n\r\n")
    assert status in (201, 204), answer
    assert written() == body.count(b"title") or written() == 1


def test_parts_of_a_batch_in_chunks_are_whole(address: tuple[str, int], ann: Any, written: Callable[[], int]) -> None:
    part = {
        "id": "a",
        "method": "POST",
        "path": "/data/v1/todos",
        "headers": {"Content-Type": CSV},
        "body": "title\na\nb\n",
    }
    body = json.dumps({"requests": [part]}).encode()
    status, answer = post(address, ann, "_batch", JSON, CHUNKED, chunk(body) + b"0\r\n\r\n")
    assert (status, answer["results"][0]["status"]) == (200, 201)
    assert written() == 2
