"""Calling functions for a caller (contract data.md §4.10). Knows no HTTP beyond the words of its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reactor_data import queries
from reactor_data.arguments import Arguments
from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Function, Schema
from reactor_data.catalog.overloads import find_function
from reactor_data.config import DataConfig
from reactor_data.errors import DataError, function_unknown, max_affected_exceeded, singular_mismatch
from reactor_data.pages import Page
from reactor_data.permissions import demand_embedded
from reactor_data.planning import statement_of
from reactor_data.query.ast import Parsed
from reactor_data.query.calls import Call, compile_call, result_relation
from reactor_data.query.compiler import Plan, Read
from reactor_data.query.expressions import CAP, LIMIT, OFFSET
from reactor_data.query.levels import Rules
from reactor_data.reading import Rows, rows_of
from reactor_data.roles import split_settings
from reactor_data.running import Caller, Runner
from reactor_kernel.api import Database, Statement

_MOST_KEPT = 1024


class Functions:
    """Finds functions and calls each in one transaction, read-only where it does not change anything."""

    def __init__(
        self, database: Database, runner: Runner, schema: SchemaCache, config: DataConfig, rules: Rules
    ) -> None:
        self._db = database
        self._runner = runner
        self._schema = schema
        self._config = config
        self._rules = rules
        self._guarded = config.table_permissions == "enforce"
        self._hoisted = frozenset(config.hoisted_tx_settings)
        self._plans: dict[tuple[int, int, Call, Read], Plan] = {}

    def overloads(self, name: str, profile: str | None) -> tuple[Function, ...]:
        """Return every function of that name. Raises 404 `function_not_found`."""
        schema = self._schema.current(profile)
        found = schema.functions.get(name) or self._schema.again(schema).functions.get(name)
        if not found:
            raise function_unknown(name, schema.name)
        return found

    def find(self, name: str, profile: str | None, arguments: Arguments) -> tuple[Schema, Function]:
        """Return the function that takes the arguments, having looked again where none does.

        Raises:
            DataError: 404 `function_not_found`, 300 `ambiguous_function`.
        """
        schema = self._schema.current(profile)
        try:
            return schema, find_function(schema, name, arguments.names, arguments.media)
        except DataError as error:
            newer = self._schema.again(schema)
            if error.status != 404 or newer is schema:
                raise
        return newer, find_function(newer, name, arguments.names, arguments.media)

    def refused(self, caller: Caller, name: str) -> None:
        """Put on record that a caller may not call what there is under this name.

        Raises:
            DataError: 404 `function_not_found`.
        """
        self.overloads(name, caller.profile)
        self._runner.record_denial(caller, "execute", name)

    def call(
        self,
        caller: Caller,
        name: str,
        arguments: Arguments,
        parsed: Parsed,
        read: Read,
        page: Page,
        *,
        readonly: bool,
        max_affected: int | None,
    ) -> Rows:
        """Call a function, and put the call on record. It may write nothing when `readonly` or declared stable or immutable.

        Raises:
            DataError: what Postgres refused; 406 for a single object and 400 for `max_affected` when the number of rows is
                another, and nothing is kept then.
        """

        def attempt() -> Rows:
            schema, function = self.find(name, caller.profile, arguments)
            if max_affected is not None and not function.returns_set:
                raise DataError(
                    400,
                    "max_affected_exceeded",
                    "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
                    pgrst="PGRST128",
                )
            if self._guarded:
                demand_embedded(caller.identity, schema, result_relation(schema, function), read.query)
            statements = self._statements(schema, function, arguments, parsed, read, page)
            if caller.timing is not None:
                caller.timing.mark("plan")
            quiet = readonly or function.volatility != "volatile"
            return self._run(
                self._placed(caller, function), function, arguments, statements, read, page, quiet, max_affected
            )

        return self._runner.attempt(caller, name, "execute", attempt)

    def _run(
        self,
        caller: Caller,
        function: Function,
        arguments: Arguments,
        statements: list[Statement],
        read: Read,
        page: Page,
        readonly: bool,
        most: int | None,
    ) -> Rows:
        record = queries.audit_call(
            caller.identity,
            caller.request_id,
            function.name,
            arguments.recorded(function),
            definer=function.security_definer,
            in_transaction=not readonly,
        )
        executed = read.shape.explain is None or "analyze" in read.shape.explain
        if readonly:
            results = self._runner.run(caller, statements, readonly=True)
            rows = rows_of(results, read, page.offset, self._config.max_limit)
            if executed:
                # A transaction that may not write cannot hold the record either.
                self._db.run(None, [record])
            self._check(rows, read, most)
            return rows
        statements = [*statements, record] if executed else statements
        if not read.shape.singular and most is None:
            results = self._runner.run(caller, statements)
            return rows_of(results[: -1 if executed else None], read, page.offset, self._config.max_limit)
        # Whether to keep what it did is known only once its rows are counted.
        with self._runner.begin(caller) as tx:
            results = tx.run(statements)
            rows = rows_of(results[: -1 if executed else None], read, page.offset, self._config.max_limit)
            self._check(rows, read, most)
        return rows

    def _check(self, rows: Rows, read: Read, most: int | None) -> None:
        if read.shape.explain is not None:
            return
        if read.shape.singular and rows.count != 1:
            raise singular_mismatch(rows.count)
        if most is not None and rows.count > most:
            raise max_affected_exceeded(rows.count, most)

    def _placed(self, caller: Caller, function: Function) -> Caller:
        """Return the caller with those of the function's own settings that apply to the whole transaction."""
        hoisted: Mapping[str, str] = {name: value for name, value in function.settings if name in self._hoisted}
        if not hoisted:
            return caller
        settings, isolation = split_settings(hoisted)
        return replace(caller, settings={**caller.settings, **settings}, isolation=isolation or caller.isolation)

    def _statements(
        self, schema: Schema, function: Function, arguments: Arguments, parsed: Parsed, read: Read, page: Page
    ) -> list[Statement]:
        plan = self._plan(schema, function, arguments.call(function), read)
        specials: dict[int, str | bytes | None] = {
            LIMIT: str(page.limit),
            OFFSET: str(page.offset),
            CAP: str(self._config.max_limit + 1),
            **arguments.values(function),
        }
        explain = read.shape.explain
        statements = [statement_of(plan, parsed, specials, explain)]
        if plan.estimate is not None and explain is None:
            statements.append(statement_of(plan.estimate, parsed, specials))
        return statements

    def _plan(self, schema: Schema, function: Function, call: Call, read: Read) -> Plan:
        key = (schema.version, function.oid, call, read)
        plan = self._plans.get(key)
        if plan is None:
            plan = compile_call(schema, function, call, read, self._rules)
            if len(self._plans) >= _MOST_KEPT:
                self._plans.clear()
            self._plans[key] = plan
        return plan
