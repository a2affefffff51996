"""The query grammar: what is printed from a tree is parsed back to it; what is wrong is quoted with its place."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.errors import DataError
from reactor_data.query.ast import (
    Count,
    Embed,
    Field,
    Filter,
    Item,
    JsonIndex,
    JsonKey,
    Logic,
    Order,
    Parsed,
    Query,
    Selection,
    Star,
)
from reactor_data.query.conditions import TEXT_SEARCH, array_literal, is_operation
from reactor_data.query.fields import AGGREGATES
from reactor_data.query.operators import KEYWORDS, OPERATORS, QUANTIFIED, UNQUANTIFIED, Family
from reactor_data.query.parser import parse_query

from .query_text import print_query

# -- making trees -------------------------------------------------------------------------------------------------

characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
names = st.text(characters, min_size=1, max_size=8)
texts = st.text(characters, max_size=10)
steps = st.one_of(
    st.builds(JsonKey, texts, st.booleans()), st.builds(JsonIndex, st.integers(-(2**31), 2**31 - 1), st.booleans())
)
fields = st.builds(Field, names, st.lists(steps, max_size=3).map(tuple))
casts = st.sampled_from(["text", "int4", "double precision"])
aliases = st.none() | names
items = st.builds(Item, fields, aliases, st.none() | casts)
aggregates = st.builds(Item, fields, aliases, st.none() | casts, st.sampled_from(AGGREGATES), st.none() | casts)
counts = st.builds(Count, aliases, st.none() | casts)
directions, nulls = st.none() | st.booleans(), st.none() | st.sampled_from(["first", "last"])
orders = st.builds(Order, fields, directions, nulls)


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
    if name == "fts" and config is None and TEXT_SEARCH.match(value):
        value = ""
    return Filter(field, name, slot(value), negated, quantifier, config)


@st.composite
def conditions(draw: st.DrawFn, values: list[str], depth: int) -> Filter | Logic:
    if depth == 0 or draw(st.integers(0, 2)):
        return draw(filters(values))
    children = tuple(draw(conditions(values, depth - 1)) for _ in range(draw(st.integers(1, 3))))
    return Logic(draw(st.sampled_from(["and", "or"])), children, draw(st.booleans()))


@st.composite
def selections(draw: st.DrawFn, values: list[str], depth: int) -> tuple[Selection, ...]:
    plain = st.one_of(st.just(Star()), items, aggregates, counts)
    selected: list[Selection] = draw(st.lists(plain, min_size=1 if depth == 0 else 0, max_size=3))
    keys: list[str] = draw(st.lists(names, max_size=2, unique=True)) if depth < 3 else []
    for key in keys:
        selected.insert(draw(st.integers(0, len(selected))), draw(embeds(key, values, depth + 1)))
    return tuple(selected)


@st.composite
def ordered(draw: st.DrawFn, selected: tuple[Selection, ...]) -> tuple[Order, ...]:
    keys = [item.key for item in selected if isinstance(item, Embed)]
    related = st.builds(Order, fields, directions, nulls, st.sampled_from(keys)) if keys else orders
    return tuple(draw(st.lists(st.one_of(orders, related), max_size=2)))


@st.composite
def embeds(draw: st.DrawFn, key: str, values: list[str], depth: int) -> Embed:
    def slot() -> int | None:
        if draw(st.booleans()):
            values.append(str(draw(st.integers(0, 2**63 - 1))))
            return len(values) - 1
        return None

    select = draw(selections(values, depth))
    spread = draw(st.booleans())
    named = spread or draw(st.booleans())
    return Embed(
        key if named else draw(names),
        select,
        None if named else key,
        draw(st.none() | names | st.sampled_from(["inner", "count"])),
        draw(st.sampled_from([None, "inner", "left"])),
        spread,
        tuple(draw(conditions(values, 2)) for _ in range(draw(st.integers(0, 2)))),
        draw(ordered(select)),
        slot(),
        slot(),
    )


@st.composite
def queries(draw: st.DrawFn) -> Parsed:
    values: list[str] = []
    select = draw(selections(values, 0))
    name_lists = st.none() | st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)
    query = Query(
        select=select,
        where=tuple(draw(conditions(values, 2)) for _ in range(draw(st.integers(0, 3)))),
        order=draw(ordered(select)),
        columns=draw(name_lists),
        on_conflict=draw(name_lists),
    )
    arguments = draw(st.lists(st.tuples(names, texts.filter(lambda text: not is_operation(text))), max_size=2))
    page = draw(st.none() | st.integers(-1, 2**63 - 1)), draw(st.integers(0, 2**63 - 1))
    return Parsed(query, values, *page, draw(st.none() | texts), arguments)


def spoken(parsed: Parsed) -> object:
    """What was parsed with each value where its slot was: the numbers of the slots say nothing."""

    def put(node: object) -> object:
        if isinstance(node, dict):
            return {
                key: parsed.values[inner]
                if key in ("slot", "config", "limit", "offset") and isinstance(inner, int)
                else put(inner)
                for key, inner in node.items()
            }
        return [put(inner) for inner in node] if isinstance(node, list | tuple) else node

    return put(msgspec.to_builtins(parsed.query)), parsed.limit, parsed.offset, parsed.subscribe, parsed.arguments


@given(queries())
def test_what_is_printed_is_parsed_back(made: Parsed) -> None:
    again = parse_query(print_query(made), call=True)
    assert spoken(again) == spoken(made)
    assert sorted(again.values) == sorted(made.values)
    assert again.warnings == []


def parsed_or_refused(raw: str, **options: bool) -> Parsed | DataError:
    found: Parsed | DataError
    try:
        found = parse_query(raw, **options)
    except DataError as error:
        found = error
    assert isinstance(found, Parsed) or found.status in (400, 416)
    return found


TOKENS = [
    "a",
    "b c",
    "é",
    '"',
    '\\"',
    "(",
    ")",
    ",",
    ".",
    ":",
    "::",
    "!",
    "*",
    "...",
    "->",
    "->>",
    "-1",
    "{",
    "}",
    "=",
    "&",
    "%",
]
WORDS = [
    *OPERATORS,
    "not",
    "and",
    "or",
    "count()",
    "sum()",
    "inner",
    "null",
    "order",
    "limit",
    "select",
    "subscribe",
    "desc",
]


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
        st.lists(st.sampled_from(TOKENS + WORDS), max_size=25).map("".join),
        st.tuples(
            st.sampled_from(["select", "order", "or", "x.not.and", "columns", "on_conflict", "a", "a.b->c", "x.limit"]),
            st.lists(st.sampled_from(TOKENS + WORDS), max_size=25).map("".join),
        ).map("=".join),
    )
)
def test_any_query_string_is_parsed_or_refused_with_a_status(text: str) -> None:
    for raw in (quote(text, safe="=&.(),:*->!"), text.encode().decode("latin-1")):
        for call in (False, True):
            found = parsed_or_refused(raw, call=call)
            if isinstance(found, Parsed):
                assert spoken(parse_query(print_query(found), call=True)) == spoken(found)


@pytest.mark.parametrize(
    "raw",
    [
        "select=" + "a(" * 5000,
        "select=" + "...a!inner(" * 5000 + "*" + ")" * 5000,
        "select=" + ",".join(f"c{n}:a->b->>{n}::text" for n in range(10_000)),
        "select=" + "a->" * 10_000 + "b",
        "or=" + "(and" * 5000,
        "or=(" + ",".join(f'a.eq."{n}"' for n in range(10_000)) + ")",
        "a=in.(" + ",".join(map(str, range(10_000))) + ")",
        "a=in.(" + '"' * 10_001 + ")",
        "a=in.(" + '"\\,' * 10_000 + ")",
        "a=cs." + "{" * 100_000,
        "or=(a.cs." + "{" * 100_000 + ")",
        "order=" + ",".join(["a.desc.nullslast"] * 10_000),
        "order=" + "a(" * 10_000,
        "a." * 10_000 + "b=eq.1",
        "&".join(["a=not.is.null"] * 10_000),
        "&".join(f"a{n}.limit=1" for n in range(10_000)),
        "a-" * 50_000 + "=eq.1",
        "select=" + "a-" * 50_000,
        "a=fts." + "plain:" * 20_000,
        "limit=" + "9" * 100_000,
        "a=eq." + "%41" * 100_000,
    ],
    ids=lambda raw: raw[:24],
)
def test_huge_and_deep_query_strings_take_no_more_than_their_length(raw: str) -> None:
    parsed_or_refused(raw)


@given(st.lists(texts, max_size=4))
def test_list_items_survive_quoting(given_items: list[str]) -> None:
    made = Parsed(Query(where=(Filter(Field("a"), "in", 0),)), [array_literal(given_items)])
    assert parse_query(print_query(made)).values == made.values


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


def only(raw: str) -> Selection:
    """The single selected item."""
    (item,) = parse_query(raw).query.select
    return item


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("author(id,name)", Embed("author", (Item(Field("id")), Item(Field("name"))))),
        ("writer: author ( * )", Embed("author", (Star(),), alias="writer")),
        ("author!fk!inner(*)", Embed("author", (Star(),), hint="fk", join="inner")),
        ("author!left!fk(*)", Embed("author", (Star(),), hint="fk", join="left")),
        ('author!"inner"(*)', Embed("author", (Star(),), hint="inner")),
        ("comments()", Embed("comments", ())),
        (
            "...author!inner(author_name:name)",
            Embed("author", (Item(Field("name"), "author_name"),), None, None, "inner", True),
        ),
        ("a(b(c))", Embed("a", (Embed("b", (Item(Field("c")),)),))),
        ("count()", Count()),
        ("n:count()::text", Count("n", "text")),
        ("count", Item(Field("count"))),
        ("n:count", Item(Field("count"), "n")),
        ('"count"()', Embed("count", ())),
        ("count.sum()", Item(Field("count"), None, None, "sum")),
        ("count!inner()", Embed("count", (), None, None, "inner")),
        ("amount.sum()", Item(Field("amount"), None, None, "sum")),
        ("total:amount.avg()::int", Item(Field("amount"), "total", None, "avg", "int")),
        (
            "data->x->>0::numeric.max()::text",
            Item(Field("data", (JsonKey("x"), JsonIndex(0, True))), None, "numeric", "max", "text"),
        ),
    ],
)
def test_embeds_and_aggregates_are_read(text: str, expected: Selection) -> None:
    assert only(f"select={quote(text)}") == expected


def test_parameters_with_a_path_belong_to_the_embed_they_name() -> None:
    parsed = parse_query(
        "comments.order=id.desc&c.limit=3&c.offset=-2&c.text=like.a*&c.not.and=(x.eq.1,y.is.null)&c.u.id=gt.5"
        "&select=id,comments(*),c:comments!other(*,u:users(name))&limit=7&title=eq.t"
    )
    first, second = parsed.query.select[1:]
    assert isinstance(first, Embed)
    assert isinstance(second, Embed)
    assert first.order == (Order(Field("id"), True),)
    assert (first.where, first.limit, first.offset) == ((), None, None)
    assert (parsed.values[second.limit], parsed.values[second.offset]) == ("3", "0")
    text, tree = second.where
    assert isinstance(text, Filter)
    assert isinstance(tree, Logic)
    assert (text.operator, parsed.values[text.slot], tree.connective, tree.negated) == ("like", "a%", "and", True)
    (user,) = (item for item in second.select if isinstance(item, Embed))
    (deep,) = user.where
    assert isinstance(deep, Filter)
    assert (user.key, deep.field, parsed.values[deep.slot]) == ("u", Field("id"), "5")
    assert (parsed.limit, [found.field.name for found in parsed.query.where]) == (7, ["title"])
    assert parsed.warnings == []


def test_shapes_with_embeds_are_equal_when_only_values_differ() -> None:
    one = parse_query("select=*,a(*)&a.limit=1&a.x=eq.1").query
    assert one == parse_query("select=*,a(*)&a.limit=2&a.x=eq.2").query
    assert one != parse_query("select=*,a(*)&a.x=eq.2").query


def test_an_alias_replaces_the_name_and_the_name_is_a_warning() -> None:
    parsed = parse_query("select=w:author(*)&author.name=eq.x&w.id=eq.1&order=author(name)")
    (embed,) = parsed.query.select
    assert isinstance(embed, Embed)
    assert [found.field.name for found in embed.where if isinstance(found, Filter)] == ["name", "id"]
    assert parsed.query.order == (Order(Field("name"), embed="w"),)
    assert parsed.warnings == [
        "the embed author was addressed by its relation; this will end, use its alias w in filters, orders and limits"
    ]
    with pytest.raises(DataError) as raised:
        parse_query("select=w:author(*)&author.name=eq.x", legacy_target_names=False)
    assert (raised.value.status, raised.value.pgrst) == (400, "PGRST108")
    assert raised.value.error_hint == "Use its alias 'w' instead of 'author'."


def test_an_alias_counts_before_a_name() -> None:
    parsed = parse_query("select=b:a(*),a:b(*)&a.x=eq.1")
    by_name, by_alias = parsed.query.select
    assert isinstance(by_name, Embed)
    assert isinstance(by_alias, Embed)
    assert (len(by_name.where), len(by_alias.where), parsed.warnings) == (0, 1, [])


def test_a_filter_on_an_embed_is_left_to_the_compiler() -> None:
    query = parse_query("select=a()&a=not.is.null&or=(a.is.null,b.eq.1)").query
    assert query.where[0] == Filter(Field("a"), "is", None, True, keyword="null")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("author(name).desc.nullslast", Order(Field("name"), True, "last", "author")),
        ("author(name.desc.nullslast)", Order(Field("name"), True, "last", "author")),
        ("author(name.desc).nullslast", Order(Field("name"), True, "last", "author")),
        ("author(data->a)", Order(Field("data", (JsonKey("a"),)), embed="author")),
    ],
)
def test_an_embed_may_order_its_parent(text: str, expected: Order) -> None:
    assert parse_query(f"select=author(*)&order={text}").query.order == (expected,)


def test_repeated_parameters_add_up_or_the_first_counts() -> None:
    parsed = parse_query("select=a&select=b&order=a&order=b.desc&limit=1&limit=2&columns=x&columns=y")
    assert parsed.query.select == (Item(Field("a")),)
    assert parsed.query.order == (Order(Field("a")), Order(Field("b"), True))
    assert (parsed.limit, parsed.query.columns) == (2, ("x",))


@pytest.mark.parametrize(
    ("value", "operator", "config", "query"),
    [
        ("fts.plain:the cat", "plfts", None, "the cat"),
        ("fts.phrase:the cat", "phfts", None, "the cat"),
        ("fts.english:websearch:the cat", "wfts", "english", "the cat"),
        ("fts(french).plain:chat", "fts", "french", "plain:chat"),
        ("fts.plain:*", "fts", None, "plain:*"),
        ("fts.cat:A", "fts", None, "cat:A"),
        ("plfts.plain:cat", "plfts", None, "plain:cat"),
    ],
)
def test_the_text_search_of_the_js_client_is_understood(
    value: str, operator: str, config: str | None, query: str
) -> None:
    for raw in (f"t={value}", f"or=(t.{value})"):
        parsed = parse_query(raw)
        (found,) = parsed.query.where
        if isinstance(found, Logic):
            (found,) = found.children
        assert isinstance(found, Filter)
        assert (found.operator, parsed.values[found.slot]) == (operator, query)
        assert (None if found.config is None else parsed.values[found.config]) == config


def test_a_logic_tree_may_have_the_prefix_of_the_js_client() -> None:
    for key in ("or", "not.and", "a.or"):
        plain = parse_query(f"select=a()&{key}=(x.eq.1,y.eq.2)")
        assert parse_query(f"select=a()&{key}=eq.(x.eq.1,y.eq.2)") == plain


def test_a_quote_within_an_item_is_part_of_it() -> None:
    assert parse_query('a=in.(5" disk,"b"c,"d" ,"e)').values == ['{"5\\" disk","\\"b\\"c","d","\\"e"}']
    assert parse_query('or=(a.eq."b"c,a.eq."d")').values == ['"b"c', "d"]


def test_blanks_may_stand_around_groups() -> None:
    tight = parse_query("or=(a.eq.1,not.and(b.is.null,c.is.true))")
    assert parse_query("or=( a.eq.1,not.and ( b.is.null , c.is.true ) )").query == tight.query


def test_a_quoted_name_is_never_reserved() -> None:
    parsed = parse_query('"order"=eq.1&"limit"=eq.2&select=a()&a."or"=eq.3')
    assert [found.field.name for found in parsed.query.where if isinstance(found, Filter)] == ["order", "limit"]
    assert (parsed.query.order, parsed.limit) == ((), None)
    (embed,) = parsed.query.select
    assert isinstance(embed, Embed)
    assert embed.where == (Filter(Field("or"), "eq", 2),)


def test_a_call_takes_what_is_no_operation_as_arguments() -> None:
    parsed = parse_query('a=1&a=eq.1&b=not.in.(1)&"c d"=x&v=1&v=2&limit=3&e.f=g', call=True)
    assert parsed.arguments == [("a", "1"), ("c d", "x"), ("v", "1"), ("v", "2"), ("e.f", "g")]
    assert [found.operator for found in parsed.query.where if isinstance(found, Filter)] == ["eq", "in"]
    assert parsed.limit == 3


def test_subscribing_is_handed_on_with_what_the_stream_wants_to_know() -> None:
    parsed = parse_query("access_token=x.y&subscribe=1&event=INSERT,UPDATE&event=eq.a&last_event_id=7")
    assert parsed.subscribe == "1"
    assert parsed.arguments == [("access_token", "x.y"), ("event", "INSERT,UPDATE"), ("last_event_id", "7")]
    assert [found.field.name for found in parsed.query.where if isinstance(found, Filter)] == ["event"]
    with pytest.raises(DataError):
        parse_query("event=INSERT")


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
            "select=n.sum",
            400,
            "invalid_filter",
            '"failed to parse select parameter (n.sum)" (line 1, column 3)',
            "unexpected 's' expecting sum(), avg(), count(), max() or min()",
        ),
        (
            "select=author(name",
            400,
            "invalid_filter",
            '"failed to parse select parameter (author(name)" (line 1, column 12)',
            'unexpected end of input expecting ")"',
        ),
        (
            "select=author!a!b(name)",
            400,
            "invalid_filter",
            '"failed to parse select parameter (author!a!b(name))" (line 1, column 10)',
            "unexpected 'b' expecting \"(\", for an embed has one hint and one of inner and left",
        ),
        (
            "select=x:...author(name)",
            400,
            "invalid_filter",
            '"failed to parse select parameter (x:...author(name))" (line 1, column 3)',
            "unexpected '.' expecting a name",
        ),
        (
            "select=a(b(c(d(e(f(*))))))",
            400,
            "invalid_query",
            "embeds are nested deeper than 5 levels",
            "the embed at column 12 of select is at level 6",
        ),
        (
            "author.order=name",
            400,
            "invalid_query",
            "'author' is not an embedded resource in this request",
            None,
        ),
        (
            "select=author(*)&author.books.id=eq.1",
            400,
            "invalid_query",
            "'books' is not an embedded resource in this request",
            None,
        ),
        (
            "select=id&order=author(name)",
            400,
            "invalid_query",
            "'author' is not an embedded resource in this request",
            None,
        ),
        (
            "select=author(*)&author.limit=-1",
            416,
            "range_not_satisfiable",
            "Requested range not satisfiable",
            "Limit should be greater than or equal to zero.",
        ),
        (
            "a..b=eq.1",
            400,
            "invalid_filter",
            '"failed to parse parameter name (a..b)" (line 1, column 3)',
            "unexpected '.' expecting a name",
        ),
        (
            "or=(" + ",".join(["a.eq.1"] * 65_001) + ")",
            400,
            "invalid_filter",
            "the query string has 65001 values, more than 65000",
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
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_parsed_is_named(raw: str, status: int, code: str, message: str, detail: str | None) -> None:
    with pytest.raises(DataError) as raised:
        parse_query(raw)
    error = raised.value
    assert (error.status, error.error_code, error.message, error.detail) == (status, code, message, detail)
