"""What is said about migration files before they run, and the portable subset."""

from __future__ import annotations

from typing import Any

import pytest

from reactor_data.lint.files import lint_file
from reactor_data.lint.portable import portability
from reactor_data.sql.script import parse_script
from reactor_data.sql.source import SqlSource
from reactor_kernel.api import MigrationFailed


def lint(sql: str) -> list[tuple[str, str]]:
    source = SqlSource("m.sql", sql)
    return [(one.code, one.object) for one in lint_file(source, parse_script(source))]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("policy p on t for update check (a);", [("update_without_using", "m.sql:1:1")]),
        ("policy p on t for select using (auth.has_permission('x'));", [("bare_permission", "m.sql:1:33")]),
        ("policy p on t for select using (auth.is_authenticated() and not false);", [("policy_without_row", "m.sql:1:33")]),
        ("policy p on t for insert check (auth.has_permission('x'::text));", [("bare_permission", "m.sql:1:33")]),
        ("policy p on t for select using (auth.has_permission('x') and a = auth.org_id());", []),
        ("policy p on t for select using (true);", []),
        ("-- security definer\nselect 'create policy p on t using (auth.uid() = a)';", []),
        ("create policy p on t using (a = auth.uid());", [("unwrapped_call", "m.sql:1:1")]),
        ("create policy p on t using (a = (select auth.uid()));", []),
        ("create policy p on t using (a = (select (auth.jwt() ->> 'x')::uuid));", []),
        ("create table t (a int) with (rls = false);", [("table_open", "m.sql:1:1")]),
        ("create function f() returns int language sql security definer as 'select 1';",
         [("definer_without_search_path", "m.sql:1:46")]),
        ("\n create function f() returns int language sql security definer set search_path = '' as 'select 1';",
         [("definer_function", "m.sql:2:47")]),
        ("create view v with (security_invoker = off) as select 1;", [("view_reads_as_owner", "m.sql:1:21")]),
        ("create view v with (security_invoker) as select 1;", []),
    ],
)  # fmt: skip
def test_files_are_looked_at(sql: str, expected: list[tuple[str, str]]) -> None:
    assert lint(sql) == expected


def test_a_dry_run_warns_and_changes_nothing(lab: Any) -> None:
    lab.write(
        "001.sql", "create table t (a int, org_id uuid);\npolicy p on t for select using (auth.has_permission('x'));"
    )
    outcome = lab.apply_dry()
    assert outcome.applied == ("001",)
    assert [(one.code, one.object) for one in outcome.warnings] == [("bare_permission", "migrations/001.sql:2:33")]
    assert lab.rows("select to_regclass('t')::text") == [(None,)]


PORTABLE = """
create table if not exists t (
  id reactor_id primary key default reactor_id(), org_id reactorid not null, a text default 'x' check (a <> ''), b varchar(20),
  c double precision, d timestamptz, e jsonb, f bytea, g bigint references t (id), unique (a, b), constraint k check (c > 0)
);
create unique index i on t (lower(a)) where b is not null;
alter table t add column h int not null default 1, drop column if exists b, rename column c to cc;
alter table t rename to u;
create function f(x int) returns int language sql as 'select x';
policy p on u for all using (org_id = auth.org_id());
drop policy p on u;
insert into u (a) values ('numeric(3)');
update u set a = 'y';
drop index i;
drop table if exists u;
"""


def test_the_portable_subset_passes() -> None:
    assert portability(SqlSource("m.sql", PORTABLE), "public") == []


@pytest.mark.parametrize(
    ("sql", "what", "offending"),
    [
        ("create table t (a uuid);", "the type uuid", "uuid"),
        ("create table t (a int, b numeric(10, 2));", "the type numeric", "numeric"),
        ("create table t (a text[]);", "the type text", "text[]"),
        ("create table t (id serial);", "the type serial", "serial"),
        ("create table t (id int generated always as identity);", "GENERATED", "generated"),
        ("create table t (like other);", "LIKE", "like other"),
        ("create table t as select 1;", "CREATE TABLE … AS", "create table"),
        ("create table app.t (a int);", "another schema (app)", "app.t"),
        ("insert into app.t values (1);", "another schema (app)", "app.t"),
        ("alter table app.t add a int;", "another schema (app)", "app.t"),
        ("alter table t add a money;", "the type money", "money"),
        (
            "alter table t add constraint k check (a > 0);",
            "ALTER TABLE … ADD CONSTRAINT",
            "add constraint k check (a > 0)",
        ),
        ("alter table t enable row level security;", "ALTER TABLE … ENABLE ROW", "enable row level security"),
        ("create policy p on t using (true);", "a native policy", "create policy"),
        ("create materialized view v as select 1;", "CREATE MATERIALIZED", "create materialized"),
        ("create view v as select 1;", "CREATE VIEW", "create view"),
        ("create extension citext;", "CREATE EXTENSION", "create extension"),
        ("create schema s;", "CREATE SCHEMA", "create schema"),
        ("create index on t using gin (a);", "USING of an index", "using"),
        (
            "create function f() returns int language plpgsql as 'begin return 1; end';",
            "a function in plpgsql",
            "language plpgsql",
        ),
        ("with recursive r as (select 1) select * from r;", "WITH RECURSIVE", "with recursive"),
        ("do $$ begin end $$;", "DO", "do $$ begin end $$"),
    ],
)
def test_what_is_outside_of_it_is_named(sql: str, what: str, offending: str) -> None:
    source = SqlSource("m.sql", sql)
    (complaint,) = portability(source, "public")
    assert complaint.reason == f'{what} is not part of the portable subset ([data] dialect = "portable")'
    assert complaint.offending(source) == offending


def test_the_portable_dialect_refuses_a_file_with_all_its_places(lab: Any) -> None:
    lab.write(
        "001.sql", "create table t (a text);\ncreate table u (a uuid);\n\ncreate materialized view m as select 1 as x;"
    )
    with pytest.raises(MigrationFailed) as raised:
        lab.apply(dialect="portable")
    message = raised.value.message
    assert message.startswith(
        'migrations/001.sql:2:19: the type uuid is not part of the portable subset ([data] dialect = "portable")\n'
        "  | create table u (a uuid);\n"
        "  |                   ^^^^\n"
        "  fix: use one of bigint, blob, bool, boolean, bytea, double precision, float, float8, int, int4, int8, integer, json,"
    )
    assert "migrations/001.sql:4:1: CREATE MATERIALIZED is not part of the portable subset" in message
    assert lab.rows("select to_regclass('t')::text") == [(None,)]
    lab.apply()
    assert lab.rows("select to_regclass('t')::text") == [("t",)]
