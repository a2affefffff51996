"""One migration file inside its transaction: statements, and what follows from what they made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from reactor_data.realtime.recording import exempt, include
from reactor_data.sql.expression import Compiled
from reactor_data.sql.native import create_base, create_statement, native_name, native_policies, needs_base, qualified
from reactor_data.sql.policy import PolicyDeclaration, PolicyRemoval, TableName
from reactor_data.sql.recording import RecordingOption
from reactor_data.sql.script import PlainStatement, RemovalStatement, Step
from reactor_data.sql.source import SqlComplaint
from reactor_data.sql.statements import statements
from reactor_data.usermigrations import queries
from reactor_data.usermigrations.files import MigrationFile
from reactor_data.usermigrations.roles import RoleSet
from reactor_kernel.api import DatabaseFault, RawResult, Statement, Tx

_NAME = re.compile(r'"([^"]+)"')
_SUFFIXES = ("select", "insert", "update", "update_check", "delete")


class FileSession:
    """Performs a file's steps in order.

    After each statement the catalogue is compared with what it held before, so that a table made by `create table as`,
    by `select into` or inside a `do` block is protected like any other, before the next statement runs.
    """

    def __init__(self, tx: Tx, file: MigrationFile, exposed: Sequence[str], roles: RoleSet) -> None:
        self._tx = tx
        self._file = file
        self._exposed = exposed
        self._schema = exposed[0]
        self._roles = roles
        self._relations: set[str] = set()
        self._routines: set[str] = set()
        self._schemas: set[str] = set()
        self._definer_views: set[str] = set()

    def observe(self) -> None:
        """Take note of what exists before the file."""
        relations, routines, schemas = self._catalogue()
        self._schemas = {_text(row[0]) for row in schemas.rows}
        self._relations = {_text(row[0]) for row in relations.rows}
        self._definer_views = {_text(row[0]) for row in relations.rows if row[5] == b"true"}
        self._routines = {_text(row[0]) for row in routines.rows}

    def perform(self, step: Step) -> None:
        """Perform one step. Raises SqlComplaint pointing at what was refused."""
        if isinstance(step, PlainStatement):
            self._execute(step.compiled, step.start)
            self._protect(step.row_security, step.realtime)
        elif isinstance(step, RecordingOption):
            schema, table = self._existing_table(step.table, secured=False)
            self._tx.run([include(schema, table) if step.enabled else exempt(schema, table)])
        elif isinstance(step, PolicyDeclaration):
            self._declare(step)
        else:
            self._remove(step)

    def finish(self) -> None:
        """Clear away what dropped tables and policies left behind."""
        _, lone = self._tx.run([queries.FORGET_LOST_POLICIES, queries.LONE_BASES])
        drops = [queries.drop_native("reactor__insert", _text(schema), _text(table)) for schema, table in lone.rows]
        if drops:
            self._tx.run(drops)

    def _catalogue(self) -> tuple[RawResult, RawResult, RawResult]:
        relations, routines, schemas = self._tx.run(
            [Statement(queries.RELATIONS), Statement(queries.ROUTINES), queries.SCHEMAS]
        )
        return relations, routines, schemas

    def _execute(self, compiled: Compiled, start: int) -> None:
        try:
            self._tx.run([Statement(compiled.sql, prepare=False)])
        except DatabaseFault as fault:
            offset = None if fault.position is None else compiled.origin(fault.position - 1)
            place = self._mentioned(fault, start) if offset is None else offset
            reason = fault.primary if fault.detail is None else f"{fault.primary} ({fault.detail})"
            raise SqlComplaint(f"{reason} [{fault.sqlstate}]", start=place, fix=fault.db_hint) from fault

    def _mentioned(self, fault: DatabaseFault, start: int) -> int:
        """Find the name an error is about: for CREATE POLICY Postgres does not say where in the text it is."""
        named = _NAME.search(fault.primary)
        if named is None:
            return start
        wanted = named.group(1).rsplit(".", 1)[-1]
        steps = statements(self._file.source.text)
        own = next((one.tokens for one in steps if one.start == start), ())
        return next((token.start for token in own if token.text == wanted), start)

    def _protect(self, row_security: bool, realtime: bool) -> None:
        relations, routines, schemas = self._catalogue()
        work: list[Statement] = []
        for (schema,) in schemas.rows:
            if _text(schema) not in self._schemas:
                self._schemas.add(_text(schema))
                if _text(schema) in self._exposed:
                    work += queries.open_schema(_text(schema), self._roles.granted)
        for oid, schema, name, kind, _, definer, persistence in relations.rows:
            # CREATE OR REPLACE VIEW drops the options of the view it replaces.
            if definer == b"true" and _text(oid) not in self._definer_views:
                work.append(queries.make_invoker(_text(schema), _text(name)))
            if _text(oid) not in self._relations and persistence != b"t":
                self._relations.add(_text(oid))
                work += queries.protect_relation(
                    _text(schema),
                    _text(name),
                    _text(kind),
                    roles=self._roles.granted,
                    service=self._roles.service,
                    exposed=_text(schema) in self._exposed,
                    row_security=row_security,
                )
                if not realtime and kind in (b"r", b"p"):
                    work.append(exempt(_text(schema), _text(name)))
        for oid, schema, signature, kind in routines.rows:
            if _text(oid) not in self._routines:
                self._routines.add(_text(oid))
                exposed = _text(schema) in self._exposed
                work += queries.protect_routine(
                    _text(signature), _text(kind), roles=self._roles.granted, exposed=exposed
                )
        if work:
            self._tx.run(work)

    def _declare(self, policy: PolicyDeclaration) -> None:
        schema, table = self._existing_table(policy.table)
        relation = qualified(schema, table)
        natives = native_policies(policy)
        self._drop_derived(schema, table, policy.name)
        for native in natives:
            self._execute(create_statement(native, relation, self._roles.callers), policy.start)
        if needs_base(policy):
            (base,) = self._tx.run([queries.find_base(schema, table)])
            if not base.rows:
                self._tx.run([Statement(create_base(relation, self._roles.callers), prepare=False)])
        record = queries.record_policy(
            schema,
            table,
            policy.name,
            scopes=policy.scopes,
            using=policy.using.compiled.sql if policy.using else None,
            check=policy.check.compiled.sql if policy.check else None,
            raw_text=policy.text,
            native_names=[native.name for native in natives],
            migration=self._file.version,
        )
        self._tx.run([queries.forget_policy(schema, table, policy.name), record])

    def _existing_table(self, named: TableName, *, secured: bool = True) -> tuple[str, str]:
        schema = named.schema or self._schema
        found, others = self._tx.run([queries.find_table(schema, named.name), queries.table_names(schema)])
        if not found.rows:
            near = get_close_matches(named.name, [_text(row[0]) for row in others.rows], n=1, cutoff=0.6)
            raise SqlComplaint(
                f'table "{schema}.{named.name}" does not exist',
                start=named.start,
                end=named.end,
                fix=f'write "{near[0]}"' if near else "create the table in an earlier statement or file",
            )
        kind, row_security = found.rows[0]
        if secured and kind in (b"r", b"p") and row_security != b"true":
            raise SqlComplaint(
                f'row security is off for table "{schema}.{named.name}", so that a policy on it would do nothing',
                start=named.start,
                end=named.end,
                fix=f"add before it: alter table {named} enable row level security;",
            )
        return schema, named.name

    def _remove(self, step: RemovalStatement) -> None:
        removal: PolicyRemoval = step.removal
        schema = removal.table.schema or self._schema
        (declared,) = self._tx.run([queries.declared_policy(schema, removal.table.name, removal.name)])
        if not declared.rows:
            self._execute(step.plain.compiled, step.plain.start)
            return
        self._drop_derived(schema, removal.table.name, removal.name)
        self._tx.run([queries.forget_policy(schema, removal.table.name, removal.name)])

    def _drop_derived(self, schema: str, table: str, policy: str) -> None:
        names: Sequence[str] = [native_name(policy, suffix) for suffix in _SUFFIXES]
        self._tx.run([queries.drop_native(name, schema, table) for name in names])


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
