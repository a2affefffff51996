"""Turns every failure into the one error envelope (contract kernel.md §6.3). HTTP statuses are known here only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import falcon
import msgspec

from reactor_kernel.contributions import ErrorDialect, ErrorFacts, ErrorMembers
from reactor_kernel.errors import DatabaseFault, ReactorError
from reactor_kernel.http.statuses import status_of

if TYPE_CHECKING:
    from reactor_kernel.http.context import Context

CONTENT_TYPE = "application/json; charset=utf-8"

# What Falcon's own errors are called on the wire, and what is said where Falcon says nothing.
CODES: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "the request is not well-formed"),
    401: ("unauthorized", "a credential is required"),
    403: ("forbidden", "the caller may not do this"),
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this address does not answer that method"),
    406: ("not_acceptable", "none of the accepted media types can be produced"),
    408: ("request_timeout", "the request took longer than it may"),
    409: ("conflict", "the request conflicts with the present state"),
    410: ("not_found", "what was here is gone"),
    411: ("bad_request", "the request needs a Content-Length"),
    412: ("precondition_failed", "a precondition of the request does not hold"),
    413: ("payload_too_large", "the request body is larger than this route accepts"),
    414: ("bad_request", "the address is too long"),
    415: ("unsupported_media_type", "the request body's media type is not supported here"),
    416: ("range_not_satisfiable", "the requested range lies outside of what exists"),
    423: ("conflict", "the resource is locked"),
    428: ("precondition_failed", "the request must be conditional"),
    429: ("rate_limited", "too many requests"),
    431: ("request_header_fields_too_large", "the request's headers are too large"),
    501: ("not_implemented", "this is not implemented"),
    500: ("internal_error", "something went wrong on the server"),
    503: ("unavailable", "the service cannot answer at the moment"),
}


# What a resource said of contents that are not sent: a cache would keep the error for them, a client unpack it.
_OF_CONTENTS = (
    "Content-Encoding",
    "Content-Range",
    "Content-Disposition",
    "ETag",
    "Last-Modified",
    "Expires",
    "Accept-Ranges",
)


def answer_instead(resp: Any, status: int, body: bytes) -> None:
    """Answer with an error envelope in place of whatever a resource had begun to answer."""
    resp.status = status
    resp.content_type = CONTENT_TYPE
    resp.text = resp.media = None
    close = getattr(resp.stream, "close", None)
    resp.stream = None
    if close is not None:
        close()
    resp.data = body
    for name in _OF_CONTENTS:
        resp.delete_header(name)
    if "no-store" not in (resp.get_header("Cache-Control") or "no-store"):
        resp.delete_header("Cache-Control")


def envelope(
    *,
    code: str,
    message: str,
    status: int,
    request_id: str,
    hint: str | None = None,
    details: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    members: Mapping[str, Any] | None = None,
    top_level: Mapping[str, Any] | None = None,
) -> bytes:
    """Write the error envelope."""
    error: dict[str, Any] = {"code": code, "message": message, "status": status, "request_id": request_id}
    if hint is not None:
        error["hint"] = hint
    if details:
        error["details"] = details
    if fields:
        error["fields"] = fields
    error.update(members or {})
    return msgspec.json.encode({"ok": False, "error": error, **(top_level or {})}, enc_hook=str)


def body_of(error: ReactorError, request_id: str, dialect: ErrorDialect | None = None) -> tuple[int, bytes]:
    """Return the status and envelope of a domain error; a refusal of the database that nobody mapped shows nothing."""
    if isinstance(error, DatabaseFault) and error.status is None:
        return 500, standard_body(500, request_id, dialect=dialect)
    status = status_of(error)
    members, top_level = error.members, error.top_level
    if dialect is not None and not top_level:
        further = dialect(ErrorFacts(status, error.error_code, error.message, error.error_hint))
        members, top_level = {**members, **further.members}, dict(further.top_level)
    return status, envelope(
        code=error.error_code,
        message=error.message,
        status=status,
        request_id=request_id,
        hint=error.error_hint,
        details=error.details,
        fields=error.fields,
        members=members,
        top_level=top_level,
    )


def standard_body(
    status: int,
    request_id: str,
    message: str | None = None,
    code: str | None = None,
    dialect: ErrorDialect | None = None,
) -> bytes:
    """Write the envelope of a fault that only HTTP knows."""
    usual, text = CODES.get(status, CODES[400] if status < 500 else CODES[500])
    said = ErrorFacts(status, code or usual, message or text, None)
    further = ErrorMembers() if dialect is None else dialect(said)
    return envelope(
        code=said.code,
        message=said.message,
        status=status,
        request_id=request_id,
        members=further.members,
        top_level=further.top_level,
    )


class ErrorHandlers:
    """Falcon's error handlers; every exception of a request ends in one of them."""

    def __init__(self, log: Any, dialects: Mapping[str, ErrorDialect] | None = None) -> None:
        """Take a log, and the dialect spoken below a prefix where no route matches."""
        self._log = log
        self._dialects = {f"{prefix}/": dialect for prefix, dialect in (dialects or {}).items()}

    def install(self, app: falcon.App[Any, Any]) -> None:
        """Register the handlers on an application."""
        app.add_error_handler(Exception, self.unexpected)
        app.add_error_handler(falcon.HTTPError, self.framework)
        app.add_error_handler(ReactorError, self.domain)

    def domain(self, req: Any, resp: Any, error: ReactorError, params: Any) -> None:
        """Answer a domain error."""
        context: Context = req.context
        status, body = body_of(error, context.request_id, self._dialect(req))
        if status >= 500:
            self._log.error("%s", error, exc_info=error)
        answer_instead(resp, status, body)
        for name, value in error.headers.items():
            resp.set_header(name, value)
        if status == 401 and "WWW-Authenticate" not in error.headers:
            resp.set_header("WWW-Authenticate", "Bearer")

    def framework(self, req: Any, resp: Any, error: falcon.HTTPError, params: Any) -> None:
        """Answer what Falcon itself found wrong."""
        status = int(str(error.status)[:3])
        message, code = None, None
        if isinstance(error, (falcon.MediaMalformedError, falcon.MediaNotFoundError)):
            status, code = 400, "validation_error"
            cause = f": {error.__cause__}" if error.__cause__ is not None else ""
            message = f"the request body is not valid JSON{cause}" if cause else "a JSON request body is required"
        elif status == 422:  # not used on this surface (decision 9)
            status, code, message = 400, "validation_error", error.description
        elif status == 405:
            message = f"{req.path} does not answer {req.method}"
        elif status in (400, 415):
            message = error.description
        dialect = self._dialect(req)
        answer_instead(resp, status, standard_body(status, req.context.request_id, message, code, dialect))
        headers: Any = error.headers or ()
        for name, value in headers.items() if isinstance(headers, dict) else headers:
            resp.set_header(name, value)

    def unexpected(self, req: Any, resp: Any, error: Exception, params: Any) -> None:
        """Answer a bug: a plain 500 outside, the traceback in the log."""
        where = req.uri_template or "an unrouted path"
        self._log.error("unhandled %s in %s %s", type(error).__name__, req.method, where, exc_info=error)
        dialect = self._dialect(req)
        answer_instead(resp, 500, standard_body(500, req.context.request_id, dialect=dialect))

    def _dialect(self, req: Any) -> ErrorDialect | None:
        route = req.context.route
        if route is not None:
            return route.dialect  # type: ignore[no-any-return]
        return next((found for prefix, found in self._dialects.items() if req.path.startswith(prefix)), None)
