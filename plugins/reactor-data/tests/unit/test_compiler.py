"""The compiler: exact statements, equal text for equal shapes, nothing of the client's in them but known identifiers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.catalog.model import Column, Relation, Schema
from reactor_data.errors import DataError
from reactor_data.query.ast import Field, Filter, Item, JsonKey, Query
from reactor_data.query.compiler import Plan, Read, Write, compile_read, compile_write
from reactor_data.query.parser import parse_query
from reactor_data.query.rendering import OVERRIDES
from reactor_data.sql.lexer import Kind, tokens

COLUMNS = (
    Column("id", "bigint", "bigint", False, "nextval('todos_id_seq')"),
    Column("title", "text", "text", True),
    Column("data", "jsonb", "jsonb", True),
    Column("tags", "text[]", "text[]", True),
    Column('od"d', "integer", "integer", True),
)
TODOS = Relation(1, "public", "todos", "r", False, True, 1, 28, COLUMNS, ("id",))
SCHEMA = Schema("public", 1, {"todos": TODOS}, {"text": "pg_catalog.text"}, {})


def read(raw: str, **options: object) -> Plan:
    return compile_read(SCHEMA, TODOS, Read(parse_query(raw).query, **options))  # type: ignore[arg-type]


def write(action: str, raw: str = "", **options: object) -> Plan:
    return compile_write(SCHEMA, TODOS, Write(action, parse_query(raw).query, **options))  # type: ignore[arg-type]


def test_a_read_is_one_select() -> None:
    sql = read("select=id,label:title,data->a->>b&title=eq.x&id=in.(1,2)&order=id.desc.nullslast").sql
    assert sql.replace(OVERRIDES, "overrides") == (
        """select count(*), coalesce(json_agg("_".*), '[]'), null, overrides from (select "r"."id" as "id","""
        """ "r"."title" as "label", ("r"."data"->'a'->>'b') as "b" from "public"."todos" as "r\""""
        """ where "r"."title" = $2 and "r"."id" = any($3) order by "r"."id" desc nulls last limit $1) as "_\""""
    )


def test_a_write_is_one_statement_that_returns_only_what_is_asked_for() -> None:
    assert write("insert", keys=("id", "title")).sql.replace(OVERRIDES, "overrides") == (
        """with changed as (insert into "public"."todos" as "r" ("id", "title") select "b"."id", "b"."title" from"""
        """ json_to_recordset($1) as "b"("id" bigint, "title" text) returning 1 as "_") select count(*), null, null,"""
        """ nullif(current_setting('reactor.inserted', true), ''), set_config('reactor.affected', count(*)::text, true),"""
        """ overrides from (select 1 from changed) as "_\""""
    )
    assert 'returning "r"."title")' in write("delete", "select=title&id=eq.1", returning="representation").sql
    assert 'returning "r"."id")' in write("insert", keys=("title",), returning="headers-only").sql


def test_an_upsert_counts_insertions_without_reading_a_column() -> None:
    sql = write("insert", keys=("id", "title"), resolution="merge").sql
    assert 'on conflict ("id") do update set "id" = excluded."id", "title" = excluded."title" where set_config(' in sql
    assert (
        'on conflict ("title") do nothing'
        in write("insert", "on_conflict=title", keys=("title",), resolution="ignore").sql
    )


def test_missing_defaults_are_made_for_each_row() -> None:
    sql = write("insert", "columns=id,title", keys=("id", "title"), missing_default=True).sql
    assert "jsonb_build_object('id', nextval('todos_id_seq')) || \"e\".\"value\"" in sql


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 10**6))
def test_equal_shapes_have_equal_statements(one: str, other: str, limit: int) -> None:
    def plan(value: str) -> Plan:
        query = Query(where=(Filter(Field("title"), "eq", 0), Filter(Field("tags"), "cs", 1)))
        return compile_read(SCHEMA, TODOS, Read(query, offset=limit > 3))

    assert plan(one).sql == plan(other).sql


hostile = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.sampled_from(
        ['"; drop table canary; --', "') ; drop table canary; --", "\\'", "$1", "a'b\\", 'x"y', "/*", "--"]
    ),
)


@given(hostile, hostile)
def test_client_text_never_leaves_its_quotes(alias: str, key: str) -> None:
    query = Query(select=(Item(Field("data", (JsonKey(key, True),)), alias),))
    hostile_tokens = list(tokens(compile_read(SCHEMA, TODOS, Read(query)).sql))
    plain = Query(select=(Item(Field("data", (JsonKey("k", True),)), "a"),))
    plain_tokens = list(tokens(compile_read(SCHEMA, TODOS, Read(plain)).sql))
    assert [token.kind for token in hostile_tokens] == [token.kind for token in plain_tokens]
    assert sum(token.kind is Kind.QUOTED and token.text == alias for token in hostile_tokens) >= 1


@given(hostile)
def test_unknown_names_are_refused_and_never_sent(name: str) -> None:
    if name in TODOS.by_name:
        return
    for query in (Query(select=(Item(Field(name)),)), Query(where=(Filter(Field(name), "eq", 0),))):
        with pytest.raises(DataError) as raised:
            compile_read(SCHEMA, TODOS, Read(query))
        assert (raised.value.status, raised.value.error_code, raised.value.pgrst) == (400, "column_not_found", "42703")
    with pytest.raises(DataError) as raised:
        write("insert", keys=(name,))
    assert (raised.value.status, raised.value.error_code, raised.value.pgrst) == (400, "column_not_found", "PGRST204")


def test_a_cast_names_a_type_of_the_database() -> None:
    assert 'cast("r"."id" as pg_catalog.text)' in read("select=id::text").sql
    with pytest.raises(DataError) as raised:
        read("select=id::txt")
    assert raised.value.message == 'type "txt" does not exist'


def test_a_misspelt_column_gets_the_nearest_name() -> None:
    with pytest.raises(DataError) as raised:
        read("select=titel")
    assert raised.value.message == "column todos.titel does not exist"
    assert raised.value.error_hint == "Perhaps you meant the column 'title'"


def test_odd_column_names_are_quoted() -> None:
    plan = read('select="od\\"d"')
    assert re.search(r'"r"\."od""d" as "od""d"', plan.sql)
