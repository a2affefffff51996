"""The query grammar: what is printed from a tree is parsed back to it; what is wrong is quoted with its place."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.errors import DataError
from reactor_data.query.ast import Field, Filter, Item, JsonIndex, JsonKey, Logic, Order, Query, Star
from reactor_data.query.operators import KEYWORDS, OPERATORS, QUANTIFIED, UNQUANTIFIED, Family
from reactor_data.query.parser import array_literal, parse_query

# -- printing -----------------------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_field(field: Field) -> str:
    steps = "".join(
        ("->>" if step.as_text else "->") + (quoted(step.key) if isinstance(step, JsonKey) else str(step.index))
        for step in field.path
    )
    return quoted(field.name) + steps


def print_selection(item: Star | Item) -> str:
    if isinstance(item, Star):
        return "*"
    alias = "" if item.alias is None else quoted(item.alias) + ":"
    cast = "" if item.cast is None else f"::{item.cast}"
    return alias + print_field(item.field) + cast


def print_order(order: Order) -> str:
    direction = {None: "", True: ".desc", False: ".asc"}[order.descending]
    return print_field(order.field) + direction + (f".nulls{order.nulls}" if order.nulls else "")


def print_operation(found: Filter, values: list[str], nested: bool) -> str:
    head = ("not." if found.negated else "") + found.operator
    if found.slot is None:
        return f"{head}.{found.keyword}"
    value = values[found.slot]
    if OPERATORS[found.operator].family is Family.LIST:
        # The values of a list are kept as the array literal that they were compiled to.
        assert value == "{}" or value.startswith('{"')
        return f"{head}.({value[1:-1]})"
    if found.quantifier:
        head += f"({found.quantifier})"
    if found.config is not None:
        head += f"({quoted(values[found.config])})"
    return f"{head}.{quoted(value) if nested else value}"


def print_condition(condition: Filter | Logic, values: list[str]) -> str:
    if isinstance(condition, Filter):
        return f"{print_field(condition.field)}.{print_operation(condition, values, True)}"
    return ("not." if condition.negated else "") + condition.connective + print_children(condition, values)


def print_children(logic: Logic, values: list[str]) -> str:
    return "(" + ",".join(print_condition(child, values) for child in logic.children) + ")"


def print_query(query: Query, values: list[str]) -> str:
    pairs = []
    if query.select != (Star(),):
        pairs.append(("select", ",".join(map(print_selection, query.select))))
    for condition in query.where:
        if isinstance(condition, Logic):
            key = ("not." if condition.negated else "") + condition.connective
            pairs.append((key, print_children(condition, values)))
        else:
            pairs.append((print_field(condition.field), print_operation(condition, values, False)))
    if query.order:
        pairs.append(("order", ",".join(map(print_order, query.order))))
    for key in ("columns", "on_conflict"):
        if (names := getattr(query, key)) is not None:
            pairs.append((key, ",".join(map(quoted, names))))
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)


# -- making trees -------------------------------------------------------------------------------------------------

characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
names = st.text(characters, min_size=1, max_size=8)
texts = st.text(characters, max_size=10)
steps = st.one_of(
    st.builds(JsonKey, texts, st.booleans()), st.builds(JsonIndex, st.integers(-(2**31), 2**31 - 1), st.booleans())
)
fields = st.builds(Field, names, st.lists(steps, max_size=3).map(tuple))
casts = st.sampled_from(["text", "int4", "double precision"])
items = st.builds(Item, fields, st.none() | names, st.none() | casts)
orders = st.builds(Order, fields, st.none() | st.booleans(), st.none() | st.sampled_from(["first", "last"]))


@st.composite
def filters(draw: st.DrawFn, values: list[str]) -> Filter:
    def slot(value: str) -> int:
        values.append(value)
        return len(values) - 1

    name = draw(st.sampled_from(sorted(OPERATORS)))
    family = OPERATORS[name].family
    field, negated = draw(fields), draw(st.booleans())
    if family is Family.KEYWORD:
        return Filter(field, name, None, negated, keyword=draw(st.sampled_from(sorted(KEYWORDS))))
    if family is Family.LIST:
        return Filter(field, name, slot(array_literal(draw(st.lists(texts, max_size=3)))), negated)
    quantifier = None
    if family in QUANTIFIED and name not in UNQUANTIFIED:
        quantifier = draw(st.sampled_from([None, "any", "all"]))
    config = slot(draw(names)) if family is Family.FULL_TEXT and draw(st.booleans()) else None
    value = draw(texts)
    if family is Family.PATTERN:
        value = value.replace("*", "%")
    return Filter(field, name, slot(value), negated, quantifier, config)


@st.composite
def conditions(draw: st.DrawFn, values: list[str], depth: int) -> Filter | Logic:
    if depth == 0 or draw(st.integers(0, 2)):
        return draw(filters(values))
    children = tuple(draw(conditions(values, depth - 1)) for _ in range(draw(st.integers(1, 3))))
    return Logic(draw(st.sampled_from(["and", "or"])), children, draw(st.booleans()))


@st.composite
def queries(draw: st.DrawFn) -> tuple[Query, list[str]]:
    values: list[str] = []
    where = tuple(draw(conditions(values, 2)) for _ in range(draw(st.integers(0, 3))))
    name_lists = st.none() | st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)
    query = Query(
        select=draw(st.lists(st.one_of(st.just(Star()), items), min_size=1, max_size=3).map(tuple)),
        where=where,
        order=draw(st.lists(orders, max_size=2).map(tuple)),
        columns=draw(name_lists),
        on_conflict=draw(name_lists),
    )
    return query, values


@given(queries())
def test_what_is_printed_is_parsed_back(made: tuple[Query, list[str]]) -> None:
    query, values = made
    parsed = parse_query(print_query(query, values))
    assert parsed.query == query
    assert parsed.values == values


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_query_string_is_parsed_or_refused_with_a_status(text: str) -> None:
    for raw in (quote(text, safe="=&.(),:*->!"), text.encode().decode("latin-1")):
        status = 200
        try:
            parse_query(raw)
        except DataError as error:
            status = error.status or 0
        assert status in (200, 400, 426, 501)


@given(st.lists(texts, max_size=4))
def test_list_items_survive_quoting(given_items: list[str]) -> None:
    raw = "a=in." + quote("(" + ",".join(quoted(item) for item in given_items) + ")")
    assert parse_query(raw).values == [array_literal(given_items)]


# -- single facts -------------------------------------------------------------------------------------------------


def test_a_top_level_value_is_verbatim() -> None:
    assert parse_query('name=eq."x",(y).z').values == ['"x",(y).z']
    assert parse_query("name=eq.").values == [""]


def test_a_repeated_key_is_a_second_filter() -> None:
    parsed = parse_query("a=gt.1&a=lt.5")
    assert [(one.operator, parsed.values[one.slot]) for one in parsed.query.where] == [("gt", "1"), ("lt", "5")]


def test_plus_and_percent_twenty_are_blanks() -> None:
    assert parse_query("select=id,+name&t=eq.a+b%20c").values == ["a b c"]
    assert parse_query("select=id,+name").query.select == (Item(Field("id")), Item(Field("name")))


def test_shapes_are_equal_when_only_values_differ() -> None:
    one = parse_query("id=eq.1&or=(a.eq.x,b.in.(1,2))&limit=5")
    other = parse_query("id=eq.2&or=(a.eq.y,b.in.(3,4,5))&limit=9")
    assert one.query == other.query
    assert hash(one.query) == hash(other.query)
    assert one.values != other.values


def test_lists_and_trees_read_raw_and_quoted_values() -> None:
    assert parse_query('a=in.(1,"2,3","q\\"")').values == ['{"1","2,3","q\\""}']
    assert parse_query("a=in.()").values == ["{}"]
    assert parse_query('a=in.("")').values == ['{""}']
    assert parse_query('or=( a.eq."x,y" , b.cs.{1,2}, not.and(c.is.NULL, d.not.eq.z) )').values == ["x,y", "{1,2}", "z"]


def test_unreadable_limits_are_ignored_and_negative_offsets_are_zero() -> None:
    parsed = parse_query("limit=x&offset=-3")
    assert (parsed.limit, parsed.offset) == (None, 0)
    assert parse_query("limit=-1").limit == -1


@pytest.mark.parametrize(
    ("raw", "status", "code", "message", "detail"),
    [
        (
            "a=eqx.1",
            400,
            "invalid_filter",
            '"failed to parse filter (eqx.1)" (line 1, column 1)',
            "unexpected 'e' expecting operator (eq, gt, ...)",
        ),
        (
            "a=eq",
            400,
            "invalid_filter",
            '"failed to parse filter (eq)" (line 1, column 3)',
            'unexpected end of input expecting "."',
        ),
        (
            "a=is.nil",
            400,
            "invalid_filter",
            '"failed to parse filter (is.nil)" (line 1, column 4)',
            "unexpected 'n' expecting null, not_null, true, false or unknown",
        ),
        (
            "select=a,",
            400,
            "invalid_filter",
            '"failed to parse select parameter (a,)" (line 1, column 3)',
            "unexpected end of input expecting a name",
        ),
        (
            "order=a.up",
            400,
            "invalid_filter",
            '"failed to parse order (a.up)" (line 1, column 3)',
            "unexpected 'u' expecting asc, desc, nullsfirst or nullslast",
        ),
        (
            "or=()",
            400,
            "invalid_filter",
            '"failed to parse logic tree or (())" (line 1, column 2)',
            "unexpected ')' expecting a name",
        ),
        (
            "a=in.1,2",
            400,
            "invalid_filter",
            '"failed to parse filter (in.1,2)" (line 1, column 4)',
            "unexpected '1' expecting \"(\"",
        ),
        ("a=eq.%ff", 400, "invalid_filter", "the query string is not UTF-8 at byte 3 of 'eq.%ff'", None),
        ("a=eq.%00", 400, "invalid_filter", "the query string has a NUL character in 'eq.%00'", None),
        (
            "select=author(name)",
            501,
            "not_supported",
            "embedding (author(…)) is not supported by this version of reactor-data",
            None,
        ),
        (
            "select=n.sum()",
            501,
            "not_supported",
            "the aggregate sum() is not supported by this version of reactor-data",
            None,
        ),
        (
            "select=count()",
            501,
            "not_supported",
            "the aggregate count() is not supported by this version of reactor-data",
            None,
        ),
        (
            "select=...author(name)",
            501,
            "not_supported",
            "spreading an embed (...) is not supported by this version of reactor-data",
            None,
        ),
        (
            "author.order=name",
            501,
            "not_supported",
            "a parameter of an embed (author.order) is not supported by this version of reactor-data",
            None,
        ),
        (
            "subscribe=1",
            426,
            "realtime_unavailable",
            "subscribing is not available: this version has no realtime",
            None,
        ),
        (
            "and=" + "(and" * 40 + "(a.eq.1)" + ")" * 40,
            400,
            "invalid_filter",
            "conditions are nested deeper than 32 levels",
            None,
        ),
    ],
)
def test_what_cannot_be_parsed_is_named(raw: str, status: int, code: str, message: str, detail: str | None) -> None:
    with pytest.raises(DataError) as raised:
        parse_query(raw)
    error = raised.value
    assert (error.status, error.error_code, error.message, error.detail) == (status, code, message, detail)
