"""What the contract promises of migrations beyond applying them: all or nothing, once, told to everybody (data.md §8)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from reactor_data.errors import MigrationDrift
from reactor_kernel.api import MigrationFailed
from reactor_kernel.db.database import PostgresDatabase

EVERYTHING = """
create schema extra;
create table extra.kept (a int);
create type mood as enum ('good', 'bad');
create table made (id reactor_id primary key default reactor_id(), org_id uuid, how mood);
policy made_own on made for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
policy first_own on first for delete using (org_id = auth.org_id());
drop policy first_read on first;
create function doubled(n int) returns int language sql as 'select n * 2';
create view seen as select org_id from made;
grant select on made to reactor_anon;
insert into first (org_id) values (null);
alter table first add column more text;
set timezone = 'Asia/Tokyo';
create temp table passing (a int);
"""
FIRST = "create table first (org_id uuid);\npolicy first_read on first for select using (org_id = auth.org_id());"


def dump(lab: Any) -> dict[str, Any]:
    """Everything a file could leave behind."""
    return {
        "relations": lab.rows(
            "select oid::text, relname, relacl::text, relrowsecurity::text from pg_class order by oid"
        ),
        "columns": lab.rows("select attrelid::text, attname from pg_attribute where attnum > 0 order by 1, 2"),
        "types": lab.rows("select oid::text from pg_type order by oid"),
        "functions": lab.rows("select oid::text, proacl::text from pg_proc order by oid"),
        "schemas": lab.rows("select nspname from pg_namespace where nspname !~ '^pg_t' order by 1"),
        "native": lab.rows("select policyname, tablename, qual from pg_policies order by 1, 2"),
        "declared": lab.rows("select name, table_name, raw_text from _reactor_data.policies order by 1, 2"),
        "history": lab.rows("select version, source_sha256::text from _reactor_data.migrations order by 1"),
        "rows": lab.rows("select count(*)::text from first"),
        "settings": lab.rows("select current_setting('timezone'), current_setting('search_path')"),
    }


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("select nothing from made;", 'column "nothing" does not exist [42703]'),
        ("insert into made (how) values ('so so');", 'invalid input value for enum mood: "so so" [22P02]'),
        ("policy p on made for select using (nothing);", 'column "nothing" does not exist [42703]'),
        ("policy p on nowhere for select using (true);", 'table "public.nowhere" does not exist'),
        ("drop policy none on made;", 'policy "none" for table "made" does not exist [42704]'),
        ("do $$ begin raise exception 'no'; end $$;", "no [P0001]"),
    ],
)
def test_a_file_that_fails_at_its_last_statement_leaves_nothing_at_all(last: str, reason: str, lab: Any) -> None:
    lab.write("001.sql", FIRST)
    lab.apply()
    before = dump(lab)
    lab.write("002.sql", EVERYTHING + last)
    with pytest.raises(MigrationFailed) as raised:
        lab.apply()
    assert raised.value.message.splitlines()[0].split(": ", 1)[1] == reason
    assert dump(lab) == before
    # Mended, it is applied as a whole.
    lab.write("002.sql", EVERYTHING)
    assert lab.apply().applied == ("002",)
    assert lab.rows("select name from _reactor_data.policies order by 1") == [("first_own",), ("made_own",)]


def test_a_constraint_that_waits_for_the_commit_undoes_the_file_as_well(lab: Any) -> None:
    lab.write("001.sql", FIRST)
    lab.apply()
    before = dump(lab)
    lab.write(
        "002.sql",
        "create table a (id int primary key, b int references a deferrable initially deferred);\ninsert into a values (1, 2);",
    )
    with pytest.raises(MigrationFailed) as raised:
        lab.apply()
    assert raised.value.message == (
        'migrations/002.sql: insert or update on table "a" violates foreign key constraint "a_b_fkey"'
    )
    assert dump(lab) == before


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Run tasks in threads that begin together; return what each returned or raised."""
    barrier = threading.Barrier(len(tasks))
    results: list[Any] = [None] * len(tasks)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = tasks[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def servers(lab: Any, tmp_path: Any) -> Any:
    """Make further servers on the same database, each with a directory of its own."""
    made = []

    def make(name: str) -> Any:
        root = tmp_path / name
        root.mkdir()
        server = type(lab)(PostgresDatabase(lab.db.dsn, pool_max=3), root)
        made.append(server)
        return server

    yield make
    for server in made:
        server.db.dispose()


def test_three_servers_that_migrate_at_once_apply_every_file_once(servers: Any, lab: Any) -> None:
    three = [servers(f"server{n}") for n in range(3)]
    files = {
        f"{n:03}": f"create table t{n} (a int);\ninsert into t{n} values (1);\nselect pg_sleep(0.01);" for n in range(8)
    }
    for server in three:
        for version, sql in files.items():
            server.write(f"{version}.sql", sql)
    outcomes = at_once(*(server.apply for server in three))
    applied = [version for outcome in outcomes for version in outcome.applied]
    assert sorted(applied) == sorted(files)
    for outcome in outcomes:
        assert sorted((*outcome.applied, *outcome.skipped)) == sorted(files)
    assert [lab.rows(f"select count(*)::text from t{n}") for n in range(8)] == [[("1",)]] * 8
    assert lab.rows("select version from _reactor_data.migrations order by applied_at, version") == [
        (one,) for one in files
    ]


def test_a_server_with_another_text_of_the_same_file_is_told(servers: Any, lab: Any) -> None:
    one, other = servers("one"), servers("other")
    one.write("001.sql", "create table t (a int);\nselect pg_sleep(0.2);")
    other.write("001.sql", "create table t (a text);\nselect pg_sleep(0.2);")
    outcomes = at_once(one.apply, other.apply)
    (drifted,) = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert isinstance(drifted, MigrationDrift)
    assert drifted.error_code == "migration_drift"
    (applied,) = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert applied.applied == ("001",)


def test_every_applied_file_is_announced_with_its_commit(lab: Any) -> None:
    lab.write("001.sql", "create table t (a int);")
    lab.write("002.sql", "create table u (a int);")
    with psycopg.connect(lab.db.dsn, autocommit=True) as listener:
        listener.execute("listen reactor_data")
        lab.apply()
        heard = [(notice.channel, notice.payload) for notice in listener.notifies(timeout=5, stop_after=2)]
        assert heard == [("reactor_data", "reload schema")] * 2
        lab.apply()
        lab.apply_dry()
        lab.write("003.sql", "create table v (a int);\nselect nothing;")
        with pytest.raises(MigrationFailed):
            lab.apply()
        assert list(listener.notifies(timeout=0.3)) == []


def test_a_recorded_file_that_is_gone_is_not_missed(lab: Any) -> None:
    lab.write("001.sql", "create table t (a int);")
    lab.apply()
    (lab.root / "migrations" / "001.sql").unlink()
    lab.write("002.sql", "create table u (a int);")
    assert (lab.apply().applied, lab.apply().skipped) == (("002",), ("002",))


def test_the_order_is_that_of_the_names_bytes(lab: Any) -> None:
    names = ["10_b", "2_c", "Z", "a", "é"]
    for name in reversed(names):
        lab.write(f"{name}.sql", f"select '{name}';")
    (lab.root / "migrations" / "below").mkdir()
    (lab.root / "migrations" / "below" / "0.sql").write_text("select nothing;")
    assert lab.apply_dry().applied == tuple(names)
    assert lab.apply().applied == tuple(names)


def test_a_dry_run_reads_every_file_and_changes_nothing(lab: Any) -> None:
    lab.write("001.sql", FIRST)
    lab.apply()
    before = dump(lab)
    lab.write("002.sql", EVERYTHING)
    assert lab.apply_dry().applied == ("002",)
    lab.write("003.sql", "policy p on t for read using (true);")
    with pytest.raises(MigrationFailed, match='"read" is not a scope'):
        lab.apply_dry()
    lab.write("001.sql", FIRST + " ")
    with pytest.raises(MigrationDrift):
        lab.apply_dry()
    assert dump(lab) == before


def test_functions_run_as_their_caller_unless_they_say_otherwise(lab: Any) -> None:
    lab.write(
        "001.sql",
        "create function plain() returns int language sql as 'select 1';\n"
        "create function owners() returns int language sql security definer set search_path = '' as 'select 1';",
    )
    lab.apply()
    assert lab.rows("select proname, prosecdef::text from pg_proc where proname in ('plain', 'owners') order by 1") == [
        ("owners", "true"),
        ("plain", "false"),
    ]
    assert lab.rows("select has_function_privilege('public', 'owners()', 'execute')::text") == [("false",)]
    # What a later migration gives to everybody stays given.
    lab.write("002.sql", "grant execute on function plain() to public;\ncreate table t (a int);")
    lab.apply()
    assert lab.rows("select has_function_privilege('public', 'plain()', 'execute')::text") == [("true",)]
