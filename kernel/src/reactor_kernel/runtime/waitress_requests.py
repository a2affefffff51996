"""Waitress' parser and tasks with Reactor's limits and its error envelope.

Waitress ships no types, hence the ignored `misc` on each subclass.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from waitress import utilities
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask

from reactor_kernel.runtime import refusal
from reactor_kernel.runtime.refusal import HeadersFor, LimitFor, Refusal

# Waitress capitalizes names of headers, which mean the same in any case; but S3's clients hand on what follows `x-amz-meta-` as
# it came.
_USER_METADATA = re.compile(rb"(?<=\r\n)X-Amz-Meta-[^:\r\n]*")
# A chunk-size line or a trailer is a few bytes; waitress itself would collect either without end.
_MAX_CHUNK_CONTROL = 8192


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """What one request may cost. The first four names are those waitress' parser reads from its adjustments."""

    max_request_header_size: int
    max_request_body_size: int
    inbuf_overflow: int
    url_scheme: str
    limit_for: LimitFor
    cross_origin_headers: HeadersFor
    header_timeout: float
    body_grace: float
    body_bytes_per_second: int


class RefusalError:
    """A `Refusal` in the shape that waitress' error task asks for."""

    def __init__(self, refused: Refusal, request_id: str | None, cross_origin: Sequence[tuple[str, str]] = ()) -> None:
        self.refused = refused
        self.request_id = request_id
        self.cross_origin = cross_origin
        self.code = refused.status
        self.body = refused.message

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Render the envelope."""
        status, headers, body = self.refused.render(self.request_id, self.cross_origin)
        # The task writes Content-Length itself from the body it is given.
        return status, [pair for pair in headers if pair[0] != "Content-Length"], body


class LimitedParser(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a body over its route's limit as soon as the headers, or one chunk too many, have arrived."""

    chunked: bool
    error: Any

    def __init__(self, limits: ParserLimits) -> None:
        super().__init__(limits)
        self.limits = limits
        self.started = time.monotonic()
        self.body_limit = limits.max_request_body_size

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head, then learn the route's body limit from it."""
        try:
            super().parse_header(header_plus)
        except ValueError:
            # A length of more than 4300 digits, or an address that is no URL: waitress would drop the connection.
            raise ParsingError("the address or Content-Length is invalid") from None
        if "TRANSFER_ENCODING" in self.headers:
            # Waitress reads it in HTTP/1.1 only; in any other version the body would be taken for the next request.
            raise ParsingError("Transfer-Encoding belongs to HTTP/1.1")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding exclude each other")
        if self.body_rcv is None:
            # Having said "continue", waitress would wait for a body that does not come (boto3 expects so for empty objects).
            self.expect_continue = False
        else:
            self.body_limit = self.limits.limit_for(self.command, self._read_path())
        # Waitress refuses a length equal to its maximum, and counts chunk framing as body; `received` counts
        # chunked bodies itself, so its own check must not come first.
        highest = self.body_limit + 1 if not self.chunked else 1 << 62
        self.adj = replace(self.limits, max_request_body_size=highest)

    def received(self, data: bytes) -> int:
        """Take bytes from the socket; `error` is set and `completed` true once the request is refused."""
        consumed = int(super().received(data))
        if self.chunked and self.body_rcv is not None and self.error is None:
            receiver = self.body_rcv
            if len(receiver) > self.body_limit:
                self.refuse(refusal.payload_too_large(self.body_limit))
            elif len(receiver.control_line) > _MAX_CHUNK_CONTROL or len(receiver.trailer) > _MAX_CHUNK_CONTROL:
                self.refuse(refusal.malformed("a chunk's size line or the trailer is too long"))
        if self.error is not None and not isinstance(self.error, RefusalError):
            self.refuse(self._translate(self.error))
        return consumed

    def refuse(self, refused: Refusal) -> None:
        """End this request with an error answer."""
        self.error = self.refused(refused)
        self.completed = True
        self.expect_continue = False
        # Before its head is parsed a request counts as HTTP/1.0 here.
        self.version = "1.1"

    def refused(self, refused: Refusal) -> RefusalError:
        """Return a refusal as this request's answer."""
        # Of a head that broke off or could not be read, the path is not known, and it decides who may read the answer.
        known = hasattr(self, "path")
        headers = self.limits.cross_origin_headers(self._read_path(), self.headers.get("ORIGIN")) if known else ()
        return RefusalError(refused, self.headers.get("X_REQUEST_ID"), headers)

    def _read_path(self) -> str:
        path = self.path
        return refusal.read_path("/" + path.lstrip("/") if path.startswith("/") else path)

    def is_overdue(self, now: float) -> bool:
        """Tell whether the client is slower than any honest one."""
        elapsed = now - self.started
        if not self.headers_finished:
            return elapsed > self.limits.header_timeout
        allowance = elapsed - self.limits.body_grace
        return allowance > 0 and self.body_bytes_received < allowance * self.limits.body_bytes_per_second

    def _translate(self, error: Any) -> Refusal:
        if isinstance(error, utilities.RequestEntityTooLarge):
            return refusal.payload_too_large(self.body_limit)
        if isinstance(error, utilities.RequestHeaderFieldsTooLarge):
            return refusal.headers_too_large(self.limits.max_request_header_size)
        if isinstance(error, utilities.ServerNotImplemented):
            return refusal.not_implemented(error.body)
        if isinstance(error, utilities.BadRequest):
            return refusal.malformed(error.body)
        return refusal.internal_error()


class DrainingTask(WSGITask):  # type: ignore[misc]
    """Tells keep-alive clients to go once the server drains."""

    def build_response_header(self) -> bytes:
        """Add `Connection: close` while draining."""
        if self.channel.server.draining:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        if self.request.command == "HEAD":
            # The last chunk is body too, and there is none (RFC 9112 §6.3).
            self.chunked_response = False
        if b"\r\nX-Amz-Meta-" in header:
            header = _USER_METADATA.sub(lambda found: found.group().lower(), header)
        return header

    def write(self, data: bytes) -> None:
        """Send the head together with the first bytes of the body: one system call and one packet less."""
        if self.wrote_header or not data:
            super().write(data)
            return
        with self.channel.corked():
            super().write(data)


class EnvelopeErrorTask(ErrorTask):  # type: ignore[misc]
    """Writes waitress' own 500 in the envelope too."""

    def execute(self) -> None:
        """Write the error and close after it."""
        if not isinstance(self.request.error, RefusalError):
            self.request.error = self.request.refused(refusal.internal_error())
        super().execute()


class QuietDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """The thread pool, without a log line for each request that waits for a thread."""

    def add_task(self, task: Any) -> None:
        """Queue a channel whose next request is complete."""
        with self.lock:
            self.queue.append(task)
            self.queue_cv.notify()

    def is_idle(self) -> bool:
        """Tell whether nothing runs and nothing waits."""
        with self.lock:
            return not self.queue and self.active_count == 0
