"""Parsing filters and logic trees: operators, where their values end (contract data.md §4.2), and the clients' own forms."""

from __future__ import annotations

import re

from reactor_data.errors import invalid_filter
from reactor_data.query.ast import Condition, Field, Filter, Logic
from reactor_data.query.cursor import ARRAY_VALUE, GROUP, WORD, Cursor
from reactor_data.query.fields import read_field
from reactor_data.query.operators import KEYWORDS, OPERATORS, QUANTIFIED, UNQUANTIFIED, Family

MAX_DEPTH = 32
# What the JS client writes for plfts, phfts and wfts: `fts.plain:…`, `fts.english:websearch:…`. A `*` behind the colon is a
# prefix search for that very word.
TEXT_SEARCH = re.compile(r"(?:(\w+):)?(plain|phrase|websearch):(?!\*)(.*)\Z", re.DOTALL)
_TEXT_SEARCHES = {"plain": "plfts", "phrase": "phfts", "websearch": "wfts"}
_OPERATION = re.compile(rf'(?:not\.)?(?:{"|".join(OPERATORS)})(?:\((?:"(?:[^"\\]|\\.)*"|[^()"])*\))?\.', re.DOTALL)


def is_operation(value: str) -> bool:
    """Tell whether a value starts with an operator; among a function's parameters only such a one is a filter."""
    return _OPERATION.match(value) is not None


def read_filter(text: str, field: Field, values: list[str]) -> Filter:
    """Read the value of a filter parameter: all behind the operator's dot is the value, verbatim."""
    return _operation(Cursor(text, "filter"), field, values, nested=False)


def read_tree(text: str, connective: str, negated: bool, values: list[str]) -> Logic:
    """Read the value of an `and` or `or` parameter: `(condition, …)`, or `eq.(…)` as the JS client writes it."""
    cursor = Cursor(text, f"logic tree {'not.' if negated else ''}{connective}")
    cursor.blanks()
    cursor.take("eq.")
    found = _tree(cursor, connective, negated, values, 1)
    cursor.end()
    return found


def _tree(cursor: Cursor, connective: str, negated: bool, values: list[str], depth: int) -> Logic:
    if depth > MAX_DEPTH:
        raise invalid_filter(
            f"conditions are nested deeper than {MAX_DEPTH} levels", hint="Combine them in fewer and()/or() groups."
        )
    cursor.blanks()
    cursor.expect("(")
    children = [_condition(cursor, values, depth)]
    while cursor.take(","):
        children.append(_condition(cursor, values, depth))
    cursor.expect(")")
    cursor.blanks()
    return Logic(connective, tuple(children), negated)


def _condition(cursor: Cursor, values: list[str], depth: int) -> Condition:
    cursor.blanks()
    group = GROUP.match(cursor.text, cursor.at)
    if group is not None:
        cursor.at = group.end()
        return _tree(cursor, group.group(2), group.group(1) is not None, values, depth + 1)
    field = read_field(cursor)
    cursor.expect(".")
    found = _operation(cursor, field, values, nested=True)
    cursor.blanks()
    return found


def _operation(cursor: Cursor, field: Field, values: list[str], *, nested: bool) -> Filter:
    negated = False
    start = cursor.at
    name = (cursor.match(WORD) or "").lower()
    if name == "not" and cursor.take("."):
        negated = True
        start = cursor.at
        name = (cursor.match(WORD) or "").lower()
    operator = OPERATORS.get(name)
    if operator is None:
        cursor.at = start
        cursor.fail("operator (eq, gt, ...)")
    family = operator.family
    quantifier: str | None = None
    config: str | None = None
    if cursor.looking_at("("):
        if family in QUANTIFIED and name not in UNQUANTIFIED:
            quantifier = next((word for word in ("any", "all") if cursor.take(f"({word})")), None)
            if quantifier is None:
                cursor.fail("(any) or (all)")
        elif family is Family.FULL_TEXT:
            cursor.at += 1
            config = cursor.name()
            cursor.expect(")")
    cursor.expect(".")
    if family is Family.KEYWORD:
        return Filter(field, name, None, negated, keyword=_keyword(cursor, nested))
    if family is Family.LIST:
        return Filter(field, name, _slot(array_literal(_items(cursor, nested)), values), negated)
    value = _nested_value(cursor) if nested else cursor.text[cursor.at :]
    if family is Family.PATTERN:
        value = value.replace("*", "%")
    if name == "fts" and config is None and (search := TEXT_SEARCH.match(value)):
        config, kind, value = search.groups()
        name = _TEXT_SEARCHES[kind]
    chosen = None if config is None else _slot(config, values)
    return Filter(field, name, _slot(value, values), negated, quantifier, chosen)


def _slot(value: str, values: list[str]) -> int:
    values.append(value)
    return len(values) - 1


def _keyword(cursor: Cursor, nested: bool) -> str:
    start = cursor.at
    word = (cursor.match(WORD) or "").lower()
    if word not in KEYWORDS or not (nested or cursor.done):
        cursor.at = start
        cursor.fail("null, not_null, true, false or unknown")
    return word


def _nested_value(cursor: Cursor) -> str:
    if cursor.looking_at("{"):
        array = cursor.match(ARRAY_VALUE)
        if array is not None:
            return array
    return cursor.item()


def _items(cursor: Cursor, nested: bool) -> list[str]:
    """Read `( item, … )`. `()` is the empty list, `("")` one empty item."""
    cursor.expect("(")
    items: list[str] = []
    if not cursor.take(")"):
        while True:
            items.append(cursor.item())
            if cursor.take(")"):
                break
            cursor.expect(",")
    if not nested:
        cursor.blanks()
        cursor.end()
    return items


def array_literal(items: list[str]) -> str:
    """Write a Postgres array literal."""
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"
