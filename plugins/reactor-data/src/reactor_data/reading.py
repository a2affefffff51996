"""Reading rows for a caller. Knows no HTTP beyond the words of its contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from reactor_data.asking import Asked
from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Relation, Schema
from reactor_data.config import DataConfig
from reactor_data.errors import singular_mismatch, table_not_found
from reactor_data.permissions import demand_embedded
from reactor_data.planning import Plans, point_at_filter, statement_of
from reactor_data.query.compiler import Read
from reactor_data.query.expressions import CAP, LIMIT, OFFSET
from reactor_data.query.rendering import read_body
from reactor_data.running import Caller, Runner
from reactor_kernel.api import DatabaseFault, RawResult, Statement


@dataclass(frozen=True, slots=True)
class Rows:
    """What a read found: the body that Postgres made, how many rows, how many there are, and what SQL wants the answer to say."""

    body: bytes
    count: int
    total: int | None
    overrides: bytes | None = None


class Reader:
    """Compiles reads against the schema snapshot and runs each as one transaction in one round trip."""

    def __init__(self, runner: Runner, schema: SchemaCache, plans: Plans, config: DataConfig) -> None:
        self._runner = runner
        self._schema = schema
        self._plans = plans
        self._config = config
        self._guarded = config.table_permissions == "enforce"

    def relation(self, name: str, profile: str | None = None) -> Relation:
        """Return an exposed relation. Raises 404 `table_not_found`."""
        return find_relation(self._schema, name, profile)[1]

    def read(self, caller: Caller, name: str, asked: Asked) -> Rows:
        """Run a read."""
        return self._runner.attempt(caller, name, "select", lambda: self._read(caller, name, asked))

    def _read(self, caller: Caller, name: str, asked: Asked) -> Rows:
        schema, relation = find_relation(self._schema, name, caller.profile)
        if self._guarded:
            demand_embedded(caller.identity, schema, relation, asked.read.query)
        compiled = asked.compiled
        if compiled is None or compiled[0] is not relation:
            compiled = asked.compiled = self._compile(schema, relation, asked)
        if caller.timing is not None:
            caller.timing.mark("plan")
        read, page = asked.read, asked.page
        try:
            results = self._runner.run(caller, compiled[1], readonly=True)
        except DatabaseFault as fault:
            point_at_filter(fault, self._plans.read(schema, relation, read), asked.parsed)
            raise
        rows = rows_of(results, read, page.offset, self._config.max_limit)
        if read.shape.singular and read.shape.explain is None and rows.count != 1:
            raise singular_mismatch(rows.count)
        return rows

    def _compile(self, schema: Schema, relation: Relation, asked: Asked) -> tuple[Relation, Sequence[Statement]]:
        plan = self._plans.read(schema, relation, asked.read)
        specials: dict[int, str | bytes] = {LIMIT: str(asked.page.limit), OFFSET: str(asked.page.offset)}
        if asked.read.count == "estimated":
            specials[CAP] = str(self._config.max_limit + 1)
        explain = asked.read.shape.explain
        statements = [statement_of(plan, asked.parsed, specials, explain)]
        if plan.estimate is not None and explain is None:
            statements.append(statement_of(plan.estimate, asked.parsed, specials))
        return relation, statements


def rows_of(results: Sequence[RawResult], read: Read, offset: int, max_limit: int) -> Rows:
    """Read what a read's statements returned: its one row and, where the total is estimated, the plan of the count."""
    if read.shape.explain is not None:
        return Rows(plan_text(results[0]), 0, None)
    count, body, counted, overrides = results[0].rows[0]
    total = None if counted is None else int(counted)
    if len(results) > 1:
        total = _estimated(read, total, results[1], max_limit)
    rows = int(count or 0)
    if total is not None and read.count != "exact" and rows:
        # An estimate cannot be less than what is there to see.
        total = max(total, offset + rows)
    return Rows(read_body(read.shape, body), rows, total, overrides)


def _estimated(read: Read, counted: int | None, explained: RawResult, max_limit: int) -> int:
    (plan,) = msgspec.json.decode(explained.rows[0][0] or b"[]")
    planned = int(plan["Plan"]["Plan Rows"])
    if read.count == "planned" or counted is None:
        return planned
    return counted if counted <= max_limit else max(planned, counted)


def find_relation(cache: SchemaCache, name: str, profile: str | None) -> tuple[Schema, Relation]:
    """Return an exposed relation and its schema. Raises 404 `table_not_found`."""
    schema, relation = cache.find(name, profile)
    if relation is None:
        raise table_not_found(name, schema.name, schema.near(name))
    return schema, relation


def plan_text(result: RawResult) -> bytes:
    """Return what EXPLAIN wrote."""
    return b"\n".join(row[0] or b"" for row in result.rows)
