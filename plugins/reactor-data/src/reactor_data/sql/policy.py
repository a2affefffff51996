"""The statements `policy … on … for … using (…) check (…)` and `drop policy … on …` (contract data.md §8.3)."""

from __future__ import annotations

from dataclasses import dataclass

from reactor_data.sql.expression import Expression, compile_expression
from reactor_data.sql.reader import TokenReader
from reactor_data.sql.source import SqlComplaint
from reactor_data.sql.statements import SqlStatement

SCOPES = ("select", "insert", "update", "delete")
# Its derived name would be that of the base policy.
RESERVED_NAME = "reactor"

_EXAMPLE = "policy todos_own on todos for select, update using (org_id = auth.org_id()) check (org_id = auth.org_id());"
_FORM = f"write it like: {_EXAMPLE}"


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as a migration names it. `schema` None = the user schema."""

    schema: str | None
    name: str
    start: int
    end: int

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class PolicyDeclaration:
    """A policy in Reactor's form. `scopes` has `all` expanded and no scope twice, in the order of SCOPES."""

    name: str
    table: TableName
    scopes: tuple[str, ...]
    using: Expression | None
    check: Expression | None
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PolicyRemoval:
    """`drop policy N on T`, which may mean a policy in Reactor's form or a native one."""

    name: str
    table: TableName


def parse_policy(text: str, statement: SqlStatement) -> PolicyDeclaration:
    """Parse a statement that begins with the word `policy`.

    Raises:
        SqlComplaint: it is not well-formed, or says something no native policy can express.
    """
    reader = TokenReader(statement)
    reader.expect_word("policy", fix=_FORM)
    name = reader.identifier("the policy's name", fix=_FORM)
    if name.text == RESERVED_NAME:
        reason = f'a policy cannot be called "{RESERVED_NAME}"'
        raise SqlComplaint(reason, start=name.start, end=name.end, fix="choose a name that says what it allows")
    reader.expect_word("on", fix=_FORM)
    table = read_table(reader)
    reader.expect_word("for", fix="name the scopes: for select, insert, update, delete or all")
    scopes = _scopes(reader)
    using, check = _clauses(text, reader)
    declaration = PolicyDeclaration(
        name.text, table, scopes, using, check, statement.text, statement.start, statement.end
    )
    _check_meaning(declaration)
    return declaration


def parse_removal(statement: SqlStatement) -> PolicyRemoval | None:
    """Parse `drop policy [if exists] N on T [cascade|restrict]`; None when it is anything else."""
    reader = TokenReader(statement)
    if not (reader.take_word("drop") and reader.take_word("policy")):
        return None
    if reader.take_word("if"):
        reader.take_word("exists")
    name = reader.identifier("the policy's name", fix="write: drop policy NAME on TABLE;")
    reader.expect_word("on", fix="write: drop policy NAME on TABLE;")
    removal = PolicyRemoval(name.text, read_table(reader))
    _ = reader.take_word("cascade") or reader.take_word("restrict")
    if not reader.done:
        raise reader.complaint("expected the end of the statement", fix="write: drop policy NAME on TABLE;")
    return removal


def read_table(reader: TokenReader) -> TableName:
    """Read a table's name, perhaps with its schema."""
    first = reader.identifier("a table", fix=_FORM)
    if not reader.take_symbol("."):
        return TableName(None, first.text, first.start, first.end)
    second = reader.identifier("the table's name", fix=_FORM)
    return TableName(first.text, second.text, first.start, second.end)


def _scopes(reader: TokenReader) -> tuple[str, ...]:
    wanted: set[str] = set()
    while True:
        fix = "use select, insert, update, delete or all"
        token = reader.identifier("a scope", fix=fix)
        if token.text == "all":
            wanted.update(SCOPES)
        elif token.text in SCOPES:
            wanted.add(token.text)
        else:
            raise SqlComplaint(f'"{token.text}" is not a scope', start=token.start, end=token.end, fix=fix)
        if not reader.take_symbol(","):
            return tuple(scope for scope in SCOPES if scope in wanted)


def _clauses(text: str, reader: TokenReader) -> tuple[Expression | None, Expression | None]:
    found: dict[str, Expression] = {}
    while not reader.done:
        token = reader.peek()
        clause = next((word for word in ("using", "check") if reader.take_word(word)), None)
        if clause is None or token is None:
            raise reader.complaint(
                "expected USING (…), CHECK (…) or the end of the statement",
                fix="for TO, AS RESTRICTIVE and the like write a native CREATE POLICY",
            )
        if clause in found:
            reason = f"{clause.upper()} stands twice"
            raise SqlComplaint(reason, start=token.start, end=token.end, fix="join the two conditions with AND")
        inner = reader.parenthesised(f"the condition of {clause.upper()}", fix=f"write {clause} (a boolean expression)")
        found[clause] = compile_expression(text, inner)
    return found.get("using"), found.get("check")


def _check_meaning(policy: PolicyDeclaration) -> None:
    where = {"start": policy.start, "end": policy.end}
    if policy.using is None and policy.check is None:
        reason = f'policy "{policy.name}" has neither USING nor CHECK'
        raise SqlComplaint(reason, **where, fix="say which rows it allows: using (…)")
    if policy.using is None:
        for scope in ("select", "delete"):
            if scope in policy.scopes:
                raise SqlComplaint(
                    f'policy "{policy.name}" is for {scope} but has only CHECK, which {scope} never tests',
                    **where,
                    fix=f"add using (…), or take {scope} out of its scopes",
                )
