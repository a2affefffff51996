"""A transaction that is always rolled back, in which conditions are evaluated on rows as the caller would."""

from __future__ import annotations

from collections.abc import Collection

from reactor_data.access import queries, rows
from reactor_data.access.clauses import Clause, operands
from reactor_data.access.model import Judged, Outcome, Question, Side, Table, Trial
from reactor_data.sql.native import quote
from reactor_kernel.api import DatabaseFault, RawResult, Statement, Tx

# A sequence locked by a long transaction must not make everybody wait behind the explanation.
LOCK_WAIT_MS = 500

# ALTER SEQUENCE is transactional, unlike nextval: saying its own increment again moves it, as it stands, into storage of its
# own until the rollback, and what is taken from it meanwhile is taken from there. In one order, so that two do not deadlock.
_SHIELD = """
do $shield$
declare
  found record;
begin
  for found in
    select c.oid::regclass as name, q.seqincrement as step from pg_catalog.pg_class c
    join pg_catalog.pg_sequence q on q.seqrelid = c.oid
    where c.relpersistence <> 't' and pg_has_role(c.relowner, 'USAGE') and (%(every)s or exists (
      select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = %(oid)s
      union all
      select from pg_catalog.pg_depend d join pg_catalog.pg_attrdef f on f.oid = d.objid
      where d.classid = 'pg_catalog.pg_attrdef'::regclass and f.adrelid = %(oid)s
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = c.oid))
    order by c.oid
  loop
    execute format('alter sequence %%s increment by %%s', found.name, found.step);
  end loop;
end
$shield$
"""
_FOREIGN_SEQUENCES = """
select c.oid::regclass::text from pg_catalog.pg_attrdef f
join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = f.oid
  and d.refclassid = 'pg_catalog.pg_class'::regclass
join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind = 'S'
where f.adrelid = $1::oid and not pg_has_role(c.relowner, 'USAGE')
"""


class RowUnreadable(Exception):
    """The row cannot be read past row security: the key does not fit, or no role that may is to be had."""

    def __init__(self, fault: DatabaseFault) -> None:
        super().__init__(fault.primary)
        self.fault = fault


class Bench:
    """Holds the old and the new row in a temporary table, and evaluates conditions on them.

    A condition becomes a view with `security_invoker`, made by the login role: its names are resolved as in the policy,
    whatever schemas the caller may use, while functions, tables and policies in it are the caller's.
    """

    def __init__(self, tx: Tx, table: Table) -> None:
        self._tx = tx
        self._table = table
        self._views = 0
        tx.run(
            [
                queries.owner(f"create temporary table reactor_explained (side text, row {table.sql}) on commit drop"),
                queries.owner("grant select, insert on pg_temp.reactor_explained to public"),
            ]
        )

    def fetch(self, question: Question, service: str | None) -> int:
        """Put the row that the key names on the bench, read past row security; return how many rows it names.

        Raises RowUnreadable.
        """
        join, condition, params = rows.matching(self._table, question.key or {}, 1)
        text = (
            f"insert into pg_temp.reactor_explained select 'old', row(r.*)::{self._table.sql}"
            f" from {self._table.sql} as r{join} where {condition}"
        )
        count = queries.owner("select count(*) from pg_temp.reactor_explained where side = 'old'")
        try:
            past = [_row_security("off"), queries.owner(text, *params), _row_security("on"), count]
            return int(_text(self.tried(past)[-1].rows[0][0]))
        except DatabaseFault as fault:
            if service is None or fault.sqlstate != "42501":
                raise RowUnreadable(fault) from fault
        as_service = Statement("select set_config('role', $1, true)", (service,))
        try:
            return int(
                _text(self.tried([as_service, Statement(text, params, prepare=False)], then=count)[-1].rows[0][0])
            )
        except DatabaseFault as fault:
            raise RowUnreadable(fault) from fault

    def make_new_row(self, question: Question, numbered: Collection[str] | None) -> str | None:
        """Put the row as it would be on the bench; return why that cannot be done, None when it can.

        It is first written by the login role, so that defaults, generated columns and triggers do their part; where a
        constraint refuses that, values are merged with the old row and defaults without triggers. With `numbered`, the
        columns that a sequence fills, it is only merged, and they stay null: no number may be taken.
        """
        whole = ", ".join(f"r.{quote(column.name)}" for column in self._table.columns)
        made = rows.writing(question, self._table, f"row({whole})::{self._table.sql}::text")
        text: bytes | None = None
        if numbered is None:
            try:
                results = self.tried([_row_security("off"), queries.owner(made.text, *made.params)], keep=False)
                text = results[-1].rows[0][0] if results[-1].rows else None
            except DatabaseFault:
                text = None  # the trial as the caller says what is wrong with it
        if text is None:
            merged = rows.merged(question, self._table, numbered or ())
            try:
                text = self.tried([queries.owner(merged.text, *merged.params)], keep=False)[-1].rows[0][0]
            except DatabaseFault as fault:
                return fault.primary
        self._tx.run(
            [queries.owner(f"insert into pg_temp.reactor_explained values ('new', $1::{self._table.sql})", _text(text))]
        )
        return None

    def judge(self, clause: Clause, side: Side) -> Judged:
        """Evaluate a condition on a row, and its parts where it is not true."""
        outcome = self.evaluate(clause.sql, side)
        if outcome.value is None and outcome.error is None and not clause.parts:
            outcome = Outcome(None, because=self._null_operand(clause, side))
        return Judged(clause, outcome, tuple(self.judge(part, side) for part in clause.parts))

    def evaluate(self, sql: str, side: Side) -> Outcome:
        """Evaluate a boolean expression as the caller."""
        self._views += 1
        view = f"reactor_clause_{self._views}"
        row = f"unnest(array(select x.row from pg_temp.reactor_explained x where x.side = '{side}'))"
        try:
            self._tx.run([Statement("savepoint reactor_clause")])
            results = self._tx.run(
                [
                    queries.owner(
                        f"create temporary view {view} with (security_invoker = true) as"
                        f" select ({sql}) as result from {row} as {quote(self._table.name)}"
                    ),
                    queries.owner(f"grant select on pg_temp.{view} to public"),
                    Statement(f"select result from pg_temp.{view}", prepare=False),
                    Statement("release savepoint reactor_clause"),
                ]
            )
        except DatabaseFault as fault:
            self._tx.run([Statement("rollback to savepoint reactor_clause")])
            return Outcome(None, error=fault.primary)
        found = results[2].rows
        return Outcome(None if not found or found[0][0] is None else found[0][0] == b"t")

    def attempt(self, question: Question, returned: str) -> Trial:
        """Do what is asked as the caller, undo it, and say what happened. Constraints that wait for the commit are checked."""
        row = (
            rows.reading(question, self._table)
            if question.action == "select"
            else rows.writing(question, self._table, returned)
        )
        try:
            results = self.tried(
                [Statement(row.text, row.params, prepare=False), Statement("set constraints all immediate")], keep=False
            )
        except DatabaseFault as fault:
            return Trial(sqlstate=fault.sqlstate, error=fault.primary)
        return Trial(rows=len(results[0].rows))

    def shield_sequences(self) -> str | None:
        """Make what is taken from sequences come back with the rollback; return why that cannot be done, None when it is.

        Where triggers may write anywhere these are all sequences of the login role, else the table's. They are locked until
        the rollback.
        """
        (foreign,) = self._tx.run([queries.owner(_FOREIGN_SEQUENCES, str(self._table.oid))])
        if foreign.rows:
            return f"sequence {_text(foreign.rows[0][0])} belongs to another role, and its number would be lost"
        every = "true" if self._table.has_triggers else "false"
        waiting = queries.owner(f"select set_config('lock_timeout', '{LOCK_WAIT_MS}ms', true)")
        shield = queries.owner(_SHIELD % {"every": every, "oid": self._table.oid})
        patient = queries.owner("select set_config('lock_timeout', '0', true)")
        try:
            self.tried([waiting, shield, patient])
        except DatabaseFault as fault:
            return f"its sequences are in use ({fault.primary})"
        return None

    def tried(
        self, statements: list[Statement], *, then: Statement | None = None, keep: bool = True
    ) -> list[RawResult]:
        """Run statements in a savepoint, which is undone when one is refused, or in any case without `keep`."""
        begin, undo = Statement("savepoint reactor_try"), Statement("rollback to savepoint reactor_try")
        try:
            # Apart from the rest: a savepoint that is rolled back to takes the role back to what it was.
            self._tx.run([begin])
            results = self._tx.run(statements)
        except DatabaseFault:
            self._tx.run([undo])
            raise
        self._tx.run([Statement("release savepoint reactor_try") if keep else undo])
        return [*results, *self._tx.run([then])] if then is not None else results

    def _null_operand(self, clause: Clause, side: Side) -> str | None:
        shown, sql = operands(clause.shown), operands(clause.sql)
        for text, expression in zip(shown or (), sql or (), strict=False):
            if self.evaluate(f"({expression}) is null", side).value:
                return text
        return None


def _row_security(value: str) -> Statement:
    # With it off, Postgres refuses where it would otherwise hide rows from a role that is subject to policies.
    return queries.owner("select set_config('row_security', $1, true)", value)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
