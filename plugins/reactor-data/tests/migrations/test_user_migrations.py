"""Applying the project's migrations to a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reactor_data.errors import MigrationDrift
from reactor_kernel.api import MigrationFailed

TODOS = """
create table todos (
  id reactor_id primary key default reactor_id(),
  org_id uuid not null default auth.org_id(),
  title text
);
policy todos_own on todos for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
"""


def policies(lab: Any, table: str = "todos") -> list[str]:
    return [row[0] for row in lab.rows("select policyname from pg_policies where tablename = $1 order by 1", table)]


def grantees(lab: Any, relation: str) -> set[str | None]:
    return {
        row[0]
        for row in lab.rows(
            "select distinct r.rolname from pg_class c, aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee"
            " where c.relname = $1 and r.rolname like 'reactor\\_%'",
            relation,
        )
    }


def test_files_are_applied_once_in_the_order_of_their_names(lab: Any) -> None:
    lab.write("002_b.sql", "insert into t values (2);")
    lab.write("001_a.sql", "create table t (n int);")
    lab.write("notes.txt", "not sql")
    assert lab.migrations().apply(True).applied == ("001_a", "002_b")
    assert lab.rows("select count(*) from _reactor_data.migrations") == [("0",)]
    assert lab.apply().applied == ("001_a", "002_b")
    outcome = lab.apply()
    assert (outcome.applied, outcome.skipped) == ((), ("001_a", "002_b"))
    assert lab.rows("select n from t") == [("2",)]


def test_a_file_older_than_the_newest_applied_one_is_still_applied(lab: Any) -> None:
    lab.write("002.sql", "create table b (n int);")
    lab.apply()
    lab.write("001.sql", "create table a (n int);")
    assert lab.apply().applied == ("001",)


def test_a_changed_file_is_drift_and_nothing_runs(lab: Any) -> None:
    lab.write("001.sql", "create table a (n int);")
    lab.apply()
    recorded = lab.rows("select encode(source_sha256, 'hex') from _reactor_data.migrations")[0][0]
    lab.write("001.sql", "create table a (n int); -- changed")
    lab.write("002.sql", "create table b (n int);")
    with pytest.raises(MigrationDrift) as raised:
        lab.apply()
    error = raised.value
    actual = error.details["actual"]
    assert error.error_code == "migration_drift"
    assert error.message == (
        f"migrations/001.sql was changed after it was applied: recorded SHA-256 {recorded}, actual {actual};"
        " no migration was run"
    )
    assert (error.details["file"], error.details["recorded"]) == ("migrations/001.sql", recorded)
    assert lab.rows("select to_regclass('b')::text") == [(None,)]


def test_a_file_that_fails_at_its_last_statement_leaves_nothing(lab: Any) -> None:
    lab.write("001.sql", TODOS)
    lab.write("002.sql", "create table b (n int);\ninsert into b values ('x1');\n\nselect  nope from b;")
    with pytest.raises(MigrationFailed) as raised:
        lab.apply()
    assert raised.value.message == (
        'migrations/002.sql:2:23: invalid input syntax for type integer: "x1" [22P02]\n'
        "  | insert into b values ('x1');\n"
        "  |                       ^"
    )
    assert raised.value.details["revision"] == "002"
    assert lab.rows("select version from _reactor_data.migrations") == [("001",)]
    assert lab.rows("select to_regclass('b')::text") == [(None,)]


def test_an_error_inside_a_policy_points_into_the_file(lab: Any) -> None:
    lab.write("001.sql", "create table t (a int);\npolicy p on t for select\n  using (auth.uid() is null and b = 1);")
    with pytest.raises(MigrationFailed) as raised:
        lab.apply()
    assert raised.value.message == (
        'migrations/001.sql:3:33: column "b" does not exist [42703]\n'
        "  |   using (auth.uid() is null and b = 1);\n"
        "  |                                 ^"
    )


def test_all_complaints_of_all_pending_files_come_before_anything_runs(lab: Any) -> None:
    lab.write("001.sql", "create table t (a int);")
    lab.write("002.sql", "policy p on t for read using (true);")
    lab.write("003.sql", "commit;")
    with pytest.raises(MigrationFailed) as raised:
        lab.apply()
    assert "migrations/002.sql:1:19: " in raised.value.message
    assert "migrations/003.sql:1:1: " in raised.value.message
    assert lab.rows("select to_regclass('t')::text") == [(None,)]


def test_a_policy_on_a_misspelt_table_names_the_nearest(lab: Any) -> None:
    lab.write("001.sql", "create table todos (a int);\npolicy p on todo for select using (true);")
    with pytest.raises(MigrationFailed) as raised:
        lab.apply()
    assert raised.value.message == (
        'migrations/001.sql:2:13: table "public.todo" does not exist\n'
        "  | policy p on todo for select using (true);\n"
        "  |             ^^^^\n"
        '  fix: write "todos"'
    )


@pytest.mark.parametrize(
    "sql",
    [
        "create table t (a int)",
        "create table if not exists t (a int)",
        "create table t as select 1 as a",
        "select 1 as a into t",
        "do $$ begin create table t (a int); end $$",
        "do $$ begin execute 'create table t (a int)'; end $$",
        "create table t (a int) partition by list (a)",
        "create schema s create table s.t (a int)",
    ],
)
def test_every_created_table_has_row_security(lab: Any, sql: str) -> None:
    lab.write("001.sql", sql + ";")
    lab.apply()
    assert lab.rows("select relrowsecurity::text from pg_class where relname = 't'") == [("true",)]


def test_row_security_can_be_left_out_in_so_many_words(lab: Any) -> None:
    lab.write("001.sql", "create table t (a int) with (rls = false, fillfactor = 70);\ncreate table u (a int);")
    lab.apply()
    assert lab.rows(
        "select relname, relrowsecurity::text, reloptions::text from pg_class where relname in ('t', 'u') order by 1"
    ) == [
        ("t", "false", "{fillfactor=70}"),
        ("u", "true", None),
    ]


def test_a_policy_on_a_table_without_row_security_is_refused(lab: Any) -> None:
    lab.write("001.sql", "create table t (a int) with (rls = false);\npolicy p on t for select using (true);")
    with pytest.raises(MigrationFailed, match=r'row security is off for table "public\.t"'):
        lab.apply()


def test_grants_are_given_once_so_that_a_revoke_stays(lab: Any) -> None:
    lab.write("001.sql", "create table t (id bigint generated always as identity);\nrevoke all on t from reactor_anon;")
    lab.apply()
    lab.write("002.sql", "alter table t add column b int;\ncreate or replace view v as select * from t;")
    lab.apply()
    assert grantees(lab, "t") == {"reactor_authenticated"} | lab.service_roles
    assert grantees(lab, "t_id_seq") == {"reactor_anon", "reactor_authenticated"} | lab.service_roles
    assert grantees(lab, "v") == {"reactor_anon", "reactor_authenticated"} | lab.service_roles


def test_what_cannot_have_row_security_is_granted_to_the_service_role_only(lab: Any) -> None:
    lab.write("001.sql", "create table t (a int);\ncreate materialized view m as select * from t;")
    lab.apply()
    assert grantees(lab, "m") == lab.service_roles


def test_views_read_as_their_caller_also_after_being_replaced(lab: Any) -> None:
    lab.write(
        "001.sql",
        "create table t (a int);\ncreate view v as select a from t;\n"
        "create view w with (security_invoker = false) as select a from t;",
    )
    lab.apply()
    lab.write("002.sql", "create or replace view v as select a, 1 as b from t;")
    lab.apply()
    assert lab.rows("select relname, reloptions::text from pg_class where relname in ('v', 'w') order by 1") == [
        ("v", "{security_invoker=true}"),
        ("w", "{security_invoker=false}"),
    ]


def test_functions_are_not_for_public(lab: Any) -> None:
    lab.write(
        "001.sql",
        "create function f(a int, b \"char\") returns int language sql as 'select 1';\n"
        "create procedure p() language sql as 'select 1';",
    )
    lab.apply()
    for name in ("f", "p"):
        found = lab.rows(
            "select coalesce(r.rolname, 'PUBLIC') from pg_proc p, aclexplode(p.proacl) a left join pg_roles r on r.oid = a.grantee"
            " where p.proname = $1 and a.grantee <> p.proowner order by 1",
            name,
        )
        assert {row[0] for row in found} == {"reactor_anon", "reactor_authenticated"} | lab.service_roles


def test_a_policy_declared_again_replaces_what_it_was(lab: Any) -> None:
    lab.write("001.sql", TODOS)
    lab.apply()
    assert policies(lab) == [
        "reactor__insert",
        "todos_own__delete",
        "todos_own__insert",
        "todos_own__select",
        "todos_own__update",
        "todos_own__update_check",
    ]
    lab.write("002.sql", "policy todos_own on todos for select using (true);")
    lab.apply()
    assert policies(lab) == ["todos_own__select"]
    assert lab.rows("select scopes::text, native_names::text, migration_name from _reactor_data.policies") == [
        ("{select}", "{todos_own__select}", "002")
    ]


def test_drop_policy_drops_all_that_was_derived_and_the_base_with_the_last(lab: Any) -> None:
    lab.write("001.sql", TODOS + "policy other on todos for insert check (title is not null);")
    lab.apply()
    lab.write("002.sql", "drop policy todos_own on todos;")
    lab.apply()
    assert policies(lab) == ["other__insert", "reactor__insert"]
    lab.write("003.sql", "drop policy other on todos;")
    lab.apply()
    assert policies(lab) == []
    assert lab.rows("select count(*) from _reactor_data.policies") == [("0",)]


def test_dropping_the_last_check_natively_takes_the_base_away(lab: Any) -> None:
    lab.write("001.sql", "create table todos (a int);\npolicy p on todos for insert check (a > 0);")
    lab.apply()
    lab.write("002.sql", "drop policy p__insert on todos;")
    lab.apply()
    assert policies(lab) == []


def test_native_policies_join_and_are_dropped_natively(lab: Any) -> None:
    lab.write("001.sql", TODOS + "create policy mine on todos for select using (title = 'policy; x');")
    lab.apply()
    assert "mine" in policies(lab)
    lab.write("002.sql", "drop policy mine on todos;")
    lab.apply()
    assert "mine" not in policies(lab)


def test_derived_policies_follow_the_configured_roles(lab: Any) -> None:
    lab.write("001.sql", TODOS)
    lab.apply()

    def read() -> set[str | None]:
        return {row[0] for row in lab.rows("select roles::text from pg_policies where tablename = 'todos'")}

    assert read() == {"{reactor_authenticated}"}
    lab.apply(anon_role="reactor_anon")
    assert read() == {"{reactor_anon,reactor_authenticated}"} or read() == {"{reactor_authenticated,reactor_anon}"}
    with pytest.raises(MigrationFailed) as raised:
        lab.apply(anon_role="web_anon")
    assert raised.value.message == "[data] anon_role is 'web_anon', but callers without a token run as 'reactor_anon'"


def test_reactor_ids_are_of_version_seven_and_in_order_of_time(lab: Any) -> None:
    lab.write("001.sql", "create table t (id reactor_id primary key default reactor_id(), other reactorid);")
    lab.apply()
    for _ in range(3):
        lab.rows("insert into t default values returning id")
        lab.rows("select pg_sleep(0.002)")
    ids = [row[0] for row in lab.rows("select id from t order by ctid")]
    assert ids == sorted(ids)
    assert {one[14] for one in ids} == {"7"}
    assert {one[19] for one in ids} <= set("89ab")
    with pytest.raises(Exception, match="reactor_id_is_version_7"):
        lab.rows("insert into t (id) values (gen_random_uuid())")


def test_settings_and_temporary_tables_of_a_migration_do_not_outlive_it(lab: Any) -> None:
    lab.write("001.sql", "set search_path = pg_catalog;\nset timezone = 'Asia/Tokyo';\ncreate temp table t (a int);")
    before = lab.rows("select current_setting('search_path'), current_setting('timezone')")
    lab.apply()
    for _ in range(4):
        assert lab.rows("select current_setting('search_path'), current_setting('timezone')") == before
        assert lab.rows("select count(*) from pg_class where relname = 't'") == [("0",)]


def test_the_words_of_the_dialect_inside_strings_are_left_alone(lab: Any) -> None:
    lab.write(
        "001.sql",
        "create table t (a text);\ninsert into t values ('policy p on t for all; reactor_id'), ($$ with (rls = false); $$);\n"
        "create function f() returns text language plpgsql as $f$ begin return 'x; policy'; end; $f$;\n"
        "create function g() returns int begin atomic; select case when true then 1 else 2 end; end;\n"
        "-- policy ; \n/* ; /* policy */ ; */",
    )
    lab.apply()
    assert lab.rows("select a from t order by a desc") == [
        ("policy p on t for all; reactor_id",),
        (" with (rls = false); ",),
    ]
    assert lab.rows("select f(), g()::text") == [("x; policy", "1")]


def test_the_branch_has_no_difference_to_its_tables(lab: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from reactor_data.tables import metadata

    with lab.db.begin() as tx:
        context = MigrationContext.configure(
            tx.connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, parents: kind != "schema" or name == "_reactor_data",
                "include_object": lambda obj, name, kind, reflected, other: name != "alembic_version",
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []


@pytest.fixture
def superuser(lab: Any) -> Iterator[Any]:
    """Migrations of a login that is a superuser; `superuser(channel)` applies them."""
    from reactor_data.usermigrations.apply import UserMigrations
    from reactor_kernel.db.database import PostgresDatabase
    from reactor_kernel.embedded.settings import LOGIN, SUPERUSER

    database = PostgresDatabase(lab.db.dsn.replace(f"//{LOGIN}@", f"//{SUPERUSER}@", 1), pool_max=2)

    def apply(channel: str = "reactor_data") -> None:
        UserMigrations(
            database, directory=lab.root / "migrations", root=lab.root, user_schema="public", channel=channel
        ).apply()

    yield apply
    database.dispose()


def ddl_trigger(lab: Any) -> list[tuple[str | None, ...]]:
    return lab.rows(  # type: ignore[no-any-return]
        "select t.oid::text, p.prosrc from pg_event_trigger t join pg_proc p on p.oid = t.evtfoid"
        " where t.evtname = 'reactor_data_ddl'"
    )


def test_a_change_of_the_schema_outside_of_migrations_is_announced(lab: Any, superuser: Any) -> None:
    import psycopg

    superuser()
    with psycopg.connect(lab.db.dsn, autocommit=True) as listening:
        listening.execute("listen reactor_data")
        for statement in (
            "create table a (id int primary key)",
            "create table b (a_id int references a)",
            "comment on table a is 'x'",
            "drop table b",
        ):
            lab.rows(statement)
            heard = [notice.payload for notice in listening.notifies(timeout=10, stop_after=1)]
            assert heard == ["reload schema"], statement
        lab.rows("create temp table c (id int)")
        lab.rows("insert into a values (1)")
        lab.rows("select pg_notify('reactor_data', 'last')")
        assert [notice.payload for notice in listening.notifies(timeout=10, stop_after=1)] == ["last"]


def test_the_announcement_follows_the_configured_channel_and_is_made_once(lab: Any, superuser: Any) -> None:
    superuser()
    first = ddl_trigger(lab)
    superuser()
    assert ddl_trigger(lab) == first
    superuser("elsewhere")
    assert "pg_notify('elsewhere', 'reload schema')" in str(ddl_trigger(lab))


def test_a_login_that_is_no_superuser_does_without_the_announcement(lab: Any) -> None:
    lab.apply()
    assert bool(ddl_trigger(lab)) is lab.db.is_superuser_login()


def test_every_exposed_schema_gets_the_default_grants(lab: Any) -> None:
    from reactor_data.usermigrations.apply import UserMigrations

    lab.write(
        "001.sql", "create schema v2; create table v2.things (id int); create schema v3; create table v3.own (id int);"
    )
    UserMigrations(
        lab.db, directory=lab.root / "migrations", root=lab.root, user_schema="public, v2", channel="reactor_data"
    ).apply()
    assert grantees(lab, "things") >= {"reactor_authenticated", "reactor_anon"}
    assert grantees(lab, "own") == set()
    assert lab.rows(
        "select has_schema_privilege('reactor_authenticated', n, 'usage')::text from unnest('{v2,v3}'::text[]) n"
    ) == [("true",), ("false",)]


@pytest.mark.parametrize("key", ["authenticated", "service"])
def test_a_role_that_callers_do_not_run_as_is_refused(lab: Any, key: str) -> None:
    if key == "service" and not lab.service_roles:
        pytest.skip("services run as the tables' owner here")
    with pytest.raises(MigrationFailed) as raised:
        lab.apply(**{f"{key}_role": "somebody"})
    callers = {"authenticated": "users", "service": "services"}[key]
    assert raised.value.message == f"[data] {key}_role is 'somebody', but {callers} run as 'reactor_{key}'"
    lab.apply(**{f"{key}_role": f"reactor_{key}"})
