"""Writing rows for a caller. Knows no HTTP beyond the words of its contract."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from reactor_data import queries
from reactor_data.bodies import Payload
from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Relation
from reactor_data.config import DataConfig
from reactor_data.errors import (
    DataError,
    max_affected_exceeded,
    put_key_mismatch,
    singular_mismatch,
)
from reactor_data.permissions import demand, demand_embedded
from reactor_data.planning import Plans, point_at_filter, statement_of
from reactor_data.query.ast import Parsed
from reactor_data.query.compiler import Plan, Write, check_filters
from reactor_data.query.expressions import BODY
from reactor_data.query.rendering import Shape, read_body
from reactor_data.reading import find_relation, plan_text
from reactor_data.running import Caller, Runner
from reactor_kernel.api import DatabaseFault, RawResult, Statement

_ARRAY = Shape()


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did.

    `count` rows are represented, `affected` were changed: an inner embed leaves rows out of the representation only. `key` are
    the primary key's values of the one row inserted, as text; `resolvable` tells that duplicates are known by a primary key
    or `on_conflict`; `overrides` what SQL wants the answer to say.
    """

    body: bytes | None
    count: int
    affected: int
    inserted: int | None
    key: tuple[str | None, ...] | None
    relation: Relation
    resolvable: bool
    overrides: bytes | None = None


class Writer:
    """Compiles writes against the schema snapshot; each is one transaction that also puts it on record."""

    def __init__(self, runner: Runner, schema: SchemaCache, plans: Plans, config: DataConfig) -> None:
        self._runner = runner
        self._schema = schema
        self._plans = plans
        self._config = config
        self._guarded = config.table_permissions == "enforce"

    def write(
        self, caller: Caller, name: str, parsed: Parsed, payload: Payload | None, write: Write, max_affected: int | None
    ) -> Change:
        """Run a write, and record it in the same transaction.

        Raises:
            DataError: 406 for a single object, 400 for `max_affected` and for PUT when the number of rows is another; nothing
                is kept.
        """
        if self._config.safe_update and write.action != "insert":
            check_filters(write)
        return self._runner.attempt(
            caller, name, write.action, lambda: self._write(caller, name, parsed, payload, write, max_affected)
        )

    def refused(self, caller: Caller, name: str, action: str) -> None:
        """Put on record that a write was refused before it ran. Raises 404 `table_not_found`."""
        self._runner.record_denial(caller, action, self.relation(name, caller.profile).name)

    def relation(self, name: str, profile: str | None) -> Relation:
        """Return an exposed relation. Raises 404 `table_not_found`."""
        return find_relation(self._schema, name, profile)[1]

    def planned(self, caller: Caller, name: str, write: Write) -> tuple[Relation, Plan]:
        """Return the relation and the plan of a write.

        Raises:
            DataError: 403, a permission is demanded and missing to read what the write returns or embeds; it is on record.
        """
        schema, relation = find_relation(self._schema, name, caller.profile)
        if self._guarded:
            try:
                if write.returning == "representation":
                    demand(caller.identity, f"data:{name}:read")
                demand_embedded(caller.identity, schema, relation, write.query)
            except DataError as error:
                if error.error_code == "permission_denied":
                    self._runner.record_denial(caller, write.action, name)
                raise
        return relation, self._plans.write(schema, relation, write)

    def _write(
        self, caller: Caller, name: str, parsed: Parsed, payload: Payload | None, write: Write, max_affected: int | None
    ) -> Change:
        relation, plan = self.planned(caller, name, write)
        try:
            return self._run(caller, relation, plan, parsed, payload, write, max_affected)
        except DatabaseFault as fault:
            point_at_filter(fault, plan, parsed)
            raise

    def _run(
        self, caller: Caller, relation: Relation, plan: Plan, parsed: Parsed, payload: Payload | None, write: Write,
        max_affected: int | None,
    ) -> Change:  # fmt: skip
        resolvable = bool(relation.primary_key or write.query.on_conflict)
        specials = {BODY: payload.text if payload is not None else b"[]"}
        if caller.timing is not None:
            caller.timing.mark("plan")
        if write.shape.explain is not None:
            return self._explain(caller, relation, statement_of(plan, parsed, specials, write.shape.explain), write)
        statements = [
            statement_of(plan, parsed, specials),
            queries.audit(caller.identity, caller.request_id, write.action, relation.name),
        ]
        if not (write.shape.singular or write.single or max_affected is not None):
            return change_of(self._runner.run(caller, statements)[0], relation, resolvable, write.shape)
        # Whether to keep the change is known only once its rows are counted.
        with self._runner.begin(caller) as tx:
            change = change_of(tx.run(statements)[0], relation, resolvable, write.shape)
            if write.single and change.count != 1:
                raise put_key_mismatch()
            if write.shape.singular and change.count != 1:
                raise singular_mismatch(change.count)
            if max_affected is not None and change.affected > max_affected:
                raise max_affected_exceeded(change.affected, max_affected)
        return change

    def _explain(self, caller: Caller, relation: Relation, explained: Statement, write: Write) -> Change:
        statements = [explained]
        if "analyze" in (write.shape.explain or ""):
            # It ran: what it changed is there.
            statements.append(queries.audit(caller.identity, caller.request_id, write.action, relation.name))
        results = self._runner.run(caller, statements)
        return Change(plan_text(results[0]), 0, 0, None, None, relation, False)


def change_of(result: RawResult, relation: Relation, resolvable: bool, shape: Shape = _ARRAY) -> Change:
    """Read the one row of a write's statement."""
    count, body, location, inserted, affected, overrides = result.rows[0]
    key = None if location is None else msgspec.json.decode(location, type=tuple[str | None, ...])
    rows = int(count or 0)
    return Change(
        body=None if body is None else read_body(shape, body),
        count=rows,
        affected=int(affected or 0),
        inserted=None if inserted is None else int(inserted),
        key=key if rows == 1 else None,
        relation=relation,
        resolvable=resolvable,
        overrides=overrides,
    )
