"""Runs statements for a caller: what stands around them in the transaction, and what a refusal of theirs means."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from reactor_data import queries
from reactor_data.catalog.cache import SchemaCache
from reactor_data.config import DataConfig
from reactor_data.errors import DataError
from reactor_data.faults import explain_fault, explain_outage
from reactor_data.sql.native import quote
from reactor_kernel.api import (
    Database,
    DatabaseFault,
    DatabaseUnavailable,
    DbRole,
    Identity,
    Isolation,
    PoolTimeout,
    RawResult,
    ReactorError,
    Statement,
    Tx,
)

T = TypeVar("T")

# What Postgres answers when a relation or column is not what the snapshot says, and what the snapshot answers when it
# lacks one that was made without a notice.
_STALE = ("42P01", "42703", "PGRST200", "PGRST202", "PGRST204", "PGRST205")
# Deferred constraints are checked at a commit that a rolled-back transaction does not reach.
_CHECK_CONSTRAINTS = Statement("set constraints all immediate", prepare=False)


class Timing:
    """How long each stage of a request took, for `Server-Timing` (W3C Server Timing)."""

    def __init__(self) -> None:
        self._at = time.perf_counter()
        self._stages: list[str] = []

    def mark(self, stage: str) -> None:
        """End a stage; the next begins."""
        now = time.perf_counter()
        self._stages.append(f"{stage};dur={(now - self._at) * 1000:.1f}")
        self._at = now

    def header(self) -> str:
        """Return the stages in their order, durations in milliseconds."""
        return ", ".join(self._stages)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how its transaction runs.

    `settings` are published in it; `rolls_back` ends it without keeping anything; `abandoned` tells that nobody waits any
    more, and what runs is then cancelled. `profile` is the exposed schema; None = the default one.
    """

    identity: Identity
    request_id: str
    settings: Mapping[str, str]
    rolls_back: bool = False
    isolation: Isolation | None = None
    abandoned: Callable[[], bool] | None = None
    timing: Timing | None = None
    profile: str | None = None

    @property
    def anonymous(self) -> bool:
        """Tell whether no credential was sent."""
        return self.identity.db_role is DbRole.ANONYMOUS


class _Undone(Exception):
    """Ends a transaction that is not to be kept."""


class Runner:
    """Runs what a caller asks for, each request one transaction and, where nothing must be decided in between, one round trip."""

    def __init__(self, database: Database, schema: SchemaCache, config: DataConfig, log: logging.Logger) -> None:
        self._db = database
        self._schema = schema
        self._log = log
        self._before: list[Statement] = []
        if config.pre_request is not None:
            function = ".".join(quote(part) for part in config.pre_request.split("."))
            self._before.append(Statement(f"select {function}()"))

    def run(self, caller: Caller, statements: Sequence[Statement], *, readonly: bool = False) -> list[RawResult]:
        """Run statements as one transaction and return their results."""
        if caller.rolls_back and not readonly:
            with self.begin(caller) as tx:
                return tx.run(statements)
        before = self._before
        results = self._db.run(
            caller.identity,
            [*before, *statements] if before else statements,
            readonly=readonly,
            settings=caller.settings,
            isolation=caller.isolation,
            abandoned=caller.abandoned,
        )
        if caller.timing is not None:
            caller.timing.mark("transaction")
        return results[len(before) :] if before else results

    @contextmanager
    def begin(self, caller: Caller, *, readonly: bool = False) -> Iterator[Tx]:
        """Open a transaction, for what is decided only when a result is known."""
        try:
            with self._db.begin(
                caller.identity,
                readonly=readonly,
                settings=caller.settings,
                isolation=caller.isolation,
                abandoned=caller.abandoned,
            ) as tx:
                if self._before:
                    tx.run(self._before)
                yield tx
                if caller.rolls_back:
                    tx.run([_CHECK_CONSTRAINTS])
                    raise _Undone
        except _Undone:
            pass
        finally:
            if caller.timing is not None:
                caller.timing.mark("transaction")

    def attempt(self, caller: Caller, subject: str, scope: str, attempt: Callable[[], T]) -> T:
        """Run an attempt; once more with a new snapshot when Postgres knows nothing of what the present one promised.

        `subject` is the relation's or function's name; `scope` select, insert, update, delete or execute.

        Raises:
            DataError: what Postgres or the pool refused, in the contract's words; a refused write is on record.
        """
        try:
            version = self._schema.snapshot().version
            try:
                return attempt()
            except (DatabaseFault, DataError) as refusal:
                code = refusal.sqlstate if isinstance(refusal, DatabaseFault) else refusal.pgrst
                stale = code in _STALE or (scope == "execute" and code == "42883")
                if not stale or not self._schema.doubt(version):
                    raise
            return attempt()
        except DatabaseFault as fault:
            raise self.explained(fault, caller, subject, scope) from fault
        except (DatabaseUnavailable, PoolTimeout) as outage:
            raise explain_outage(outage) from outage

    def explained(self, fault: DatabaseFault, caller: Caller, subject: str, scope: str) -> DataError:
        """Return the error for a refusal; put it on record where it refuses a change."""
        error = self.error_of(fault, caller, subject, scope)
        if fault.sqlstate == "42501" and scope != "select":
            self.record_denial(caller, scope, subject)
        return error

    def error_of(self, fault: DatabaseFault, caller: Caller, subject: str, scope: str) -> DataError:
        """Return the error for a refusal."""
        policies = self._schema.current(caller.profile).policies
        return explain_fault(fault, policies=policies, subject=subject, scope=scope, anonymous=caller.anonymous)

    def record_denial(self, caller: Caller, scope: str, subject: str) -> None:
        """Write that a change was refused, in a transaction of its own: the change's was rolled back."""
        try:
            self._db.run(None, [queries.audit_denied(caller.identity, caller.request_id, scope, subject)])
        except ReactorError as error:
            # The caller is refused either way; that the refusal is not on record must be.
            self._log.error("the refusal of request %s could not be recorded: %s", caller.request_id, error)
