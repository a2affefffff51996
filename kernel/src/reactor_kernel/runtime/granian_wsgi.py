"""The WSGI side of granian: one call per request on one of its Python threads.

Granian's own adapter is not used because it copies the process environment, secrets included, into every request, and
because its input object leaves chunked bodies without a length and loses newlines in `readline`.
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from reactor_kernel.contributions import ServeRequest
from reactor_kernel.errors import Unavailable
from reactor_kernel.runtime import refusal
from reactor_kernel.runtime.refusal import Refusal

LOG = logging.getLogger("reactor_kernel.engine")

_BLOCK = 65536
_SPOOL_IN_MEMORY = 524288
_DISCARD_BYTES = 16 * 1024 * 1024
_DISCARD_SECS = 5.0
_GATE_WAIT_SECS = 0.25
_LENGTH_DIGITS = 20


class UploadsSaturated(Unavailable):
    """Half of the threads already wait for request bodies."""


class BodyGate:
    """Lets only half of the threads wait for request bodies at a time.

    Granian reads a body on the thread that runs the application, without a timeout. Clients that dribble theirs could
    otherwise hold every thread; this way they only hold up other uploads.
    """

    def __init__(self, threads: int) -> None:
        self._places = threading.BoundedSemaphore(max(1, threads // 2))

    def read(self, source: Any, size: int) -> bytes:
        """Read up to `size` bytes. Raises UploadsSaturated when half of the threads already wait."""
        if not self._places.acquire(timeout=_GATE_WAIT_SECS):
            refused = refusal.uploads_saturated()
            raise UploadsSaturated(refused.message, headers=dict(refused.headers))
        try:
            return bytes(source.read(size))
        finally:
            self._places.release()


class _GatedInput(io.RawIOBase):
    """Granian's input object as a raw stream; `io.BufferedReader` around it gives correct lines."""

    def __init__(self, source: Any, gate: BodyGate, length: int) -> None:
        super().__init__()
        self._source = source
        self._gate = gate
        self.left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._gate.read(self._source, len(buffer))
        buffer[: len(data)] = data
        self.left -= len(data)
        return len(data)


class _Started:
    """What the application passed to `start_response`."""

    __slots__ = ("headers", "status", "written")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.written: list[bytes] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if self.status and exc_info is None:
            raise AssertionError("start_response called a second time without exc_info")
        self.status = int(status[:3])
        self.headers = list(headers)
        return self.written.append


class _Chunks:
    """The response iterator as granian drives it; closes the application's exactly once."""

    def __init__(self, head: list[bytes], rest: Iterator[bytes], close: Callable[[], None]) -> None:
        self._head = head
        self._rest = rest
        self._close = close
        self._closed = False

    def __next__(self) -> bytes:
        while self._head:
            if chunk := self._head.pop(0):
                return chunk
        # An empty chunk ends a chunked response, so it must not reach the wire.
        while not (chunk := next(self._rest)):
            pass
        return chunk

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._close()


class Adapter:
    """Runs the application for granian: `adapter(protocol, environ)`."""

    def __init__(self, request: ServeRequest) -> None:
        self.app = request.app
        self.limit_for = request.body_limit_for
        self.cross_origin_headers = request.cross_origin_headers
        self.gate = BodyGate(request.threads)
        self.max_header_bytes: int = request.options.get("max_header_bytes", 65536)
        self._lock = threading.Lock()
        self._running = 0
        self._base = {
            "SCRIPT_NAME": "",
            "SERVER_SOFTWARE": "",
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
            "wsgi.multiprocess": False,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }

    def running(self) -> int:
        """Return how many requests are being answered."""
        return self._running

    def __call__(self, proto: Any, environ: dict[str, Any]) -> None:
        """Answer one request."""
        with self._lock:
            self._running += 1
        try:
            self._answer(proto, environ)
        finally:
            with self._lock:
                self._running -= 1

    def _answer(self, proto: Any, environ: dict[str, Any]) -> None:
        environ.update(self._base)
        if not environ["PATH_INFO"].startswith("/"):
            environ["PATH_INFO"] = "/" + environ["PATH_INFO"]
        elif environ["PATH_INFO"].startswith("//"):
            environ["PATH_INFO"] = "/" + environ["PATH_INFO"].lstrip("/")
        if environ["SERVER_PROTOCOL"] == "HTTP/1":
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        if not environ.get("HTTP_HOST"):
            environ.pop("HTTP_HOST", None)
        source, body = environ["wsgi.input"], None
        # The HTTP layer only checks its buffer between reads, so heads of several times the limit come through.
        if sum(len(value) for value in environ.values() if type(value) is str) > self.max_header_bytes:
            refused: Refusal | None = refusal.headers_too_large(self.max_header_bytes)
        else:
            try:
                body, refused = self._take_body(environ, source)
            except UploadsSaturated:
                refused = refusal.uploads_saturated()
        if refused is not None:
            self._refuse(proto, environ, refused)
            self._discard(source)
            return
        started = _Started()
        try:
            answer = self.app(environ, started)
        except UploadsSaturated:
            self._refuse(proto, environ, refusal.uploads_saturated())
            return
        except Exception:
            LOG.exception("the application raised")
            self._refuse(proto, environ, refusal.internal_error())
            return
        self._send(proto, environ, started, answer)
        # Who waits to be told to continue sends nothing once it has its answer.
        if body is not None and body.left > 0 and "HTTP_EXPECT" not in environ:
            self._discard(source)

    # -- request body ---------------------------------------------------------------------------------------------

    def _take_body(self, environ: dict[str, Any], source: Any) -> tuple[_GatedInput | None, Refusal | None]:
        """Put a readable body of known length into the environment, or say why not; return what is read from the client."""
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
        length = environ.get("CONTENT_LENGTH")
        if not chunked and length in (None, "", "0"):
            environ["wsgi.input"] = io.BytesIO()
            return None, None
        limit = self.limit_for(environ["REQUEST_METHOD"], refusal.read_path(environ["PATH_INFO"]))
        if chunked:
            return None, self._spool(environ, source, limit)
        # Python reads no number of more than 4300 digits, leading zeros included.
        if not str(length).isdigit() or len(str(length)) > _LENGTH_DIGITS:
            return None, refusal.malformed("Content-Length is invalid")
        if int(str(length)) > limit:
            return None, refusal.payload_too_large(limit)
        body = _GatedInput(source, self.gate, int(str(length)))
        environ["wsgi.input"] = io.BufferedReader(body, _BLOCK)
        return body, None

    def _spool(self, environ: dict[str, Any], source: Any, limit: int) -> Refusal | None:
        """Receive a chunked body up to its limit; WSGI applications rely on a Content-Length."""
        spool = tempfile.SpooledTemporaryFile(_SPOOL_IN_MEMORY)  # noqa: SIM115 - closed by garbage collection, after the response
        received = 0
        while block := self.gate.read(source, min(_BLOCK, limit - received + 1)):
            received += len(block)
            if received > limit:
                spool.close()
                return refusal.payload_too_large(limit)
            spool.write(block)
        spool.seek(0)
        environ["wsgi.input"] = spool
        environ["CONTENT_LENGTH"] = str(received)
        # Granian takes chunks that break off for a body that ended, and does not tell: who keeps contents must not believe it.
        environ["reactor.body_end_unseen"] = True
        return None

    def _discard(self, source: Any) -> None:
        """Read some of a body nobody wants, so that the connection is not reset before the client read why."""
        discarded, ends = 0, time.monotonic() + _DISCARD_SECS
        while discarded < _DISCARD_BYTES and time.monotonic() < ends:
            try:
                block = self.gate.read(source, _BLOCK)
            except UploadsSaturated:
                return
            if not block:
                return
            discarded += len(block)

    # -- response -------------------------------------------------------------------------------------------------

    def _refuse(self, proto: Any, environ: dict[str, Any], refused: Refusal) -> None:
        path, origin = refusal.read_path(environ["PATH_INFO"]), environ.get("HTTP_ORIGIN")
        more = self.cross_origin_headers(path, origin)
        status, headers, body = refused.render(environ.get("HTTP_X_REQUEST_ID"), more)
        headers.append(("Connection", "close"))
        proto.response_bytes(int(status[:3]), headers, body)

    def _send(self, proto: Any, environ: dict[str, Any], started: _Started, answer: Any) -> None:
        close = getattr(answer, "close", lambda: None)
        if isinstance(answer, list | tuple):
            try:
                proto.response_bytes(started.status, started.headers, b"".join([*started.written, *answer]))
            finally:
                close()
            return
        chunks = _Chunks(started.written, iter(()), close)
        try:
            rest = iter(answer)
            if not started.status:
                # A generator application calls start_response on its first step.
                first = next(rest, b"")
                started.written.append(first)
            chunks._rest = rest
            proto.response_iter(started.status, started.headers, chunks)
        except Exception:
            LOG.exception("the application raised")
            self._refuse(proto, environ, refusal.internal_error())
        finally:
            chunks.close()
