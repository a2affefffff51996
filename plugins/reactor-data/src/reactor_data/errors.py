"""What data answers when it cannot: both halves of the envelope (contract data.md §6.1).

Reactor's clients read `error.code`, PostgREST's the top-level `code`, `message`, `details` and `hint`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reactor_kernel.api import MigrationFailed, ReactorError

Details = str | Sequence[Any] | None


class DataError(ReactorError):
    """A request that data cannot answer; always with an exact status and a code."""

    code = "database_error"

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        pgrst: str | None = None,
        detail: Details = None,
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make both halves. `pgrst` is the PGRST code or SQLSTATE; `detail` PostgREST's details."""
        facts: dict[str, object] = dict(details or {})
        if detail is not None:
            facts["detail"] = detail
        sent = dict(headers or {})
        if pgrst is not None:
            sent.setdefault("Proxy-Status", f"reactor-data; error={pgrst}")
        super().__init__(
            message,
            code=code,
            status=status,
            hint=hint,
            details=facts,
            headers=sent,
            members={} if pgrst is None else {"pgrst_code": pgrst},
            top_level={"code": pgrst or code, "message": message, "details": detail, "hint": hint},
        )
        self.pgrst = pgrst
        self.detail = detail

    def minimal(self) -> DataError:
        """Return the same error without details and hint."""
        return DataError(self.status or 500, self.error_code, self.message, pgrst=self.pgrst, headers=self.headers)


def invalid_filter(message: str, *, detail: str | None = None, hint: str | None = None) -> DataError:
    """The query string does not parse."""
    return DataError(400, "invalid_filter", message, pgrst="PGRST100", detail=detail, hint=hint)


def invalid_body(message: str, *, detail: str | None = None, hint: str | None = None) -> DataError:
    """The request body cannot be used."""
    return DataError(400, "invalid_body", message, pgrst="PGRST102", detail=detail, hint=hint)


def end_unseen() -> DataError:
    """The body came in chunks, and neither the engine nor the body tells whether they are all."""
    return DataError(
        411,
        "length_required",
        "the server cannot tell whether a body in chunks is complete",
        hint="Send Content-Length, or JSON, which shows where it ends.",
    )


def table_not_found(name: str, schema: str, near: Sequence[str]) -> DataError:
    """The relation does not exist or is not exposed."""
    hint = f"Perhaps you meant the table '{schema}.{near[0]}'" if near else None
    return DataError(
        404,
        "table_not_found",
        f"Could not find the table '{schema}.{name}' in the schema cache",
        pgrst="PGRST205",
        hint=hint,
        details={"table": name},
    )


def schema_not_exposed(name: str, exposed: Sequence[str]) -> DataError:
    """A profile header names a schema that is not exposed."""
    return DataError(
        406,
        "schema_not_exposed",
        f"Invalid schema: {name}",
        pgrst="PGRST106",
        hint=f"Only the following schemas are exposed: {', '.join(exposed)}",
        details={"schema": name},
    )


def function_unknown(name: str, schema: str) -> DataError:
    """No function of that name is exposed."""
    return DataError(
        404,
        "function_not_found",
        f"Could not find the function {schema}.{name} in the schema cache",
        pgrst="PGRST202",
        details={"function": name},
    )


def column_not_found(column: str, relation: str, near: Sequence[str], *, written: bool = False) -> DataError:
    """A column named in the query string or, when `written`, in `columns` or the body does not exist."""
    hint = f"Perhaps you meant the column '{near[0]}'" if near else None
    message = (
        f"Could not find the '{column}' column of '{relation}' in the schema cache"
        if written
        else f"column {relation}.{column} does not exist"
    )
    return DataError(
        400,
        "column_not_found",
        message,
        pgrst="PGRST204" if written else "42703",
        hint=hint,
        details={"table": relation, "column": column},
    )


def singular_mismatch(rows: int) -> DataError:
    """Exactly one row was asked for."""
    return DataError(
        406,
        "singular_mismatch",
        "Cannot coerce the result to a single JSON object",
        pgrst="PGRST116",
        detail=f"The result contains {rows} rows",
        details={"rows": rows},
    )


def range_not_satisfiable(detail: str, *, total: int | None = None) -> DataError:
    """The range asked for lies outside of the rows."""
    headers = {} if total is None else {"Content-Range": f"*/{total}"}
    return DataError(
        416,
        "range_not_satisfiable",
        "Requested range not satisfiable",
        pgrst="PGRST103",
        detail=detail,
        headers=headers,
    )


def max_affected_exceeded(rows: int, most: int) -> DataError:
    """More rows would be changed than the caller allows; nothing is kept."""
    return DataError(
        400,
        "max_affected_exceeded",
        "Query result exceeds max-affected preference constraint",
        pgrst="PGRST124",
        detail=f"The query affects {rows} rows",
        details={"rows": rows, "max_affected": most},
    )


def not_embedded(name: str, hint: str | None = None) -> DataError:
    """A parameter or an order names an embed that `select` does not have."""
    return DataError(
        400,
        "invalid_query",
        f"'{name}' is not an embedded resource in this request",
        pgrst="PGRST108",
        hint=hint or f"Verify that '{name}' is included in the 'select' query parameter.",
        details={"embed": name},
    )


def too_many_rows(rows: int, most: int, what: str, hint: str) -> DataError:
    """A request brings more rows than its route takes; `what` it calls them."""
    return DataError(
        413,
        "payload_too_large",
        f"{rows} {what} are more than the {most} that one request takes",
        hint=hint,
        details={what: rows, "limit": most},
    )


def put_filters() -> DataError:
    """PUT names something else than one row by its primary key."""
    return DataError(
        405,
        "invalid_upsert",
        "Filters must include all and only primary key columns with 'eq' operators",
        pgrst="PGRST105",
        hint="PUT one row: name each column of the primary key once, as in ?id=eq.1.",
    )


def put_page() -> DataError:
    """PUT is given a page."""
    return DataError(
        400, "invalid_upsert", "limit/offset querystring parameters are not allowed for PUT", pgrst="PGRST114"
    )


def put_key_mismatch() -> DataError:
    """The row of a PUT has another key than its address."""
    return DataError(
        400,
        "invalid_upsert",
        "Payload values do not match URL in primary key column(s)",
        pgrst="PGRST115",
        hint="Give the row the key that stands in the URL.",
    )


def not_acceptable(entries: Sequence[str], hint: str) -> DataError:
    """None of the accepted media types can be made."""
    return DataError(
        406,
        "not_acceptable",
        f"None of these media types are available: {', '.join(entries)}",
        pgrst="PGRST107",
        hint=hint,
    )


def permission_missing(permission: str, *, anonymous: bool) -> DataError:
    """The caller lacks a permission that the server demands beside the database's rights."""
    return DataError(
        401 if anonymous else 403,
        "permission_denied",
        f"the permission {permission} is required",
        pgrst="42501",
        hint="An owner of the organisation may add it to the caller's role.",
        details={"permission": permission},
        headers={"WWW-Authenticate": "Bearer"} if anonymous else None,
    )


def only_get_subscribes() -> DataError:
    """Something other than GET asks for events."""
    return DataError(
        405,
        "method_not_allowed",
        "only GET subscribes to changes",
        pgrst="PGRST117",
        hint="Send GET with subscribe=1 and Accept: text/event-stream.",
    )


def realtime_unavailable(message: str, hint: str) -> DataError:
    """The table has no realtime."""
    return DataError(426, "realtime_unavailable", message, hint=hint)


def bad_override(what: str) -> DataError:
    """SQL set a response.* setting that no answer can follow."""
    if what == "status":
        message, code = "response.status guc must be a valid status code", "PGRST112"
    else:
        message = "response.headers guc must be a JSON array composed of objects with a single key and a string value"
        code = "PGRST111"
    return DataError(500, "config_error", message, pgrst=code)


class MigrationDrift(MigrationFailed):
    """An applied migration file was changed afterwards; nothing ran."""

    code = "migration_drift"


def migration_failed(message: str, *, revision: str, sql_error: str, hint: str | None = None) -> MigrationFailed:
    """A migration file cannot be applied."""
    return MigrationFailed(message, hint=hint, details={"revision": revision, "sql_error": sql_error})


def migration_drift(file: str, version: str, recorded: str, actual: str) -> MigrationDrift:
    """A file differs from what was applied under its name."""
    message = (
        f"{file} was changed after it was applied: recorded SHA-256 {recorded}, actual {actual}; no migration was run"
    )
    return MigrationDrift(
        message,
        hint=f"Restore {file} as it was applied and put the change into a new migration file.",
        details={
            "revision": version,
            "sql_error": "migration_drift",
            "file": file,
            "recorded": recorded,
            "actual": actual,
        },
    )
