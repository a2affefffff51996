"""Reading and writing rows for a caller. Knows no HTTP beyond the words of its contract."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from reactor_data import queries
from reactor_data.asking import Asked
from reactor_data.bodies import Payload
from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Relation, Schema
from reactor_data.config import DataConfig
from reactor_data.errors import DataError, singular_mismatch, table_not_found
from reactor_data.faults import explain_fault, explain_outage
from reactor_data.query.ast import Parsed
from reactor_data.query.compiler import Plan, Read, Write, check_filters, compile_read, compile_write
from reactor_data.query.expressions import BODY, CAP, LIMIT, OFFSET, array_shim
from reactor_data.query.levels import Rules
from reactor_kernel.api import (
    Database,
    DatabaseFault,
    DatabaseUnavailable,
    DbRole,
    Identity,
    PoolTimeout,
    RawResult,
    ReactorError,
    Statement,
)

T = TypeVar("T")

_MAX_PLANS = 2048
_STALE = ("42P01", "42703")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the request's facts that SQL may see."""

    identity: Identity
    request_id: str
    settings: Mapping[str, str]

    @property
    def anonymous(self) -> bool:
        """Tell whether no credential was sent."""
        return self.identity.db_role is DbRole.ANONYMOUS


@dataclass(frozen=True, slots=True)
class Rows:
    """What a read found: JSON text made by Postgres."""

    body: bytes
    count: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did. `key` are the primary key's values of the one row inserted, as text."""

    body: bytes | None
    count: int
    inserted: int | None
    key: tuple[str | None, ...] | None
    relation: Relation
    target: tuple[str, ...]


class DataService:
    """Compiles requests against the schema snapshot and runs each as one transaction in one round trip."""

    def __init__(self, database: Database, schema: SchemaCache, config: DataConfig, log: logging.Logger) -> None:
        self._db = database
        self._schema = schema
        self._config = config
        self._rules = Rules(config.max_limit, config.aggregates_enabled)
        self._log = log
        self._plans: dict[tuple[int, str, Read | Write], Plan] = {}

    def relation(self, name: str) -> Relation:
        """Return an exposed relation. Raises 404 `table_not_found`."""
        return self._find(name)[1]

    def read(self, caller: Caller, name: str, asked: Asked) -> Rows:
        """Run a read."""
        return self._current(caller, name, "select", lambda: self._read(caller, name, asked))

    def write(
        self, caller: Caller, name: str, parsed: Parsed, payload: Payload | None, write: Write, max_affected: int | None
    ) -> Change:
        """Run a write, and record it in the same transaction.

        Raises:
            DataError: 406 for `singular` and 400 for `max_affected` when the number of rows is another; nothing is kept.
        """
        if self._config.safe_update and write.action != "insert":
            check_filters(write)
        return self._current(
            caller, name, write.action, lambda: self._write(caller, name, parsed, payload, write, max_affected)
        )

    def _read(self, caller: Caller, name: str, asked: Asked) -> Rows:
        schema, relation = self._find(name)
        compiled = asked.compiled
        if compiled is None or compiled[0] != schema.version or compiled[1] != name:
            compiled = asked.compiled = self._compile(schema, relation, asked)
        read, page = asked.read, asked.page
        results = self._db.run(caller.identity, compiled[2], readonly=True, settings=caller.settings)
        count, body, counted, _ = results[0].rows[0]
        total = None if counted is None else int(counted)
        if len(results) > 1:
            total = self._estimated(read, total, results[1])
        rows = int(count or 0)
        if total is not None and read.count != "exact" and rows:
            # An estimate cannot be less than what is there to see.
            total = max(total, page.offset + rows)
        if read.shape.singular and rows != 1:
            raise singular_mismatch(rows)
        return Rows(body or b"", rows, total)

    def _compile(self, schema: Schema, relation: Relation, asked: Asked) -> tuple[int, str, Sequence[Statement]]:
        plan = self._plan(schema, relation, asked.read)
        specials: dict[int, str | bytes] = {LIMIT: str(asked.page.limit), OFFSET: str(asked.page.offset)}
        if asked.read.count == "estimated":
            specials[CAP] = str(self._config.max_limit + 1)
        statements = [_statement(plan, asked.parsed, specials)]
        if plan.estimate is not None:
            statements.append(_statement(plan.estimate, asked.parsed, specials))
        return schema.version, relation.name, statements

    def _estimated(self, read: Read, counted: int | None, explained: RawResult) -> int:
        (plan,) = msgspec.json.decode(explained.rows[0][0] or b"[]")
        planned = int(plan["Plan"]["Plan Rows"])
        if read.count == "planned" or counted is None:
            return planned
        return counted if counted <= self._config.max_limit else max(planned, counted)

    def _write(
        self, caller: Caller, name: str, parsed: Parsed, payload: Payload | None, write: Write, max_affected: int | None
    ) -> Change:
        schema, relation = self._find(name)
        plan = self._plan(schema, relation, write)
        statements = [
            _statement(plan, parsed, {BODY: payload.text if payload is not None else b"[]"}),
            queries.audit(caller.identity, caller.request_id, write.action, relation.name),
        ]
        if write.shape.singular or max_affected is not None:
            # Whether to keep the change is known only once its rows are counted.
            with self._db.begin(caller.identity, settings=caller.settings) as tx:
                change = _change(tx.run(statements)[0], relation, plan)
                if write.shape.singular and change.count != 1:
                    raise singular_mismatch(change.count)
                if max_affected is not None and change.count > max_affected:
                    raise DataError(
                        400,
                        "max_affected_exceeded",
                        "Query result exceeds max-affected preference constraint",
                        pgrst="PGRST124",
                        detail=f"The query affects {change.count} rows",
                        details={"rows": change.count, "max_affected": max_affected},
                    )
            return change
        results = self._db.run(caller.identity, statements, settings=caller.settings)
        return _change(results[0], relation, plan)

    def _find(self, name: str) -> tuple[Schema, Relation]:
        schema, relation = self._schema.find(name)
        if relation is None:
            raise table_not_found(name, schema.name, schema.near(name))
        return schema, relation

    def _plan(self, schema: Schema, relation: Relation, shape: Read | Write) -> Plan:
        key = (schema.version, relation.name, shape)
        plan = self._plans.get(key)
        if plan is None:
            plan = (
                compile_read(schema, relation, shape, rules=self._rules)
                if isinstance(shape, Read)
                else compile_write(schema, relation, shape, rules=self._rules)
            )
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _current(self, caller: Caller, name: str, scope: str, attempt: Callable[[], T]) -> T:
        """Run an attempt; once more with a new snapshot when Postgres knows nothing of what the present one promised."""
        try:
            version = self._schema.current().version
            try:
                return attempt()
            except DatabaseFault as fault:
                if fault.sqlstate not in _STALE or not self._schema.doubt(version):
                    raise
            return attempt()
        except DatabaseFault as fault:
            raise self._explained(fault, caller, name, scope) from fault
        except (DatabaseUnavailable, PoolTimeout) as outage:
            raise explain_outage(outage) from outage

    def _explained(self, fault: DatabaseFault, caller: Caller, name: str, scope: str) -> DataError:
        schema, relation = self._find(name)
        error = explain_fault(fault, schema=schema, relation=relation, scope=scope, anonymous=caller.anonymous)
        if scope != "select" and fault.sqlstate == "42501":
            self._record_denial(caller, scope, relation.name)
        return error

    def _record_denial(self, caller: Caller, action: str, table: str) -> None:
        try:
            self._db.run(None, [queries.audit_denied(caller.identity, caller.request_id, action, table)])
        except ReactorError as error:
            # The caller is refused either way; that the refusal is not on record must be.
            self._log.error("the refusal of request %s could not be recorded: %s", caller.request_id, error)


def _statement(plan: Plan, parsed: Parsed, specials: Mapping[int, str | bytes]) -> Statement:
    values = parsed.values
    shims = plan.array_shims
    params: list[str | bytes | None] = []
    for source in plan.sources:
        if source < 0:
            params.append(specials[source])
        elif source in shims:
            params.append(array_shim(values[source]))
        else:
            params.append(values[source])
    return Statement(plan.sql, params)


def _change(result: RawResult, relation: Relation, plan: Plan) -> Change:
    count, body, location, inserted, _, _ = result.rows[0]
    key = None if location is None else msgspec.json.decode(location, type=tuple[str | None, ...])
    rows = int(count or 0)
    return Change(
        body=body,
        count=rows,
        inserted=None if inserted is None else int(inserted),
        key=key if rows == 1 else None,
        relation=relation,
        target=plan.target,
    )
