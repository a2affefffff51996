"""Changes, however they are made, arrive at exactly those who may see the row."""

from __future__ import annotations

from typing import Any


def test_what_is_done_over_http_arrives_with_every_name_that_clients_know(ann: Any, sql: Any) -> None:
    stream = ann.subscribe("notes")
    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert stream.blocks[0] == "retry: 3000"
    ann.call("POST", "notes", {"id": 1, "title": "a"}, X_Request_Id="req-1")
    inserted = stream.next()
    assert (inserted.event, inserted.id) == ("INSERT", str(inserted.data["seq"]))
    row = {"id": 1, "org_id": ann.org_id, "owner": ann.user_id, "title": "a", "n": None, "secret": False}
    assert {**inserted.data, "id": 0, "timestamp": 0, "commit_timestamp": 0} == {
        "id": 0,
        "seq": inserted.data["seq"],
        "event": "INSERT",
        "eventType": "INSERT",
        "op": "insert",
        "schema": "public",
        "table": "notes",
        "commit_timestamp": 0,
        "timestamp": 0,
        "new": row,
        "new_record": row,
        "old": None,
        "old_record": None,
        "errors": None,
        "request_id": "req-1",
    }
    assert inserted.data["id"][14] == "7"
    assert inserted.data["timestamp"] == inserted.data["commit_timestamp"]
    assert inserted.data["timestamp"].endswith("+00:00")
    ann.call("PATCH", "notes?id=eq.1", {"title": "b"})
    updated = stream.next()
    assert (updated.event, updated.title, updated.data["old"]) == ("UPDATE", "b", {"id": 1})
    ann.call("DELETE", "notes?id=eq.1")
    deleted = stream.next()
    assert (deleted.event, deleted.data["new"], deleted.data["old"]) == ("DELETE", None, {"id": 1})
    assert int(deleted.id) > int(updated.id) > int(inserted.id)
    assert sql(
        "select count(distinct seq)::text from _reactor_data.realtime_outbox where event ->> 'table' = 'notes'"
    ) == [("3",)]


def test_two_organisations_and_two_members_each_receive_what_they_may_see(person: Any, sql: Any) -> None:
    ann, bob = person(), person()
    eve = person(org_id=ann.org_id)
    streams = {one: one.subscribe("notes?subscribe=1&event=INSERT,UPDATE") for one in (ann, bob, eve)}
    ann.call("POST", "notes", {"title": "over http"})
    ann.call("POST", "notes", {"title": "ann's own", "secret": True})
    bob.call("POST", "notes", {"title": "bob's"})
    sql(f"insert into notes (org_id, title) values ('{ann.org_id}', 'by hand'), ('{bob.org_id}', 'for bob')")
    sql(f"update notes set title = title || '!' where org_id = '{ann.org_id}' and not secret")
    titles = {one: [frame.title for frame in streams[one].take_all(n)] for one, n in ((ann, 5), (bob, 2), (eve, 4))}
    assert all(streams[one].nothing_more() for one in streams)
    # A change shows the row as it is when it is delivered, so the first version of an updated one may be seen or not.
    assert [title.rstrip("!") for title in titles[ann]][:3] == ["over http", "ann's own", "by hand"]
    assert titles[ann][3:] == ["over http!", "by hand!"]
    assert titles[bob] == ["bob's", "for bob"]
    assert [title.rstrip("!") for title in titles[eve]] == ["over http", "by hand", "over http", "by hand"]


def test_a_function_a_trigger_and_a_cascade_are_changes_too(ann: Any, sql: Any) -> None:
    log, children = ann.subscribe("log"), ann.subscribe("children")
    notes = ann.subscribe("notes")
    claims = f"json_build_object('org_id', '{ann.org_id}')::text"
    sql(f"select set_config('request.jwt.claims', {claims}, true), add_note('from rpc')")
    assert notes.next().title == "from rpc"
    assert log.next().data["new"]["what"] == "from rpc"
    sql("insert into parents values (1, 'p'), (2, 'q')")
    sql("insert into children values (10, 1), (11, 1), (12, 2)")
    assert [frame.data["new"]["id"] for frame in children.take_all(3)] == [10, 11, 12]
    sql("update parents set id = 5 where id = 1")
    moved = children.take_all(2)
    assert {(frame.event, frame.data["new"]["id"], frame.data["new"]["parent"]) for frame in moved} == {
        ("UPDATE", 10, 5),
        ("UPDATE", 11, 5),
    }
    sql("delete from parents where id = 5")
    assert {frame.data["old"]["id"] for frame in children.take_all(2)} == {10, 11}


def test_copy_merge_upsert_and_a_changed_key_arrive(ann: Any, kernel: Any, sql: Any) -> None:
    import psycopg

    stream = ann.subscribe("pairs")
    with psycopg.connect(kernel.database.dsn, autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy("copy pairs from stdin") as copy:
            copy.write('1\tx,\\\\"y\tv\n2\tz\tw\n')
    copied = stream.take_all(2)
    assert [(frame.event, frame.data["new"]) for frame in copied] == [
        ("INSERT", {"a": 1, "b": 'x,\\"y', "v": "v"}),
        ("INSERT", {"a": 2, "b": "z", "v": "w"}),
    ]
    sql("insert into pairs values (2, 'z', 'W'), (3, 'n', 'new') on conflict (a, b) do update set v = excluded.v")
    assert sorted((frame.event, frame.data["new"]["v"]) for frame in stream.take_all(2)) == [
        ("INSERT", "new"),
        ("UPDATE", "W"),
    ]
    sql("update pairs set a = a + 10 where a in (2, 3)")
    moved = stream.take_all(2)
    assert [(frame.data["old"], frame.data["new"]["a"]) for frame in moved] == [
        ({"a": 2, "b": "z"}, 12),
        ({"a": 3, "b": "n"}, 13),
    ]
    sql(
        "merge into pairs p using (values (12, 'z', 'm'), (20, 'k', 'k')) s(a, b, v) on p.a = s.a and p.b = s.b"
        " when matched then update set v = s.v when not matched then insert values (s.a, s.b, s.v)"
    )
    assert sorted((frame.event, frame.data["new"]["v"]) for frame in stream.take_all(2)) == [
        ("INSERT", "k"),
        ("UPDATE", "m"),
    ]


def test_changes_of_partitions_are_those_of_the_table(ann: Any, sql: Any) -> None:
    stream = ann.subscribe("days")
    sql("insert into days values (1, '2026-03-01', 'through the table')")
    sql("insert into days_2026 values (2, '2026-04-01', 'into the partition')")
    found = stream.take_all(2)
    assert [(frame.data["table"], frame.data["new"]["v"]) for frame in found] == [
        ("days", "through the table"),
        ("days", "into the partition"),
    ]
    assert found[1].data["new"]["day"] == "2026-04-01"


def test_truncating_tells_subscribers_to_read_again(ann: Any, sql: Any) -> None:
    deletes, inserts = ann.subscribe("pairs"), ann.subscribe("pairs?subscribe=1&event=INSERT")
    sql("truncate pairs")
    frame = deletes.next()
    assert (frame.event, frame.data) == ("resync", {"reason": "truncated", "schema": "public", "table": "pairs"})
    sql("insert into pairs values (1, 'a', 'after')")
    assert [one.next().data["new"]["v"] for one in (deletes, inserts)] == ["after", "after"]


def test_what_is_rolled_back_never_happened(ann: Any, sql: Any) -> None:
    stream = ann.subscribe("pairs")
    sql(
        "do $$ begin begin insert into pairs values (1, 'a', 'lost'); raise exception 'x'; exception when others then end; end $$"
    )
    sql("insert into pairs values (2, 'b', 'kept')")
    assert stream.next().data["new"]["v"] == "kept"


def test_filters_and_select_shape_what_arrives(ann: Any, sql: Any) -> None:
    path = "notes?subscribe=1&select=t:title,n&or=(n.gt.5,title.like.keep*)&id=neq.3"
    stream = ann.subscribe(path)
    rows = [{"id": 1, "title": "no", "n": 1}, {"id": 2, "title": "yes", "n": 6}, {"id": 3, "title": "keep", "n": 9}]
    ann.call("POST", "notes", [*rows, {"id": 4, "title": "keep it", "n": None}])
    assert [frame.data["new"] for frame in stream.take_all(2)] == [{"t": "yes", "n": 6}, {"t": "keep it", "n": None}]
    ann.call("PATCH", "notes?id=eq.2", {"n": 2})
    ann.call("PATCH", "notes?id=eq.1", {"n": 7})
    assert stream.next().data["new"] == {"t": "no", "n": 7}
    # Of a deleted row only the key is left to be tested.
    ann.call("DELETE", "notes?id=in.(3,4)")
    assert stream.next().data["old"] == {"id": 4}
    assert stream.nothing_more()


def test_star_is_every_table_the_caller_may_read(ann: Any, sql: Any) -> None:
    stream = ann.subscribe("*")
    sql("insert into secrets values (1, 'hidden')")
    sql("delete from secrets")
    sql("insert into pairs values (1, 'a', 'v')")
    sql(f"insert into notes (org_id, title) values ('{ann.org_id}', 'seen')")
    tables = [(frame.data["table"], frame.event) for frame in stream.take_all(3)]
    # The trigger's own row is written before the statement that fires it is over.
    assert tables == [("pairs", "INSERT"), ("log", "INSERT"), ("notes", "INSERT")]
    assert stream.nothing_more()


def test_a_row_that_leaves_the_callers_sight_is_not_shown(ann: Any, bob: Any, sql: Any) -> None:
    ann.call("POST", "notes", {"id": 1, "title": "moving"})
    streams = ann.subscribe("notes"), bob.subscribe("notes")
    sql(f"update notes set org_id = '{bob.org_id}' where id = 1")
    assert streams[1].next().title == "moving"
    assert streams[0].nothing_more()
