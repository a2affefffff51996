"""The portable subset of SQL (contract data.md §8.2): `[data] dialect = "portable"` refuses what is outside of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reactor_data.sql.lexer import Kind, Token
from reactor_data.sql.source import SqlComplaint, SqlSource
from reactor_data.sql.statements import SqlStatement, statements

_NAMES = """reactor_id reactorid text varchar bool boolean int int4 integer bigint int8 float float8 real timestamptz jsonb json
bytea blob"""
TYPES = frozenset(_NAMES.split())
_DATA = ("insert", "update", "delete", "select", "with", "values")
_TABLE_RULES = ("constraint", "primary", "unique", "check", "foreign")
_ALTERATIONS = ("add", "drop", "rename")
_OTHER_ACTIONS = ("constraint", "primary", "unique", "check", "foreign")
_SPELLED = ", ".join(sorted(TYPES | {"double precision"}))


def portability(source: SqlSource, user_schema: str) -> list[SqlComplaint]:
    """Return everything in a file that is outside of the portable subset."""
    found: list[SqlComplaint] = []
    for statement in statements(source.text):
        found += _of_statement(statement, user_schema)
    return found


def _of_statement(statement: SqlStatement, user_schema: str) -> Iterator[SqlComplaint]:
    yield from _anywhere(statement, user_schema)
    words = statement.words(8)
    rest = [word for word in words if word not in ("if", "not", "exists")]
    if words[:1] == ("policy",) or words[:2] == ("drop", "policy") or (words and words[0] in _DATA):
        return
    if words[:2] == ("create", "policy") or words[:2] == ("alter", "policy"):
        yield _complaint(statement, "a native policy", "write it as: policy NAME on TABLE for … using (…) check (…);")
    elif words[:2] == ("create", "table"):
        yield from _created(statement)
    elif words[:2] == ("create", "index") or words[:3] == ("create", "unique", "index"):
        yield from _index(statement)
    elif words[:1] == ("create",) and "function" in words:
        yield from _function(statement)
    elif words[:2] == ("alter", "table"):
        yield from _altered(statement)
    elif rest[:2] not in (["drop", "table"], ["drop", "index"]):
        shown = " ".join(words[:2]).upper() or statement.tokens[0].text
        yield _complaint(statement, shown, "the subset has tables, indexes, SQL functions, policies and rows")


def _anywhere(statement: SqlStatement, user_schema: str) -> Iterator[SqlComplaint]:
    tokens = statement.tokens
    for at, token in enumerate(tokens[:-1]):
        if token.kind is Kind.WORD and token.text == "with" and tokens[at + 1].text == "recursive":
            yield SqlComplaint(
                _reason("WITH RECURSIVE"), start=token.start, end=tokens[at + 1].end, fix="query level by level"
            )
    named = _relation(statement)
    if named is not None and named[0].text != user_schema:
        yield SqlComplaint(
            _reason(f"another schema ({named[0].text})"),
            start=named[0].start,
            end=named[-1].end,
            fix=f"put it into {user_schema}: leave out the schema",
        )


def _relation(statement: SqlStatement) -> tuple[Token, ...] | None:
    """Return the tokens of the qualified name that the statement makes, changes or writes."""
    tokens = statement.tokens
    words = [token.text for token in tokens[:8]]
    for head in ("table", "index", "function", "into", "update", "from", "on"):
        if head in words:
            at = words.index(head) + 1
            while (
                at < len(tokens) and tokens[at].kind is Kind.WORD and tokens[at].text in ("if", "not", "exists", "only")
            ):
                at += 1
            if at + 2 < len(tokens) and tokens[at + 1].text == "." and tokens[at].text != "auth":
                return tokens[at : at + 3]
            return None
    return None


def _created(statement: SqlStatement) -> Iterator[SqlComplaint]:
    tokens = statement.tokens
    opening = next((at for at, token in enumerate(tokens) if token.text == "(" and token.kind is Kind.SYMBOL), None)
    if opening is None or any(token.text == "as" and token.kind is Kind.WORD for token in tokens[:opening]):
        yield _complaint(statement, "CREATE TABLE … AS", "create the table with its columns, then insert")
        return
    for item in _items(tokens, opening):
        first = item[0]
        if first.kind is Kind.WORD and first.text in ("like", "exclude"):
            yield SqlComplaint(
                _reason(first.text.upper()), start=first.start, end=item[-1].end, fix="write the columns out"
            )
        elif first.kind is not Kind.WORD or first.text not in _TABLE_RULES:
            yield from _column(item)


def _column(item: Sequence[Token]) -> Iterator[SqlComplaint]:
    """Look at `name type constraints`."""
    if len(item) < 2:
        return
    kind, after = item[1], 2
    spelled = kind.text
    if spelled == "double" and len(item) > 2 and item[2].text == "precision":
        spelled, after = "double precision", 3
    bad = kind.kind is not Kind.WORD or (spelled not in TYPES and spelled != "double precision")
    if not bad and after < len(item):
        bad = item[after].text == "[" or (item[after].text == "(" and spelled != "varchar")
    if bad:
        end = next((token.end for token in item[after:] if token.text == "]"), item[after - 1].end)
        yield SqlComplaint(_reason(f"the type {spelled}"), start=kind.start, end=end, fix=f"use one of {_SPELLED}")
    for token in item[after:]:
        if token.kind is Kind.WORD and token.text in ("generated", "collate", "exclude"):
            yield SqlComplaint(_reason(token.text.upper()), start=token.start, end=token.end, fix="leave it out")


def _index(statement: SqlStatement) -> Iterator[SqlComplaint]:
    for token in statement.tokens:
        if token.kind is Kind.WORD and token.text in ("concurrently", "using", "include"):
            yield SqlComplaint(
                _reason(f"{token.text.upper()} of an index"), start=token.start, end=token.end, fix="leave it out"
            )


def _function(statement: SqlStatement) -> Iterator[SqlComplaint]:
    tokens = statement.tokens
    for at, token in enumerate(tokens[:-1]):
        if token.kind is Kind.WORD and token.text == "language":
            following = tokens[at + 1]
            if following.text.strip("'").lower() != "sql":
                yield SqlComplaint(
                    _reason(f"a function in {following.text}"),
                    start=token.start,
                    end=following.end,
                    fix="write it in SQL",
                )
            return


def _altered(statement: SqlStatement) -> Iterator[SqlComplaint]:
    tokens = statement.tokens
    at = 2
    while at < len(tokens) and tokens[at].text in ("if", "exists", "only"):
        at += 1
    at += 3 if at + 1 < len(tokens) and tokens[at + 1].text == "." else 1
    for item in _split(tokens[at:]):
        action = item[0]
        second = item[1].text if len(item) > 1 else ""
        if action.kind is not Kind.WORD or action.text not in _ALTERATIONS:
            yield _action(item, "add, drop or rename columns, or rename the table")
        elif second in _OTHER_ACTIONS:
            yield _action(item, "say it where the table is created")
        elif action.text == "add":
            rest = [token for token in item[1:] if token.text not in ("column", "if", "not", "exists")]
            if rest:
                yield from _column([*rest[:1], *[token for token in item if token.start > rest[0].start]])


def _action(item: Sequence[Token], fix: str) -> SqlComplaint:
    shown = " ".join(token.text for token in item[:2] if token.kind is Kind.WORD).upper()
    return SqlComplaint(_reason(f"ALTER TABLE … {shown}"), start=item[0].start, end=item[-1].end, fix=fix)


def _items(tokens: Sequence[Token], opening: int) -> Iterator[list[Token]]:
    """Yield the comma-separated items inside the parenthesis that opens at an index."""
    depth, inside = 0, []
    for token in tokens[opening:]:
        if token.kind is Kind.SYMBOL:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0:
                break
        inside.append(token)
    yield from _split(inside[1:])


def _split(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    depth = 0
    current: list[Token] = []
    for token in tokens:
        if token.kind is Kind.SYMBOL:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "," and depth == 0:
                if current:
                    yield current
                current = []
                continue
        current.append(token)
    if current:
        yield current


def _complaint(statement: SqlStatement, what: str, fix: str) -> SqlComplaint:
    last = statement.tokens[min(1, len(statement.tokens) - 1)]
    return SqlComplaint(_reason(what), start=statement.start, end=last.end, fix=fix)


def _reason(what: str) -> str:
    return f'{what} is not part of the portable subset ([data] dialect = "portable")'
