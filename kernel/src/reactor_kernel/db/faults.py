"""Turns what libpq and psycopg report into Reactor's errors."""

from __future__ import annotations

import re

import psycopg
from psycopg import pq

from reactor_kernel.errors import DatabaseFault, DatabaseUnavailable, ReactorError

_FIELD = pq.DiagnosticField
# admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout
_GONE = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05"})

# Postgres' context of what fails while parameters are read; its wording depends on the portal only.
_PARAMETER = re.compile(r"portal (?:\".*\" )?parameter \$(\d+)")


class ConnectionGone(Exception):
    """The connection is lost. `untouched` tells that none of the statements sent had begun."""

    def __init__(self, reason: str, *, untouched: bool) -> None:
        super().__init__(reason)
        self.untouched = untouched


def says_gone(sqlstate: str | None) -> bool:
    """Tell whether this SQLSTATE means that the server ended the session."""
    return sqlstate in _GONE or (sqlstate or "").startswith("08")


def fault_of(result: pq.abc.PGresult) -> DatabaseFault:
    """Return the error a failed result reports, with all of its diagnostics."""

    def text(field: pq.DiagnosticField) -> str | None:
        raw = result.error_field(field)
        return raw.decode("utf-8", "replace") if raw is not None else None

    position = text(_FIELD.STATEMENT_POSITION)
    parameter = _PARAMETER.search(text(_FIELD.CONTEXT) or "")
    return DatabaseFault(
        sqlstate=text(_FIELD.SQLSTATE) or "XX000",
        primary=text(_FIELD.MESSAGE_PRIMARY) or result.error_message.decode("utf-8", "replace").strip(),
        detail=text(_FIELD.MESSAGE_DETAIL),
        db_hint=text(_FIELD.MESSAGE_HINT),
        schema=text(_FIELD.SCHEMA_NAME),
        table=text(_FIELD.TABLE_NAME),
        column=text(_FIELD.COLUMN_NAME),
        constraint=text(_FIELD.CONSTRAINT_NAME),
        position=int(position) if position else None,
        parameter=int(parameter[1]) if parameter else None,
    )


def refused(sqlstate: str, primary: str) -> DatabaseFault:
    """Return the fault Postgres would report for what libpq cannot even send."""
    return DatabaseFault(sqlstate=sqlstate, primary=primary)


def translated(problem: psycopg.Error) -> ReactorError:
    """Return Reactor's error for an error of psycopg."""
    result = problem.pgresult
    if problem.sqlstate is None or says_gone(problem.sqlstate):
        if isinstance(problem, psycopg.OperationalError | psycopg.InterfaceError):
            return unavailable(str(problem))
        if result is None:
            return refused("XX000", str(problem))
    if result is not None:
        return fault_of(result)
    return refused(problem.sqlstate or "XX000", str(problem))


def unavailable(reason: str) -> DatabaseUnavailable:
    """Return the error for a lost or impossible connection; the reason is for logs, not for callers."""
    error = DatabaseUnavailable()
    first = reason.strip().splitlines()
    error.__cause__ = ConnectionGone(first[0] if first else "connection lost", untouched=False)
    return error
