"""The error tree every part of Reactor raises.

A domain error is a class with a stable `code`, a `kind` and a hint. HTTP statuses are known only in
`reactor_kernel.http.errors`, which turns any of these into the one error envelope (contract kernel.md §6.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What sort of failure it is, independent of the transport."""

    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA = "unsupported_media"
    RANGE = "range"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    UPSTREAM_TIMEOUT = "upstream_timeout"


class ReactorError(Exception):
    """An error a caller may see.

    Args:
        message: what was wrong and where; the class docstring's first line when absent.
        code: overrides the class' stable snake_case code.
        hint: what to do about it.
        details: machine-readable facts, always an object on the wire.
        fields: problems per input field, `{"email": ["not an address"]}`.
        headers: extra response headers, e.g. `{"Retry-After": "3"}`.
        status: an exact HTTP status where the contract names one that `kind` cannot express (e.g. 300).
        members: members added inside `error`.
        top_level: members added beside `ok` and `error` in the envelope (PostgREST compatibility).
    """

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[Kind] = Kind.INTERNAL
    hint: ClassVar[str | None] = None

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
        members: Mapping[str, object] | None = None,
        top_level: Mapping[str, object] | None = None,
    ) -> None:
        text = message if message is not None else (type(self).__doc__ or self.code).strip().splitlines()[0]
        super().__init__(text)
        self.message = text
        self.error_code = code if code is not None else self.code
        self.error_hint = hint if hint is not None else self.hint
        self.details = dict(details or {})
        self.fields = {name: list(problems) for name, problems in (fields or {}).items()}
        self.headers = dict(headers or {})
        self.status = status
        self.members = dict(members or {})
        self.top_level = dict(top_level or {})


class BadRequest(ReactorError):
    """The request is not well-formed."""

    code = "bad_request"
    kind = Kind.BAD_REQUEST


class ValidationError(BadRequest):
    """The request's content is not valid."""

    code = "validation_error"


class Unauthenticated(ReactorError):
    """A credential is required."""

    code = "unauthorized"
    kind = Kind.UNAUTHENTICATED


class InvalidCredential(Unauthenticated):
    """The credential presented is not valid."""

    code = "invalid_token"


class Forbidden(ReactorError):
    """The caller may not do this."""

    code = "forbidden"
    kind = Kind.FORBIDDEN


class PermissionDenied(Forbidden):
    """The caller lacks the permission this needs."""

    code = "permission_denied"


class NotFound(ReactorError):
    """There is nothing at this address."""

    code = "not_found"
    kind = Kind.NOT_FOUND


class MethodNotAllowed(ReactorError):
    """This address does not answer that method."""

    code = "method_not_allowed"
    kind = Kind.METHOD_NOT_ALLOWED


class NotAcceptable(ReactorError):
    """None of the accepted media types can be produced."""

    code = "not_acceptable"
    kind = Kind.NOT_ACCEPTABLE


class RequestTimeout(ReactorError):
    """The request took longer than it may."""

    code = "request_timeout"
    kind = Kind.TIMEOUT


class Conflict(ReactorError):
    """The request conflicts with the present state."""

    code = "conflict"
    kind = Kind.CONFLICT


class PreconditionFailed(ReactorError):
    """A precondition of the request does not hold."""

    code = "precondition_failed"
    kind = Kind.PRECONDITION


class PayloadTooLarge(ReactorError):
    """The request body is larger than this route accepts."""

    code = "payload_too_large"
    kind = Kind.TOO_LARGE


class UnsupportedMediaType(ReactorError):
    """The request body's media type is not supported here."""

    code = "unsupported_media_type"
    kind = Kind.UNSUPPORTED_MEDIA


class RangeNotSatisfiable(ReactorError):
    """The requested range lies outside of what exists."""

    code = "range_not_satisfiable"
    kind = Kind.RANGE


class RateLimited(ReactorError):
    """Too many requests."""

    code = "rate_limited"
    kind = Kind.RATE_LIMITED


class InternalError(ReactorError):
    """Something went wrong on the server."""


class Unavailable(ReactorError):
    """The service cannot answer at the moment."""

    code = "unavailable"
    kind = Kind.UNAVAILABLE


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached."""

    code = "database_unavailable"


class PoolTimeout(ReactorError):
    """No database connection became free in time."""

    code = "pool_timeout"
    kind = Kind.UPSTREAM_TIMEOUT


# A text that no text of Postgres can be: a NUL, or a surrogate that has no other half. Whoever sent it must mend it.
_NO_TEXT = frozenset({"22021", "22P05"})


class DatabaseFault(ReactorError):
    """The database refused a statement.

    Carries Postgres' own diagnostics so that a capability can map them to its codes. Left unmapped it is
    a plain 500 whose body shows none of them, or 400 where a text cannot be one. `position` is where in the statement,
    `parameter` the number of the parameter whose text its type cannot read.
    """

    code = "database_error"

    def __init__(
        self,
        *,
        sqlstate: str,
        primary: str,
        detail: str | None = None,
        db_hint: str | None = None,
        schema: str | None = None,
        table: str | None = None,
        column: str | None = None,
        constraint: str | None = None,
        position: int | None = None,
        parameter: int | None = None,
    ) -> None:
        if sqlstate in _NO_TEXT:
            super().__init__(
                "a text of the request holds a character that cannot be kept: NUL, or half of a surrogate pair",
                code="validation_error",
                hint="Send it without that character.",
                status=400,
            )
        else:
            super().__init__("the database refused the statement")
        self.sqlstate = sqlstate
        self.primary = primary
        self.detail = detail
        self.db_hint = db_hint
        self.schema = schema
        self.table = table
        self.column = column
        self.constraint = constraint
        self.position = position
        self.parameter = parameter

    def __str__(self) -> str:
        return f"{self.sqlstate}: {self.primary}"


class ExitCode:
    """Process exit codes of the server (contract kernel.md §2.5)."""

    OK = 0
    FAILED = 1
    CONFIG = 2
    BIND = 3
    SIGNING_KEY = 4
    DATABASE = 5


class MigrationFailed(ReactorError):
    """A migration could not be applied; earlier ones stay applied.

    `exit_code` is that of a server which cannot start because of it.
    """

    code = "migration_failed"
    exit_code: ClassVar[int] = ExitCode.FAILED


# -- boot ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why a boot cannot go on, with the way to mend it.

    `subject` is what the fault is about: a dotted configuration path, a route, a hook. `where` is a place a
    person can open, e.g. `Reactor.toml:12`.
    """

    category: str  # "config", "plugin", "conflict", "database", "migration", "bind", "boot"
    message: str
    subject: str | None = None
    plugin: str | None = None
    version: str | None = None
    where: str | None = None
    fix: str | None = None
    exit_code: int = ExitCode.FAILED

    def __str__(self) -> str:
        owner = f"{self.plugin} {self.version}" if self.plugin and self.version else self.plugin
        head = ": ".join(part for part in (f"{self.category} error", owner, self.subject, self.message) if part)
        tail = f" ({self.where})" if self.where else ""
        return f"{head}{tail}" + (f"\n  fix: {self.fix}" if self.fix else "")


class BootError(Exception):
    """Boot stopped; every fault of the stage that failed is listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @property
    def exit_code(self) -> int:
        """The process exit code: that of the first fault listed."""
        return self.faults[0].exit_code if self.faults else ExitCode.FAILED
