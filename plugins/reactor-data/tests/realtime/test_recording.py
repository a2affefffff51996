"""Which tables record their changes, and what becomes of the triggers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reactor_kernel.api import MigrationFailed, Statement

RECORDED = """
select distinct c.relname::text from pg_trigger t join pg_class c on c.oid = t.tgrelid
where t.tgname like 'reactor\\_realtime\\_%' order by 1
"""


def recorded(lab: Any) -> list[str | None]:
    return [name for (name,) in lab.rows(RECORDED)]


def events(lab: Any) -> list[tuple[str | None, ...]]:
    return lab.rows(  # type: ignore[no-any-return]
        "select event ->> 'op', event ->> 'table', event -> 'keys', event -> 'old' from _reactor_data.realtime_outbox"
        " where event ->> 'op' <> 'begin' order by seq"
    )


def test_tables_with_a_key_record_unless_they_are_exempt(lab: Any) -> None:
    lab.write(
        "1.sql",
        "create table a (id int primary key);"
        "create table b (id int primary key) with (realtime = false);"
        "create table c (id int primary key) with (fillfactor = 80, realtime = off, rls = false);"
        "create table keyless (a int);"
        "create view v as select * from a;"
        "create schema elsewhere; create table elsewhere.d (id int primary key);",
    )
    lab.apply()
    assert recorded(lab) == ["a"]
    assert lab.rows("select reloptions::text from pg_class where relname = 'c'") == [("{fillfactor=80}",)]
    lab.write("2.sql", "alter table a set (realtime = false); alter table b set (realtime = true); drop table c;")
    lab.write("3.sql", "alter table keyless add primary key (a); create table c (id int primary key);")
    lab.apply()
    assert recorded(lab) == ["b", "c", "keyless"]
    assert lab.rows(
        "select count(*)::text from pg_proc where proname like 'record\\_%' and pronamespace = '_reactor_data'::regnamespace"
    ) == [("3",)]
    lab.apply(realtime=False)
    lab.write("4.sql", "select 1;")
    lab.apply(realtime=False)
    assert recorded(lab) == []
    assert lab.rows(
        "select count(*)::text from pg_proc where proname like 'record\\_%' and pronamespace = '_reactor_data'::regnamespace"
    ) == [("0",)]


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        (
            "create table t (id int primary key); alter table t set (realtime = maybe);",
            "realtime is either true or false",
        ),
        (
            "create table t (id int primary key); alter table t set (fillfactor = 80, realtime = true);",
            "realtime stands alone: it is no storage parameter of Postgres",
        ),
        ("alter table nothing set (realtime = false);", 'table "public.nothing" does not exist'),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_place(lab: Any, sql: str, complaint: str) -> None:
    lab.write("1.sql", sql)
    with pytest.raises(MigrationFailed) as failed:
        lab.apply()
    assert failed.value.message.splitlines()[0].split(": ", 1)[1] == complaint


def test_keys_are_recorded_in_portions_with_the_old_ones_where_they_changed(lab: Any) -> None:
    lab.write(
        "1.sql", "create table a (id int primary key, v int); create table p (x text, y date, primary key (y, x));"
    )
    lab.apply()
    lab.rows("insert into a select n from generate_series(1, 2500) n")
    portions = lab.rows(
        "select jsonb_array_length(event -> 'keys')::text, event -> 'keys' ->> 0 from _reactor_data.realtime_outbox"
        " where event ->> 'op' = 'insert' order by seq"
    )
    assert portions == [("1024", "1"), ("1024", "1025"), ("452", "2049")]
    lab.rows("delete from _reactor_data.realtime_outbox")
    lab.rows("update a set v = 1 where id < 3")
    lab.rows("update a set id = -id where id < 3")
    lab.rows("delete from a where id = -2")
    lab.rows("insert into p values ('a\"b', '2026-11-29')")
    lab.rows("update a set v = 2 where false")
    assert events(lab) == [
        ("update", "a", "[1, 2]", None),
        ("update", "a", "[-1, -2]", "[1, 2]"),
        ("delete", "a", "[-2]", None),
        ("insert", "p", '[["2026-11-29", "a\\"b"]]', None),
    ]


def test_a_column_renamed_behind_the_migrations_back_fails_no_writer(lab: Any) -> None:
    lab.write("1.sql", "create table a (id int primary key);")
    lab.apply()
    lab.rows("alter table a rename column id to number")
    lab.rows("insert into a values (1)")
    assert [event[:2] for event in events(lab)] == [("resync", "a")]
    lab.write("2.sql", "select 1;")
    lab.apply()
    lab.rows("insert into a values (2)")
    assert events(lab)[1] == ("insert", "a", "[2]", None)


def test_a_writer_needs_no_right_on_the_outbox_and_has_none(lab: Any) -> None:
    from reactor_kernel.api import DatabaseFault, DbRole, Identity, IdentityKind

    lab.write("1.sql", "create table a (id int primary key) with (rls = false);")
    lab.apply()
    user = Identity(kind=IdentityKind.USER, subject="u", db_role=DbRole.AUTHENTICATED)
    lab.db.run(user, [Statement("insert into public.a values (1)")])
    assert events(lab) == [("insert", "a", "[1]", None)]
    with pytest.raises(DatabaseFault, match="permission denied for schema _reactor_data"):
        lab.db.run(user, [Statement("select * from _reactor_data.realtime_outbox")])


def test_a_table_made_by_hand_records_from_the_next_look_on(
    boot: Callable[..., Any], ann: Any, sql: Any, kernel: Any
) -> None:
    sql("create table made (id int primary key)")
    sql("grant select on made to reactor_authenticated")
    refused = ann.subscribe("made")
    assert (refused.status, refused.error["message"]) == (426, "made does not record its changes")
    kernel.migrate(dry_run=False)
    stream = ann.subscribe("made")
    sql("insert into made values (1)")
    assert stream.next().data["new"] == {"id": 1}


def test_the_keeper_sweeps_what_nobody_can_resume_from(lab: Any) -> None:
    import threading

    from reactor_data.realtime.keeping import OutboxKeeper
    from reactor_data.realtime.outbox import Outbox

    lab.write("1.sql", "create table a (id int primary key);")
    lab.apply()
    for number in range(5):
        lab.rows(f"insert into a values ({number})")
    lab.rows("update _reactor_data.realtime_outbox set created_at = created_at - interval '1 hour' where seq < 4096")
    looked: list[bool] = []
    keeper = OutboxKeeper(Outbox(lab.db), 600, lambda: looked.append(True))
    assert keeper.sweep(threading.Event()) == 3
    assert [keys for _, _, keys, _ in events(lab)] == ["[2]", "[3]", "[4]"]
    lab.rows("update _reactor_data.realtime_outbox set created_at = created_at - interval '1 hour'")
    assert keeper.sweep(threading.Event()) == 2
    assert [keys for _, _, keys, _ in events(lab)] == ["[4]"]


def test_no_name_of_a_column_is_taken_for_code(lab: Any) -> None:
    from reactor_data.realtime.recording import function_name

    digest = function_name("public", "a")[-10:]
    for at, name in enumerate((f"$r{digest}$", "$$; drop table kept; --", "a'b\\c", "$body$")):
        lab.write(
            f"{at}.sql", f'drop table if exists a; create table a ("{name}" text primary key) with (rls = false);'
        )
        lab.apply()
        lab.rows("insert into a values ('x') returning 1")
        assert lab.rows("select event ->> 'key' from _reactor_data.realtime_outbox order by seq desc limit 1") == [
            (json.dumps([name]),)
        ]
