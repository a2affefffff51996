"""Answers whether an identity may do something with a row, and which policy, clause or right decides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec

from reactor_data.access import queries
from reactor_data.access.bench import Bench, RowUnreadable
from reactor_data.access.clauses import Clause, parse_clause, tidy
from reactor_data.access.gates import Passage, PolicyReport, involved, pass_through
from reactor_data.access.grants import missing_rights
from reactor_data.access.model import NeededRight, Policy, Question, Refused, Table, Trial
from reactor_data.access.wording import allowance, denial, reason
from reactor_data.errors import DataError, column_not_found, invalid_body, table_not_found
from reactor_data.sql.native import quote
from reactor_kernel.api import Database, DatabaseFault, Identity, Isolation, RawResult, Statement, Tx

_TABLE = msgspec.json.Decoder(Table)
_RIGHT = msgspec.json.Decoder(NeededRight)
_ROLES = msgspec.json.Decoder(tuple[str, ...])
_METHODS = {"select": "GET", "insert": "POST", "update": "PATCH", "delete": "DELETE"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision and everything it rests on. `row_exists` is None for an insert."""

    allowed: bool
    role: str
    table: Table
    row_exists: bool | None
    missing: tuple[str, ...]
    reports: tuple[PolicyReport, ...]
    trial: Trial
    reason: str


class _Undo(Exception):
    """Ends the transaction without keeping anything."""


class AccessExplainer:
    """Explains decisions about rows of any table. Writes nothing: its one transaction is always rolled back.

    Args:
        search_path: that of requests for a schema; the first of the default one is where unqualified tables are.
        settings: those that requests of an identity have besides, and their isolation level.
        service_role: the role that reads past row security where the login role cannot; None where there is none.
        statement_timeout_ms: that of requests; 0 = none.
        pre_request: the function that is called before every request, if one is.
    """

    def __init__(
        self,
        database: Database,
        *,
        search_path: Callable[[str | None], Sequence[str]],
        settings: Callable[[Identity], tuple[Mapping[str, str], Isolation | None]],
        service_role: Callable[[], str | None],
        statement_timeout_ms: int = 0,
        pre_request: str | None = None,
    ) -> None:
        self._db = database
        self._path = search_path
        self._settings = settings
        self._service = service_role
        self._timeout = str(statement_timeout_ms)
        self._before = pre_request

    def place(self, name: str) -> tuple[str, str]:
        """Return schema and name of a relation, given as `table` of the exposed schema or as `schema.table`.

        Raises DataError 404 `table_not_found`.
        """
        schema = self._path(None)[0]
        found, names = self._db.run(None, queries.place(schema, name), readonly=True)
        if not found.rows:
            near = get_close_matches(name, [_text(row[0]) for row in names.rows], n=1, cutoff=0.6)
            raise table_not_found(name, schema, near)
        return _text(found.rows[0][0]), _text(found.rows[0][1])

    def explain(self, identity: Identity, question: Question) -> Explanation | Refused:
        """Answer a question.

        Raises:
            DataError: 404 `table_not_found`; 400 for columns that are not there and keys that name no single row.
        """
        path = self._path(question.schema)
        given, isolation = self._settings(identity)
        settings = {
            "search_path": ", ".join(quote(name) for name in path),
            "statement_timeout": self._timeout,
            **given,
            "request.method": _METHODS[question.action],
            "request.path": f"/data/v1/{question.table}",
            "request.headers": "{}",
            "request.cookies": "{}",
        }
        found: list[Explanation | Refused] = []
        try:
            with self._db.begin(identity, settings=settings, isolation=isolation) as tx:
                found.append(self._refused_before(tx) or self._explain(tx, question, path))
                raise _Undo
        except _Undo:
            return found[0]

    def _refused_before(self, tx: Tx) -> Refused | None:
        if self._before is None:
            return None
        function = ".".join(quote(part) for part in self._before.split("."))
        try:
            tx.run([Statement("savepoint reactor_before")])
            tx.run([Statement(f"select {function}()", prepare=False)])
        except DatabaseFault as fault:
            tx.run([Statement("rollback to savepoint reactor_before")])
            return Refused(
                f"{self._before}, which is called before every request, refuses it: {fault.primary} ({fault.sqlstate})"
            )
        return None

    def _explain(self, tx: Tx, question: Question, path: Sequence[str]) -> Explanation:
        role = _text(tx.run([Statement("select current_user::text")])[0].rows[0][0])
        table, policies, rights = self._facts(tx, question, role, path)
        question = _checked(question, table)
        bench = Bench(tx, table)
        unshielded = None if question.action == "select" else bench.shield_sequences()
        exists = None if question.action == "insert" else self._fetch(bench, question, table)
        concerned = table.kind in ("r", "p") and table.bypass is None
        reads = question.action != "insert" or question.returning
        used = involved(question.action, policies, reads=reads) if concerned else []
        new = False
        if used and question.action in ("insert", "update") and exists is not False:
            numbered = {right.column or "" for right in rights if right.kind == "sequence"}
            new = bench.make_new_row(question, None if unshielded is None else numbered) is None
        passage = Passage()
        if concerned and exists is not False:
            passage = pass_through(bench, question.action, used, reads=reads, old=exists is True, new=new)
        missing = missing_rights(question, table, rights, used)
        trial = Trial(skipped=unshielded) if unshielded else bench.attempt(question, _returned(question, table))
        denied = denial(question, table, role, missing, exists, passage, policies)
        return Explanation(
            allowed=denied is None if trial.skipped else trial.succeeded,
            role=role,
            table=table,
            row_exists=exists,
            missing=tuple(missing),
            reports=tuple(passage.reports.get(policy.name) or PolicyReport(policy) for policy in used),
            trial=trial,
            reason=reason(question, table, denied, allowance(table, role, passage), trial),
        )

    def _facts(
        self, tx: Tx, question: Question, role: str, path: Sequence[str]
    ) -> tuple[Table, list[Policy], list[NeededRight]]:
        unqualified = queries.search_path(path)
        (_, described, _) = tx.run(
            [queries.search_path([]), queries.table(question.schema, question.table, role), unqualified]
        )
        if not described.rows:
            raise table_not_found(question.table, question.schema, [])
        table = _TABLE.decode(described.rows[0][0] or b"")
        listed = queries.policies(table.oid, role)
        shown, _, qualified, _, needed = tx.run(
            [listed, queries.search_path([]), listed, unqualified, queries.needed(table.oid, role)]
        )
        return table, _policies(shown, qualified), [_RIGHT.decode(row[0] or b"") for row in needed.rows]

    def _fetch(self, bench: Bench, question: Question, table: Table) -> bool:
        try:
            count = bench.fetch(question, self._service())
        except RowUnreadable as unreadable:
            fault = unreadable.fault
            if fault.sqlstate == "42501":
                raise DataError(
                    403,
                    "permission_denied",
                    f"the row of {table.name} cannot be read past row security: {fault.primary}",
                    pgrst=fault.sqlstate,
                    hint="Let the login role own the table, or grant select on it to a service role with BYPASSRLS.",
                ) from unreadable
            raise DataError(
                400,
                "invalid_input",
                f"key does not fit table {table.name}: {fault.primary}",
                pgrst=fault.sqlstate,
                hint=fault.db_hint,
            ) from unreadable
        if count > 1:
            raise invalid_body(f"key names {count} rows of {table.name}", hint=_key_hint(table))
        return count == 1


def _checked(question: Question, table: Table) -> Question:
    """Refuse what cannot be asked of this table."""
    action = question.action
    if action == "insert" and question.key is not None:
        raise invalid_body("an insert has no key", hint="Put the new row's columns into values.")
    if action != "insert" and not question.key:
        raise invalid_body(f"{action} needs a key that names the row", hint=_key_hint(table))
    if question.values and action in ("select", "delete"):
        raise invalid_body(f"{action} takes no values", hint="They are those of an insert or update.")
    known = table.by_name
    for name in (*(question.key or ()), *question.values, *(question.columns or ())):
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.6)
            raise column_not_found(name, table.name, near, written=name in question.values)
    return question


def _key_hint(table: Table) -> str:
    names = table.primary_key or tuple(column.name for column in table.columns[:1])
    listed = ", ".join(f'"{name}": …' for name in names)
    return f'Name one row by its primary key: "key": {{{listed}}}.'


def _returned(question: Question, table: Table) -> str:
    if not question.returning:
        return "1"
    names = question.columns if question.columns is not None else tuple(column.name for column in table.columns)
    return ", ".join(f"r.{quote(name)}" for name in names) or "1"


def _policies(shown: RawResult, qualified: RawResult) -> list[Policy]:
    return [
        Policy(
            name=_text(one[0]),
            declared=None if one[1] is None else one[1].decode(),
            command=_text(one[2]),
            permissive=one[3] == b"t",
            roles=_ROLES.decode(one[4] or b"[]"),
            applies=one[5] == b"t",
            using=_clause(one[6], two[6]),
            check=_clause(one[7], two[7]),
        )
        for one, two in zip(shown.rows, qualified.rows, strict=True)
    ]


def _clause(shown: bytes | None, sql: bytes | None) -> Clause | None:
    return None if shown is None or sql is None else parse_clause(tidy(shown.decode()), sql.decode())


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
