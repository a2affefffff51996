"""A server, or a cache before it, that answers with the whole content whatever part is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reactor_kernel.api import uuid7
from reactor_storage.backends.contract import BackendFailed

CONTENT = b"0123456789"


class Deaf(BaseHTTPRequestHandler):
    """Breaks off the first answer when told to."""

    breaks_off = False

    def do_GET(self) -> None:
        broken, type(self).breaks_off = self.breaks_off, False
        self.send_response(200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:4] if broken else CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def backend(s3_backend: Any) -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Deaf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield s3_backend(endpoint=f"http://127.0.0.1:{server.server_port}", timeout=5)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("start", "length"), [(3, None), (3, 2), (0, 2)])
def test_other_bytes_than_those_that_were_asked_for_are_not_passed_on(
    backend: Any, start: int, length: int | None
) -> None:
    with pytest.raises(BackendFailed, match="S3 answers with other bytes of a content than those that were asked for"):
        b"".join(backend.read(str(uuid7()), start, length))


def test_nor_after_a_connection_that_broke(backend: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(Deaf, "breaks_off", True)
    found: list[bytes] = []
    with pytest.raises(BackendFailed, match="S3 answers with other bytes of a content than those that were asked for"):
        found.extend(backend.read(str(uuid7())))
    assert CONTENT.startswith(b"".join(found))


def test_the_whole_is_read_as_it_is(backend: Any) -> None:
    for length in (None, 10, 99):
        assert b"".join(backend.read(str(uuid7()), 0, length)) == CONTENT
