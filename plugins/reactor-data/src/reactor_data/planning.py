"""Compiled statements by shape, and their values put in."""

from __future__ import annotations

from collections.abc import Mapping

from reactor_data.catalog.model import Relation, Schema
from reactor_data.query.ast import Parsed
from reactor_data.query.compiler import Plan, Read, Write, compile_read, compile_write
from reactor_data.query.expressions import array_shim
from reactor_data.query.levels import Rules
from reactor_data.query.printer import print_filter
from reactor_kernel.api import DatabaseFault, Statement

_MOST_KEPT = 2048
_MOST_SHOWN = 200


class Plans:
    """Keeps what was compiled; equal shapes on one snapshot share a plan."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._kept: dict[tuple[int, str, str, Read | Write], Plan] = {}

    def read(self, schema: Schema, relation: Relation, read: Read) -> Plan:
        """Return the plan of a read."""
        key = (schema.version, schema.name, relation.name, read)
        return self._kept.get(key) or self._keep(key, compile_read(schema, relation, read, rules=self._rules))

    def write(self, schema: Schema, relation: Relation, write: Write) -> Plan:
        """Return the plan of a write."""
        key = (schema.version, schema.name, relation.name, write)
        return self._kept.get(key) or self._keep(key, compile_write(schema, relation, write, rules=self._rules))

    def _keep(self, key: tuple[int, str, str, Read | Write], plan: Plan) -> Plan:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = plan
        return plan


def statement_of(
    plan: Plan, parsed: Parsed, specials: Mapping[int, str | bytes | None], explain: str | None = None
) -> Statement:
    """Put a request's values into a plan; with the options of EXPLAIN, explain it instead."""
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
    return Statement(plan.sql if explain is None else f"explain ({explain}) {plan.sql}", params)


def point_at_filter(fault: DatabaseFault, plan: Plan, parsed: Parsed) -> None:
    """Let the hint of a refusal name the filter whose value Postgres could not read, where it was one."""
    if fault.parameter is None or fault.parameter > len(plan.sources) or fault.db_hint is not None:
        return
    source = plan.sources[fault.parameter - 1]
    found = print_filter(parsed, source) if source >= 0 else None
    if found is not None:
        shown = found if len(found) <= _MOST_SHOWN else found[:_MOST_SHOWN] + "…"
        fault.db_hint = f"The value stands in the filter {shown}"
