"""Parsing what stands in `select`, `order`, `columns` and filter keys.

These texts recur from request to request, hence the memos; they are pure functions of their text.
"""

from __future__ import annotations

from functools import lru_cache

from reactor_data.errors import unsupported
from reactor_data.query.ast import Field, Item, JsonIndex, JsonKey, JsonStep, Order, Selection, Star
from reactor_data.query.cursor import ARROW, CAST, INTEGER, JSON_KEY, WORD, Cursor

_AGGREGATES = ("sum", "avg", "count", "max", "min")
_MEMO = 512


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


@lru_cache(_MEMO)
def parse_select(text: str) -> tuple[Selection, ...]:
    """Parse the value of `select`; empty means `*`."""
    if not text.strip(" "):
        return (Star(),)
    cursor = Cursor(text, "select parameter")
    items = [_selection(cursor)]
    while cursor.take(","):
        items.append(_selection(cursor))
    cursor.end()
    return tuple(items)


def _selection(cursor: Cursor) -> Selection:
    cursor.blanks()
    if cursor.take("*"):
        cursor.blanks()
        return Star()
    if cursor.looking_at("..."):
        raise unsupported("spreading an embed (...) is")
    name = cursor.name()
    alias = None
    if cursor.looking_at(":") and not cursor.looking_at("::"):
        cursor.at += 1
        alias, name = name, cursor.name()
    if cursor.looking_at("!") or cursor.looking_at("("):
        if name == "count" and cursor.looking_at("()"):
            raise unsupported("the aggregate count() is")
        raise unsupported(f"embedding ({name}(…)) is")
    field = Field(name, read_path(cursor))
    cast = None
    if cursor.take("::"):
        cast = (cursor.match(CAST) or "").strip(" ")
        if not cast:
            cursor.fail("a type")
    if cursor.take("."):
        aggregate = cursor.match(WORD)
        if aggregate in _AGGREGATES and cursor.looking_at("()"):
            raise unsupported(f"the aggregate {aggregate}() is")
        cursor.fail("an aggregate such as sum()")
    return Item(field, alias, cast)


@lru_cache(_MEMO)
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
    if cursor.looking_at("("):
        raise unsupported(f"ordering by an embed ({field.name}(…)) is")
    descending: bool | None = None
    nulls: str | None = None
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
    return Order(field, descending, nulls)


@lru_cache(_MEMO)
def parse_names(text: str, what: str) -> tuple[str, ...]:
    """Parse a list of names, the value of `columns` or `on_conflict`."""
    cursor = Cursor(text, what)
    names = [cursor.name()]
    while cursor.take(","):
        names.append(cursor.name())
    cursor.end()
    return tuple(dict.fromkeys(names))


@lru_cache(_MEMO)
def parse_filter_key(text: str) -> Field:
    """Parse the key of a filter."""
    cursor = Cursor(text, "filter key")
    field = read_field(cursor)
    if cursor.looking_at("."):
        raise unsupported(f"a parameter of an embed ({text}) is")
    cursor.end()
    return field
