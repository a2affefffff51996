"""Answers an engine gives itself, before any application code runs, in the one error envelope (kernel.md §6.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from reactor_kernel.ids import uuid7

_VISIBLE = re.compile(r"[\x21-\x7e]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request the engine turns down: over a limit, not well-formed, too slow."""

    status: int
    reason: str
    code: str
    message: str
    hint: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=())

    def render(
        self, request_id: str | None = None, more: Sequence[tuple[str, str]] = ()
    ) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return status line, headers with `more` of them, and body; a request id is minted unless a usable one was sent."""
        rid = request_id if request_id is not None and _VISIBLE.match(request_id) else str(uuid7())
        error: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
            "request_id": rid,
        }
        if self.hint is not None:
            error["hint"] = self.hint
        body = msgspec.json.encode({"ok": False, "error": error})
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("X-Request-Id", rid),
            *self.headers,
            *more,
        ]
        return f"{self.status} {self.reason}", headers, body


def payload_too_large(limit: int) -> Refusal:
    """The body is larger than its route accepts."""
    return Refusal(
        413,
        "Content Too Large",
        "payload_too_large",
        f"the request body is larger than the {limit} bytes this route accepts",
    )


def headers_too_large(limit: int) -> Refusal:
    """Request line and headers together are larger than the engine reads."""
    return Refusal(
        431,
        "Request Header Fields Too Large",
        "request_header_fields_too_large",
        f"the request line and headers are larger than {limit} bytes",
    )


def malformed(detail: str) -> Refusal:
    """The bytes sent are not an HTTP request."""
    # What the parser quotes after this may be the header line itself, with a credential in it.
    return Refusal(
        400, "Bad Request", "bad_request", f"the request is not well-formed HTTP: {detail.split(chr(34))[0].strip()}"
    )


def not_implemented(detail: str) -> Refusal:
    """The request asks for a part of HTTP that is not served."""
    return Refusal(501, "Not Implemented", "not_implemented", detail.rstrip("."))


def too_slow() -> Refusal:
    """The client did not send its request in time."""
    return Refusal(408, "Request Timeout", "request_timeout", "the request was not received in time")


def uploads_saturated() -> Refusal:
    """Too many threads already wait for slow request bodies."""
    return Refusal(
        503,
        "Service Unavailable",
        "unavailable",
        "too many request bodies are being received at the moment",
        headers=(("Retry-After", "1"),),
    )


def internal_error() -> Refusal:
    """The application raised outside of its own error handling."""
    return Refusal(500, "Internal Server Error", "internal_error", "something went wrong on the server")


def read_path(path_info: str) -> str:
    """Decode a WSGI PATH_INFO the way the router reads it, so that limits and routes agree."""
    return path_info.encode("latin-1").decode("utf-8", "replace")


LimitFor = Callable[[str, str], int]
HeadersFor = Callable[[str, str | None], Sequence[tuple[str, str]]]
