"""Statements with embeds: their exact form, equal text for equal shapes, nothing of the client's outside of quotes."""

from __future__ import annotations

import re
from urllib.parse import quote as percent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.catalog.model import Column, Function, Relation, Relationship, Schema
from reactor_data.query.ast import Embed, Field, Filter, Item, JsonKey, Order, Query, Star
from reactor_data.query.compiler import Plan, Read, Write, compile_read, compile_write
from reactor_data.query.levels import Rules
from reactor_data.query.parser import parse_query
from reactor_data.query.rendering import OVERRIDES
from reactor_data.sql.lexer import Kind, tokens


def relation(oid: int, name: str, *columns: str) -> Relation:
    found = tuple(Column(column, "integer" if column.endswith("id") else "text", "text", True) for column in columns)
    return Relation(oid, "public", name, "r", False, True, 1, 28, found, ("id",))


BANDS = relation(1, "bands", "id", "name")
DISCS = relation(2, "discs", "id", "band_id", "title")
SCHEMA = Schema(
    "public",
    1,
    {"bands": BANDS, "discs": DISCS},
    {"text": "pg_catalog.text"},
    {},
    relationships={
        "bands": (Relationship("discs_band", "one-to-many", "bands", "discs", (("id", "band_id"),)),),
        "discs": (Relationship("discs_band", "many-to-one", "discs", "bands", (("band_id", "id"),)),),
    },
    computed={("bands", "shout"): Function(9, "public", "shout", (), "scalar", "text", False, "stable", base="text")},
)
RULES = Rules(max_limit=500, aggregates=True)


def read(origin: Relation, raw: str, **options: object) -> Plan:
    return compile_read(SCHEMA, origin, Read(parse_query(raw).query, **options), rules=RULES)  # type: ignore[arg-type]


def returned(origin: Relation, raw: str, action: str = "delete") -> str:
    write = Write(action, parse_query(raw).query, returning="representation", keys=("name",))
    found = re.search(r" returning (.*?)\) select ", compile_write(SCHEMA, origin, write, rules=RULES).sql)
    assert found is not None
    return found[1]


def test_an_embed_is_a_subquery_of_the_select_list() -> None:
    sql = read(BANDS, "select=name,discs(title)&discs.title=eq.x&discs.order=id&discs.limit=3&order=id").sql
    assert sql.replace(OVERRIDES, "overrides") == (
        """select count(*), coalesce(json_agg("_".*), '[]'), null, overrides from (select "r"."name" as "name","""
        """ (select coalesce(json_agg("e1".*), '[]') from (select "t1"."title" as "title" from "public"."discs" as "t1\""""
        """ where "t1"."band_id" = "r"."id" and "t1"."title" = $2 order by "t1"."id" limit least($1::bigint, 500)) as "e1")"""
        """ as "discs" from "public"."bands" as "r" order by "r"."id" limit $3) as "_\""""
    )


def test_inner_embeds_and_null_tests_are_conditions_of_the_page_the_count_and_the_estimate_alike() -> None:
    plan = read(DISCS, "select=title,bands!inner(name)&bands.name=eq.x", count="estimated")
    test = 'exists (select from "public"."bands" as "t1" where "t1"."id" = "r"."band_id" and "t1"."name" = '
    assert plan.sql.count(test) == 2
    assert plan.estimate is not None
    assert plan.estimate.sql == f'explain (format json) select from "public"."discs" as "r" where {test}$1)'
    absent = read(BANDS, "select=name,discs()&discs=is.null").sql
    assert 'where not exists (select from "public"."discs" as "t1" where "t1"."band_id" = "r"."id")' in absent
    # A double negation would keep the planner from joining.
    assert "not" not in read(BANDS, "select=name,discs()&discs=not.is.null").sql.replace(OVERRIDES, "")


def test_a_function_is_called_once_however_often_its_rows_are_used() -> None:
    query = parse_query("select=name,shout,discs(title)").query
    read = Read(query, count="exact")
    plan = compile_read(SCHEMA, BANDS, read, rules=RULES, source=lambda parameters: f'"f"({parameters.number(7)})')
    assert plan.sql.startswith('with "called" as (select * from "f"($1) as "_") select count(*)')
    assert plan.sql.count('"f"') == 1
    assert 'row("r".*)::"public"."bands"' in plan.sql
    assert plan.sources[0] == 7


def test_a_write_returns_what_is_shown_ordered_by_or_joined() -> None:
    assert returned(DISCS, "select=title") == '"r"."title"'
    assert returned(DISCS, "select=title,bands(name)") == '"r"."band_id", "r"."title"'
    assert returned(DISCS, "select=bands(name)&order=id") == '"r"."band_id", "r"."id"'
    assert returned(DISCS, "select=title,bands()") == '"r"."title"'
    assert returned(DISCS, "select=title,bands()&order=bands(name)") == '"r"."band_id", "r"."title"'
    assert returned(BANDS, "select=discs(title)") == '"r"."id"'
    assert returned(BANDS, "select=name,shout") == '"r".*'
    assert returned(BANDS, "select=*,discs(title)") == '"r".*'


def test_the_names_of_a_csv_are_those_of_the_answer() -> None:
    from reactor_data.query.rendering import Shape

    sql = read(DISCS, "select=*,who:bands(name),...bands(band:name)", shape=Shape(kind="csv")).sql
    assert "'id,band_id,title,who,band'" in sql


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
hostile = texts | st.sampled_from(
    ['"; drop table canary; --', "') ; --", "\\'", "$1", "a'b\\", 'x"y', "/*", "e1", "r", "_"]
)


@st.composite
def shapes(draw: st.DrawFn) -> Query:
    """Queries on discs whose aliases and keys are anything."""

    def item(column: str) -> Item:
        path = (JsonKey(draw(hostile), draw(st.booleans())),) if draw(st.booleans()) else ()
        return Item(Field(column, path), draw(st.none() | hostile))

    def embed(name: str, depth: int) -> Embed:
        inner = [item("id"), *([embed("bands" if name == "discs" else "discs", depth - 1)] if depth else [])]
        spread = draw(st.booleans())
        return Embed(
            name,
            tuple(inner[: draw(st.integers(0, len(inner)))]),
            alias=None if spread else draw(st.none() | hostile),
            join=draw(st.sampled_from([None, "inner", "left"])),
            spread=spread,
            where=(Filter(Field("id"), "eq", 1),) if draw(st.booleans()) else (),
            limit=draw(st.sampled_from([None, 2])),
            offset=draw(st.sampled_from([None, 3])),
        )

    found = embed("bands", 2)
    return Query(
        select=(draw(st.sampled_from([Star(), Item(Field("title"))])), item("title"), found),
        where=(Filter(Field(found.key), "is", None, draw(st.booleans()), keyword="null"),)
        if draw(st.booleans())
        else (),
        order=(Order(Field("name"), embed=found.key),) if draw(st.booleans()) else (),
    )


def plan(query: Query) -> str:
    return compile_read(SCHEMA, DISCS, Read(query), rules=RULES).sql


def renamed(query: Query) -> Query:
    """The same query with harmless aliases and keys."""
    import msgspec

    def items(select: tuple[object, ...]) -> tuple[object, ...]:
        found: list[object] = []
        for item in select:
            if isinstance(item, Item):
                path = tuple(JsonKey("k", step.as_text) for step in item.field.path if isinstance(step, JsonKey))
                alias = None if item.alias is None else "a"
                found.append(msgspec.structs.replace(item, field=Field(item.field.name, path), alias=alias))
            elif isinstance(item, Embed):
                alias = None if item.alias is None else "a"
                found.append(msgspec.structs.replace(item, alias=alias, select=items(item.select)))
            else:
                found.append(item)
        return tuple(found)

    select = items(query.select)
    embed = select[-1]
    assert isinstance(embed, Embed)
    where = tuple(msgspec.structs.replace(one, field=Field(embed.key)) for one in query.where)
    order = tuple(msgspec.structs.replace(one, embed=embed.key) for one in query.order)
    return Query(select=select, where=where, order=order)  # type: ignore[arg-type]


@given(texts, texts, st.integers(0, 10**6), st.integers(0, 10**6))
def test_equal_shapes_have_equal_statements(one: str, other: str, few: int, many: int) -> None:
    def made(value: str, number: int) -> Plan:
        quoted = percent(value, safe="")
        return read(
            BANDS,
            f"select=name,discs!inner(title,...bands(shout))&discs.title=like.{quoted}&discs.limit={number}&discs.offset={number}"
            f"&or=(discs.is.null,name.in.(1,{percent(chr(34), safe='')}2{percent(chr(34), safe='')}))&name=eq.{quoted}",
            count="exact",
        )

    assert made(one, few) == made(other, many)


@given(shapes())
def test_client_text_never_leaves_its_quotes(query: Query) -> None:
    def skeleton(found: Query) -> list[tuple[Kind, str]]:
        return [
            (token.kind, token.text if token.kind in (Kind.WORD, Kind.SYMBOL, Kind.PARAMETER) else "")
            for token in tokens(plan(found))
        ]

    assert skeleton(query) == skeleton(renamed(query))


def test_a_plan_is_compiled_once_for_a_shape() -> None:
    from reactor_data.planning import Plans

    plans = Plans(RULES)
    first = plans.read(SCHEMA, BANDS, Read(parse_query("select=name,discs(title)&discs.title=eq.x").query))
    again = plans.read(SCHEMA, BANDS, Read(parse_query("select=name,discs(title)&discs.title=eq.y").query))
    other = plans.read(SCHEMA, BANDS, Read(parse_query("select=name,discs(id)&discs.title=eq.y").query))
    assert first is again
    assert first is not other


@pytest.mark.parametrize("raw", ["select=name,discs(title)&order=discs(title)", "select=name,none(a)"])
def test_a_refused_query_is_refused_in_a_write_too(raw: str) -> None:
    from reactor_data.errors import DataError

    with pytest.raises(DataError) as raised:
        returned(BANDS, raw)
    assert raised.value.status == 400
