"""Parsing what stands in `select`, `order`, `columns` and in the keys of parameters.

These texts recur from request to request and are remembered; what is made of them is a pure function of the text.
"""

from __future__ import annotations

from typing import NamedTuple

from reactor_data.errors import DataError
from reactor_data.query.ast import Count, Embed, Field, Item, JsonIndex, JsonKey, JsonStep, Order, Selection, Star
from reactor_data.query.cursor import ARROW, CAST, INTEGER, JSON_KEY, WORD, Cursor
from reactor_data.query.text import remembered

AGGREGATES = ("sum", "avg", "count", "max", "min")
JOINS = ("inner", "left")
RESERVED_ENDS = ("order", "limit", "offset", "and", "or")


def read_field(cursor: Cursor) -> Field:
    """Read a name and the JSON path behind it."""
    return Field(cursor.name(), read_path(cursor))


def read_path(cursor: Cursor) -> tuple[JsonStep, ...]:
    """Read `->key`, `->>key`, `->0` … as far as they go."""
    steps: list[JsonStep] = []
    while arrow := cursor.match(ARROW):
        as_text = arrow == "->>"
        quoted = cursor.quoted()
        if quoted is not None:
            steps.append(JsonKey(quoted, as_text))
            continue
        key = cursor.match(JSON_KEY)
        if not key:
            cursor.fail("a key or an index")
        elif INTEGER.fullmatch(key) and len(key) <= 11 and -(2**31) <= int(key) < 2**31:
            steps.append(JsonIndex(int(key), as_text))
        else:
            steps.append(JsonKey(key.strip(" "), as_text))
    return tuple(steps)


@remembered
def parse_select(text: str, max_depth: int) -> tuple[Selection, ...]:
    """Parse the value of `select`; empty means `*`. An embed directly in it is at depth 1.

    Raises:
        DataError: 400 `invalid_filter` with the place, `invalid_query` for embeds deeper than `max_depth`.
    """
    if not text.strip(" "):
        return (Star(),)
    cursor = Cursor(text, "select parameter")
    found = _selections(cursor, 0, max_depth)
    cursor.end()
    return found


def _selections(cursor: Cursor, depth: int, max_depth: int) -> tuple[Selection, ...]:
    if depth > max_depth:
        raise DataError(
            400,
            "invalid_query",
            f"embeds are nested deeper than {max_depth} levels",
            detail=f"the embed at column {cursor.at} of select is at level {depth}",
            hint="Ask for the inner rows in a request of their own, or raise max_embed_depth in [data].",
        )
    items = [_selection(cursor, depth, max_depth)]
    while cursor.take(","):
        items.append(_selection(cursor, depth, max_depth))
    return tuple(items)


def _selection(cursor: Cursor, depth: int, max_depth: int) -> Selection:
    cursor.blanks()
    if cursor.take("*"):
        cursor.blanks()
        return Star()
    if cursor.take("..."):
        return _embed(cursor, cursor.name(), None, depth, max_depth, spread=True)
    bare = not cursor.looking_at('"')
    name = cursor.name()
    alias = None
    if cursor.looking_at(":") and not cursor.looking_at("::"):
        cursor.at += 1
        cursor.blanks()
        bare = not cursor.looking_at('"')
        alias, name = name, cursor.name()
    if bare and name == "count" and cursor.take("()"):
        return Count(alias, _cast(cursor))
    if cursor.looking_at("!") or cursor.looking_at("("):
        return _embed(cursor, name, alias, depth, max_depth)
    field = Field(name, read_path(cursor))
    cursor.blanks()
    cast = _cast(cursor)
    if not cursor.take("."):
        return Item(field, alias, cast)
    start = cursor.at
    aggregate = cursor.match(WORD)
    if aggregate not in AGGREGATES or not cursor.take("()"):
        cursor.at = start
        cursor.fail("sum(), avg(), count(), max() or min()")
    return Item(field, alias, cast, aggregate, _cast(cursor))


def _cast(cursor: Cursor) -> str | None:
    cast = None
    if cursor.take("::"):
        cast = (cursor.match(CAST) or "").strip(" ")
        if not cast:
            cursor.fail("a type")
    cursor.blanks()
    return cast


def _embed(cursor: Cursor, name: str, alias: str | None, depth: int, max_depth: int, *, spread: bool = False) -> Embed:
    hint: str | None = None
    join: str | None = None
    while cursor.take("!"):
        start = cursor.at
        bare = not cursor.looking_at('"')
        word = cursor.name()
        if bare and word in JOINS and join is None:
            join = word
        elif hint is None and not (bare and word in JOINS):
            hint = word
        else:
            cursor.at = start
            cursor.fail('"(", for an embed has one hint and one of inner and left')
    cursor.expect("(")
    cursor.blanks()
    select: tuple[Selection, ...] = ()
    if not cursor.take(")"):
        select = _selections(cursor, depth + 1, max_depth)
        cursor.expect(")")
    cursor.blanks()
    return Embed(name, select, alias, hint, join, spread)


@remembered
def parse_order(text: str) -> tuple[Order, ...]:
    """Parse the value of `order`."""
    cursor = Cursor(text, "order")
    terms = [_order(cursor)]
    while cursor.take(","):
        terms.append(_order(cursor))
    cursor.end()
    return tuple(terms)


def _order(cursor: Cursor) -> Order:
    field = read_field(cursor)
    if field.path or not cursor.take("("):
        descending, nulls = _modifiers(cursor, None, None)
        return Order(field, descending, nulls)
    # PostgREST has the modifiers behind the parenthesis, the JS client within.
    inner = read_field(cursor)
    descending, nulls = _modifiers(cursor, None, None)
    cursor.expect(")")
    descending, nulls = _modifiers(cursor, descending, nulls)
    return Order(inner, descending, nulls, field.name)


def _modifiers(cursor: Cursor, descending: bool | None, nulls: str | None) -> tuple[bool | None, str | None]:
    cursor.blanks()
    while cursor.take("."):
        at = cursor.at
        word = cursor.match(WORD)
        if word in ("asc", "desc") and descending is None and nulls is None:
            descending = word == "desc"
        elif word in ("nullsfirst", "nullslast") and nulls is None:
            nulls = word.removeprefix("nulls")
        else:
            cursor.at = at
            cursor.fail("asc, desc, nullsfirst or nullslast" if nulls is None else "the end of the term")
    cursor.blanks()
    return descending, nulls


@remembered
def parse_names(text: str, what: str) -> tuple[str, ...]:
    """Parse a list of names, the value of `columns` or `on_conflict`."""
    cursor = Cursor(text, what)
    names = [cursor.name()]
    while cursor.take(","):
        names.append(cursor.name())
    cursor.end()
    return tuple(dict.fromkeys(names))


class Key(NamedTuple):
    """The key of a parameter. `kind` is one of `RESERVED_ENDS` or "filter"; `path` names the embed it is meant for."""

    kind: str
    path: tuple[str, ...]
    field: Field
    negated: bool = False


@remembered
def parse_key(text: str) -> Key:
    """Parse the key of a filter, or of what else may carry the path of an embed. A quoted name is never reserved."""
    cursor = Cursor(text, "parameter name")
    names: list[tuple[str, bool]] = []
    while True:
        cursor.blanks()
        bare = not cursor.looking_at('"')
        field = read_field(cursor)
        if field.path or not cursor.take("."):
            break
        names.append((field.name, bare))
    cursor.end()
    kind = field.name if bare and not field.path and field.name in RESERVED_ENDS else "filter"
    negated = kind in ("and", "or") and bool(names) and names[-1] == ("not", True)
    if negated:
        names.pop()
    return Key(kind, tuple(name for name, _ in names), field, negated)
