"""Parsing a query string (contract data.md §4.1 and §4.2)."""

from __future__ import annotations

from reactor_data.errors import DataError, invalid_filter, unsupported
from reactor_data.query.ast import Condition, Field, Filter, Logic, Parsed, Query, Star
from reactor_data.query.cursor import ARRAY_VALUE, INTEGER, RAW_VALUE, WORD, Cursor
from reactor_data.query.fields import parse_filter_key, parse_names, parse_order, parse_select, read_field
from reactor_data.query.operators import KEYWORDS, OPERATORS, QUANTIFIED, UNQUANTIFIED, Family
from reactor_data.query.text import pairs

MAX_DEPTH = 32
_BIGGEST = 2**63 - 1
_TREE_KEYS = {"and": ("and", False), "or": ("or", False), "not.and": ("and", True), "not.or": ("or", True)}
_RESERVED_ENDS = ("order", "limit", "offset", "and", "or")


def parse_query(raw: str) -> Parsed:
    """Parse a raw query string.

    Raises:
        DataError: 400 `invalid_filter` with the place, 501 for grammar this version does not do.
    """
    if not raw:
        return Parsed(Query(), [])
    parsed = _Parser()
    for key, value in pairs(raw):
        parsed.parameter(key, value)
    return parsed.result()


class _Parser:
    """Gathers the parameters of one query string."""

    def __init__(self) -> None:
        self.select = (Star(),)
        self.where: list[Condition] = []
        self.values: list[str] = []
        self.query: dict[str, object] = {}
        self.limit: int | None = None
        self.offset = 0

    def result(self) -> Parsed:
        query = Query(where=tuple(self.where), **self.query)  # type: ignore[arg-type]
        return Parsed(query, self.values, self.limit, self.offset)

    def parameter(self, key: str, value: str) -> None:
        if key == "select":
            self.query["select"] = parse_select(value)
        elif key == "order":
            self.query["order"] = parse_order(value)
        elif key == "limit":
            self.limit = _number(value, self.limit)
        elif key == "offset":
            self.offset = max(_number(value, self.offset) or 0, 0)
        elif key == "columns" or key == "on_conflict":
            self.query[key] = parse_names(value, key)
        elif key in _TREE_KEYS:
            connective, negated = _TREE_KEYS[key]
            cursor = Cursor(value, f"logic tree {key}")
            self.where.append(self._tree(cursor, connective, negated, 1))
            cursor.end()
        elif key == "subscribe":
            raise DataError(
                426,
                "realtime_unavailable",
                "subscribing is not available: this version has no realtime",
                hint="Read without subscribe=, or poll.",
            )
        elif "." in key and '"' not in key and key.rsplit(".", 1)[1] in _RESERVED_ENDS:
            raise unsupported(f"a parameter of an embed ({key}) is")
        else:
            self._filter(key, value)

    def _filter(self, key: str, value: str) -> None:
        """Read a top-level filter: everything behind the operator's dot is the value, verbatim."""
        field = parse_filter_key(key)
        cursor = Cursor(value, "filter")
        self.where.append(self._operation(cursor, field, nested=False))

    def _operation(self, cursor: Cursor, field: Field, *, nested: bool) -> Filter:
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
        config: int | None = None
        if cursor.looking_at("("):
            if family in QUANTIFIED and name not in UNQUANTIFIED:
                quantifier = next((word for word in ("any", "all") if cursor.take(f"({word})")), None)
                if quantifier is None:
                    cursor.fail("(any) or (all)")
            elif family is Family.FULL_TEXT:
                cursor.at += 1
                config = self._slot(cursor.name())
                cursor.expect(")")
        cursor.expect(".")
        if family is Family.KEYWORD:
            return Filter(field, name, None, negated, keyword=_keyword(cursor, nested))
        if family is Family.LIST:
            return Filter(field, name, self._slot(array_literal(_items(cursor, nested))), negated)
        value = _nested_value(cursor) if nested else cursor.text[cursor.at :]
        if family is Family.PATTERN:
            value = value.replace("*", "%")
        return Filter(field, name, self._slot(value), negated, quantifier, config)

    def _tree(self, cursor: Cursor, connective: str, negated: bool, depth: int) -> Logic:
        if depth > MAX_DEPTH:
            raise invalid_filter(
                f"conditions are nested deeper than {MAX_DEPTH} levels", hint="Combine them in fewer and()/or() groups."
            )
        cursor.blanks()
        cursor.expect("(")
        children = [self._condition(cursor, depth)]
        while cursor.take(","):
            children.append(self._condition(cursor, depth))
        cursor.expect(")")
        cursor.blanks()
        return Logic(connective, tuple(children), negated)

    def _condition(self, cursor: Cursor, depth: int) -> Condition:
        cursor.blanks()
        for key, (connective, negated) in _TREE_KEYS.items():
            if cursor.looking_at(f"{key}("):
                cursor.at += len(key)
                return self._tree(cursor, connective, negated, depth + 1)
        field = read_field(cursor)
        cursor.expect(".")
        found = self._operation(cursor, field, nested=True)
        cursor.blanks()
        return found

    def _slot(self, value: str) -> int:
        self.values.append(value)
        return len(self.values) - 1


def _number(text: str, otherwise: int | None) -> int | None:
    """Read limit or offset; what cannot be read is ignored."""
    text = text.strip(" ")
    if not INTEGER.fullmatch(text) or not text.isascii():
        return otherwise
    return max(-1, min(int(text[:20]), _BIGGEST))


def _keyword(cursor: Cursor, nested: bool) -> str:
    start = cursor.at
    word = (cursor.match(WORD) or "").lower()
    if word not in KEYWORDS or not (nested or cursor.done):
        cursor.at = start
        cursor.fail("null, not_null, true, false or unknown")
    return word


def _nested_value(cursor: Cursor) -> str:
    quoted = cursor.quoted()
    if quoted is not None:
        return quoted
    array = cursor.match(ARRAY_VALUE)
    return array if array is not None else (cursor.match(RAW_VALUE) or "")


def _items(cursor: Cursor, nested: bool) -> list[str]:
    """Read `( item, … )`. `()` is the empty list, `("")` one empty item."""
    cursor.expect("(")
    items: list[str] = []
    if not cursor.take(")"):
        while True:
            quoted = cursor.quoted()
            items.append(quoted if quoted is not None else (cursor.match(RAW_VALUE) or ""))
            if cursor.take(")"):
                break
            cursor.expect(",")
    if not nested:
        cursor.end()
    return items


def array_literal(items: list[str]) -> str:
    """Write a Postgres array literal."""
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"
