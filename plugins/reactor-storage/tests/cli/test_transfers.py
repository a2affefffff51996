"""Transfers over connections that break, to a server that is busy, and of contents that are spoilt on their way."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from .conftest import Tool

MIB = 1024 * 1024
CONTENT = os.urandom(300_000)


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


@dataclass
class Faulty:
    """A server of one object; what it does wrong with the next requests stands in `faults`."""

    url: str = ""
    content: bytes = CONTENT
    etag: str = etag(CONTENT)
    faults: list[str] = field(default_factory=list)
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    parts: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    told = Faulty()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.seen.append((self.command, self.headers.get("Range")))
            fault = told.faults.pop(0) if told.faults else ""
            if fault.isdigit():
                self._say(int(fault), {})
                return
            if fault == "replace":
                told.content, told.etag = b"new", etag(b"new")
            if self.headers.get("If-Match") not in (None, told.etag):
                self._say(412, {"code": "precondition_failed", "message": "If-Match does not hold"})
                return
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            body = told.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("ETag", told.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: 100_000 if fault == "cut" else None])
            self.close_connection = True

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number = self.path.partition("part_number=")[2]
            told.seen.append((self.command, number or None))
            fault = told.faults.pop(0) if told.faults else ""
            if fault == "spoilt":
                self._say(400, {"code": "checksum_mismatch", "message": "it is another"})
            elif fault.isdigit():
                self._say(int(fault), {})
            else:
                told.parts[number] = body
                self._say(200, {}, {"etag": etag(b"something else" if fault == "other" else body)})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            told.seen.append((self.command, None))
            if "complete" not in self.path:
                self._say(200, {}, {"upload_id": "u-1"})
                return
            told.content = b"".join(told.parts[number] for number in sorted(told.parts, key=int))
            told.etag = etag(told.content)
            if told.faults:
                # It is done, but the answer is lost, and the upload is not there any more.
                fault = told.faults.pop(0)
                self._say(int(fault), {"code": "multipart_not_found", "message": "there is no such upload"})
                return
            self._say(200, {}, {"etag": told.etag})

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("ETag", told.etag)
            self.end_headers()

        def do_DELETE(self) -> None:
            told.seen.append((self.command, None))
            self.send_response(204)
            self.end_headers()

        def _say(self, status: int, error: dict[str, str], document: Any = None) -> None:
            body = json.dumps(document or {"ok": False, "error": error}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield told
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def tool(faulty: Faulty, tmp_path: Any) -> Tool:
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
    environ |= {"REACTOR_HOME": str(tmp_path / "home"), "REACTOR_URL": faulty.url, "REACTOR_TOKEN": "token"}
    return Tool(directory, environ)


def test_a_download_goes_on_where_the_connection_broke(tool: Tool, faulty: Faulty) -> None:
    faulty.faults = ["503", "cut", "cut"]
    assert tool("cp", "storage://docs/a", "a").data["copied"][0]["etag"] == etag(CONTENT)
    assert (tool.directory / "a").read_bytes() == CONTENT
    assert [asked for _, asked in faulty.seen[1:]] == [None, "bytes=100000-", "bytes=200000-"]
    faulty.faults = ["cut"]
    assert tool("cp", "storage://docs/a", "-").out == CONTENT


def test_an_object_that_is_replaced_meanwhile_is_read_anew(tool: Tool, faulty: Faulty) -> None:
    faulty.faults = ["cut", "replace"]
    assert tool("cp", "storage://docs/a", "a").data["bytes"] == 3
    assert (tool.directory / "a").read_bytes() == b"new"
    faulty.content, faulty.etag, faulty.faults = CONTENT, etag(CONTENT), ["cut", "replace"]
    done = tool("cp", "storage://docs/a", "-")
    assert done.code == 5
    assert b"storage://docs/a was replaced while it was read" in done.out[100_000:]


def test_a_content_that_is_not_what_its_etag_says_is_not_kept(tool: Tool, faulty: Faulty) -> None:
    faulty.etag = etag(b"another")
    done = tool("cp", "storage://docs/a", "a")
    assert (done.code, done.error["code"]) == (5, "SERVER_ERROR")
    assert done.error["message"] == (
        f"storage://docs/a has the ETag {etag(b'another')}, but what came has {etag(CONTENT)}"
    )
    assert list(tool.directory.iterdir()) == []
    faulty.faults = ["other"]
    done = tool("cp", "-", "storage://docs/b", stdin=b"b")
    assert done.error["message"] == (
        f"storage://docs/b has the ETag {etag(b'something else')}, but {etag(b'b')} was sent"
    )


def test_parts_that_fail_are_sent_again(tool: Tool, faulty: Faulty) -> None:
    content = os.urandom(11 * MIB)
    faulty.faults = ["503", "spoilt", "", "429", "", "", "404"]
    made = tool("cp", "-", "storage://docs/b", "--part-size", "5", "--jobs", "1", stdin=content).data["copied"][0]
    assert (made["etag"], faulty.content == content) == (etag(content), True)
    assert [number for method, number in faulty.seen if method == "PUT"] == ["1", "1", "1", "2", "2", "3"]
    assert ("DELETE", None) not in faulty.seen


def test_an_upload_in_parts_that_fails_for_good_is_dropped(tool: Tool, faulty: Faulty) -> None:
    faulty.faults = ["403"]
    done = tool("cp", "-", "storage://docs/b", "--part-size", "5", stdin=bytes(11 * MIB))
    assert (done.code, done.error["code"], done.error["details"]["status"]) == (3, "PERMISSION_DENIED", 403)
    assert faulty.seen[-1] == ("DELETE", None)
