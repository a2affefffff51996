"""Functions, computed fields, domains, handlers and role settings in the snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactor_data.catalog.model import Column, MediaHandler, Parameter
from reactor_data.errors import DataError

CALLABLE = """
create table people (id int primary key, first text, last text);
create type pair as (a int, b text);
create function add(a int, b int default 3) returns int immutable language sql as 'select a + b';
create function add(a int) returns bigint stable language sql as 'select a';
create function total(variadic v numeric[]) returns numeric language sql as 'select sum(x) from unnest(v) x';
create function everyone() returns setof people stable rows 7 language sql as 'select * from people';
create function one_pair(inout a int, out b text) language sql as 'select 1, ''b''';
create function typed() returns pair language sql as 'select 1, ''b''';
create function listed(n int) returns table(i int, s text) language sql as 'select 1, ''s''';
create function nothing() returns void security definer language sql set statement_timeout = '3s' set work_mem = '1MB'
  begin atomic; select 1; end;
create function anything(json) returns json language sql as 'select $1';
create function raw(bytea) returns bytea language sql as 'select $1';
create function unnamed(int, int) returns int language sql as 'select 1';
create function half(a int, int) returns int language sql as 'select 1';
create function act() returns trigger language plpgsql as 'begin return new; end';
create procedure work() language sql as 'select 1';
comment on function everyone() is 'all of them';
"""


def test_only_what_a_caller_can_call_is_listed(load: Callable[..., Any]) -> None:
    schema = load(CALLABLE).current()
    made_by_platform = {"reactor_id"}
    assert set(schema.functions) - made_by_platform == {
        "add",
        "anything",
        "everyone",
        "listed",
        "nothing",
        "one_pair",
        "raw",
        "total",
        "typed",
    }


def test_overloads_parameters_and_defaults(load: Callable[..., Any]) -> None:
    schema = load(CALLABLE).current()
    short, long = schema.functions["add"]
    assert short.parameters == (Parameter("a", "integer", True),)
    assert long.parameters == (Parameter("a", "integer", True), Parameter("b", "integer", False))
    assert (short.volatility, long.volatility, short.result) == ("stable", "immutable", "bigint")
    assert schema.functions["total"][0].parameters == (Parameter("v", "numeric[]", True, True),)
    assert schema.functions["anything"][0].parameters == (Parameter("", "json", True),)


def test_what_a_function_returns(load: Callable[..., Any]) -> None:
    functions = {name: them[0] for name, them in load(CALLABLE).current().functions.items()}
    shapes = {name: (one.returns, one.returns_set) for name, one in functions.items()}
    assert shapes["add"] == shapes["total"] == ("scalar", False)
    assert shapes["everyone"] == shapes["listed"] == ("composite", True)
    assert shapes["one_pair"] == shapes["typed"] == ("composite", False)
    assert shapes["nothing"] == ("void", False)
    everyone = functions["everyone"]
    assert (everyone.relation, everyone.rows, everyone.comment) == ("people", 7, "all of them")
    columns = {
        name: [(one.name, one.type) for one in functions[name].columns] for name in ("listed", "one_pair", "typed")
    }
    assert columns == {
        "listed": [("i", "integer"), ("s", "text")],
        "one_pair": [("a", "integer"), ("b", "text")],
        "typed": [("a", "integer"), ("b", "text")],
    }
    nothing = functions["nothing"]
    assert (nothing.security_definer, nothing.settings) == (True, (("statement_timeout", "3s"), ("work_mem", "1MB")))


def test_a_function_of_a_row_is_a_computed_field(load: Callable[..., Any]) -> None:
    schema = load(
        "create schema tools; create schema hidden;"
        "create table people (id int primary key, first text, last text); create view visible as select * from people;"
        "create function full_name(people) returns text stable language sql as 'select $1.first || $1.last';"
        "create function initials(p visible) returns text stable language sql as 'select left(p.first, 1)';"
        "create function tools.age(people) returns int stable language sql as 'select 1';"
        "create function hidden.secret(people) returns int stable language sql as 'select 1';"
        "create function first(people) returns text stable language sql as 'select $1.last';"
        "create function several(people) returns setof text stable language sql as 'select $1.last';"
        "create function two(people, int) returns text stable language sql as 'select $1.last';"
        "create function words(people) returns tsvector stable language sql as 'select to_tsvector($1.last)';",
        extra=("tools",),
    ).current()
    assert sorted(schema.computed) == [
        ("people", "age"),
        ("people", "full_name"),
        ("people", "words"),
        ("visible", "initials"),
    ]
    assert schema.computed["people", "words"].column == Column("words", "tsvector", "tsvector", nullable=True)
    assert schema.computed["people", "age"].sql == '"tools"."age"'
    # What takes an unnamed row cannot be called by a client, who cannot send one.
    assert "full_name" not in schema.functions


def test_domains_bring_their_base_default_and_representations(load: Callable[..., Any]) -> None:
    schema = load(
        "create domain color as int default 255; create domain dark as color;"
        "create function color_to_json(color) returns json immutable language sql as $$ select to_json('#' || $1::int) $$;"
        "create function json_to_color(json) returns color immutable language sql as $$ select 1::color $$;"
        "create function text_to_color(text) returns color immutable language sql as $$ select 1::color $$;"
        "create cast (color as json) with function color_to_json(color) as implicit;"
        "create cast (json as color) with function json_to_color(json) as implicit;"
        "create cast (text as color) with function text_to_color(text) as implicit;"
        "create table paint (c color, d dark, e color default 7, f int[], g numeric(6, 2));"
    ).current()
    columns = schema.relations["paint"].by_name
    assert (columns["c"].type, columns["c"].base, columns["c"].default) == ("public.color", "integer", "255")
    assert (columns["c"].to_json, columns["c"].from_json, columns["c"].from_text) == (
        "public.color_to_json",
        "public.json_to_color",
        "public.text_to_color",
    )
    assert (columns["d"].base, columns["d"].to_json, columns["e"].default) == ("integer", None, "7")
    assert (columns["f"].base, columns["g"].type, columns["g"].base) == ("integer[]", "numeric(6,2)", "numeric")
    assert schema.shown(columns["c"].type) == "color"


def test_types_that_a_client_may_cast_to(load: Callable[..., Any]) -> None:
    cache = load(
        "create schema other; create type mood as enum ('sad', 'so so');"
        'create domain other."Odd name" as int[];'
        "create domain other.mood as int;",
        schema="public,other",
    )
    schema, other = cache.current(), cache.current("other")
    assert (schema.types["mood"], other.types["mood"]) == ("public.mood", "other.mood")
    assert other.types["Odd name"] == 'other."Odd name"'
    assert (schema.types["int"], schema.types["point"]) == ("pg_catalog.int4", "pg_catalog.point")
    assert "Odd name" not in schema.types
    assert schema.enums["public.mood"] == ("sad", "so so")


def test_domains_named_like_media_types_make_handlers(load: Callable[..., Any]) -> None:
    schema = load(
        'create table notes (id int primary key, body text); create domain "text/html" as text;'
        'create domain "image/png" as bytea; create domain "*/*" as bytea;'
        'create function step("text/html", notes) returns "text/html" language sql as $$ select $1 $$;'
        'create function step_any("image/png", anyelement) returns "image/png" language sql as $$ select $1 $$;'
        'create aggregate html(notes) (sfunc = step, stype = "text/html");'
        'create aggregate picture(anyelement) (sfunc = step_any, stype = "image/png");'
        'create function logo() returns "image/png" language sql as $$ select \'\'::bytea::"image/png" $$;'
        'create function any_file() returns "*/*" language sql as $$ select \'\'::bytea::"*/*" $$;'
    ).current()
    assert schema.handlers == {
        ("notes", "text/html"): MediaHandler("text/html", "public.html", "notes"),
        (None, "image/png"): MediaHandler("image/png", "public.picture", binary=True),
    }
    assert (schema.functions["logo"][0].media, schema.functions["logo"][0].base) == ("image/png", "bytea")
    assert schema.functions["any_file"][0].media == "*/*"


def test_role_settings_are_read_for_the_roles_of_callers(load: Callable[..., Any], lab: Any) -> None:
    from reactor_kernel.api import DbRole

    cache = load("select 1")
    name = lab.rows("select current_database()")[0][0]
    lab.rows(f"alter role reactor_authenticated in database {name} set statement_timeout = '7s'")
    lab.rows(f"alter role reactor_authenticated in database {name} set datestyle = 'SQL, DMY'")
    try:
        cache.reload()
        assert cache.role_settings(DbRole.AUTHENTICATED) == {"statement_timeout": "7s", "DateStyle": "SQL, DMY"}
        assert cache.role_settings(DbRole.ANONYMOUS) == {}
    finally:
        lab.rows(f"alter role reactor_authenticated in database {name} reset all")


def test_each_exposed_schema_has_its_own_relations(load: Callable[..., Any]) -> None:
    cache = load(
        "create schema v2; create table things (a int); create table v2.things (b int); comment on schema v2 is 'next';"
        "create function v2.hello() returns int language sql as 'select 1';",
        schema="public, v2",
        extra=("public",),
    )
    assert cache.schemas == ("public", "v2")
    assert list(cache.current().relations["things"].by_name) == ["a"]
    assert list(cache.current("v2").relations["things"].by_name) == ["b"]
    assert ("hello" in cache.current().functions, "hello" in cache.current("v2").functions) == (False, True)
    assert (cache.current("v2").search_path, cache.search_path) == (("v2", "public"), ["public"])
    assert (cache.current().comment, cache.current("v2").comment) == ("standard public schema", "next")
    with pytest.raises(DataError) as refused:
        cache.find("things", "v3")
    assert (refused.value.status, refused.value.pgrst, refused.value.message, refused.value.error_hint) == (
        406,
        "PGRST106",
        "Invalid schema: v3",
        "Only the following schemas are exposed: public, v2",
    )


def test_names_that_look_like_a_rule_confuse_nobody(load: Callable[..., Any]) -> None:
    names = [
        "a}",
        "{b",
        "c\\",
        "(d",
        '"e"',
        ":resno 9 :resname x :resorigtbl 1 :resorigcol 1",
        ":resno 1 :resname x",
        "ü {",
    ]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    columns = ", ".join(f"{name} int" for name in quoted)
    shown = ", ".join(reversed(quoted))
    schema = load(
        f"create table odd ({columns}, primary key ({quoted[0]}, {quoted[5]}));"
        f"create view plain as select {shown}, '{{:resno' as \"{{\" from odd where {quoted[1]} > 0;"
    ).current()
    assert schema.relations["plain"].primary_key == (names[0], names[5])
