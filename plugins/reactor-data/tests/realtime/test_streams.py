"""How a subscription begins, and everything that ends one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from reactor_kernel.api import InvalidCredential

NO_REALTIME = "realtime_unavailable"


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("nothing", 404, "table_not_found", "Could not find the table 'public.nothing' in the schema cache"),
        ("secrets", 403, "permission_denied", "permission denied for table secrets"),
        ("titles", 426, NO_REALTIME, "titles is not a table, and only changes of tables are recorded"),
        ("keyless", 426, NO_REALTIME, "keyless has no primary key, so its changes are not recorded"),
        ("quiet", 426, NO_REALTIME, "quiet does not record its changes"),
        ("days_2026", 426, NO_REALTIME, "days_2026 is a partition, and its changes are those of its partitioned table"),
        ("notes?subscribe=1&event=CHANGE", 400, "invalid_query", "event=CHANGE names no event"),
        ("notes?subscribe=1&nope=eq.1", 400, "column_not_found", "column notes.nope does not exist"),
        ("notes?subscribe=1&select=nope", 400, "column_not_found", "column notes.nope does not exist"),
        ("notes?subscribe=1&n=eq.x", 400, "invalid_input", 'invalid input syntax for type integer: "x"'),
        (
            "notes?subscribe=1&limit=1",
            400,
            "invalid_query",
            "a subscription has no order, limit, columns or on_conflict",
        ),
        ("*?subscribe=1&n=eq.1", 400, "invalid_query", "a subscription to every table has no filters and no select"),
    ],
)
def test_what_cannot_be_is_refused_before_the_stream(ann: Any, path: str, status: int, code: str, message: str) -> None:
    refused = ann.subscribe(path)
    assert (refused.status, refused.error["error"]["code"], refused.error["message"]) == (status, code, message)
    assert refused.headers["content-type"] == "application/json; charset=utf-8"


def test_a_subscription_needs_a_token_and_accepts_it_in_the_query(ann: Any, sql: Any) -> None:
    assert ann.subscribe("pairs", authorize=False).status == 401
    path = f"pairs?subscribe=1&access_token={quote(ann.token)}"
    stream = ann.subscribe(path, authorize=False)
    sql("insert into pairs values (1, 'a', 'v')")
    assert stream.next().data["new"]["v"] == "v"
    # A token in the address is for streams only.
    assert ann.subscribe(f"pairs?access_token={quote(ann.token)}", authorize=False).status == 401
    elsewhere = ann.subscribe(f"rpc/add_note?subscribe=1&access_token={quote(ann.token)}", authorize=False)
    assert elsewhere.status == 401


def test_a_token_in_the_address_appears_in_no_log_and_no_error(ann: Any, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    token = quote(ann.token)
    stream = ann.subscribe(f"pairs?subscribe=1&access_token={token}", authorize=False)
    assert "content-location" not in stream.headers
    refused = ann.subscribe(f"pairs?subscribe=1&nope=eq.1&access_token={token}", authorize=False)
    wrong = ann.subscribe("pairs?subscribe=1&access_token=not-a-token-at-all", authorize=False)
    assert (refused.status, wrong.status) == (400, 401)
    told = caplog.text + json.dumps(refused.error) + json.dumps(wrong.error)
    assert ann.user_id not in told
    assert "not-a-token-at-all" not in told


def test_only_an_event_stream_is_offered(ann: Any) -> None:
    refused = ann.subscribe("pairs", accept="application/json")
    assert (refused.status, refused.error["code"]) == (406, "PGRST107")
    assert ann.subscribe("pairs", accept="*/*").status == 200


def test_without_realtime_there_are_no_triggers_and_the_answer_is_426(boot: Callable[..., Any], person: Any) -> None:
    from reactor_kernel.api import Statement

    kernel = boot(realtime=False)
    ann = person()
    ann.app = kernel.app
    refused = ann.subscribe("pairs")
    assert (refused.status, refused.error["error"]["code"]) == (426, NO_REALTIME)
    assert refused.error["message"] == "realtime is switched off on this server"
    (found,) = kernel.database.run(
        None, [Statement("select 1 from pg_trigger where tgname like 'reactor\\_realtime\\_%'")]
    )
    assert found.rows == []


def test_streams_are_counted(boot: Callable[..., Any], person: Any, ann: Any) -> None:
    opened = [ann.subscribe("pairs", read=False) for _ in range(60)]
    refused = ann.subscribe("pairs", read=False)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    for stream in opened:
        stream.close()
    last = ann.subscribe("pairs", read=False)
    assert last.status == 200
    last.close()


def test_a_slow_subscriber_overflows_and_resumes_without_a_loss(ann: Any, sql: Any) -> None:
    slow = ann.subscribe("pairs", read=False)
    while slow.last_id is None:
        slow.take(next(slow.body).decode().strip())
    for start in range(0, 3000, 500):
        sql(f"insert into pairs select n, 'x', 'v' from generate_series({start + 1}, {start + 500}) n")
    time.sleep(1)  # the reader hands all of it over while nothing is read
    for chunk in slow.body:
        slow.take(chunk.decode().strip())
    found = [slow.next() for _ in range(1025)]
    assert [frame.data["new"]["a"] for frame in found[:-1]] == list(range(1, 1025))
    assert (found[-1].event, found[-1].data) == (
        "overflow",
        {"code": "overflow", "message": "the subscriber is too slow"},
    )
    slow.close()
    again = ann.subscribe("pairs", last_event_id=slow.last_id)
    assert [frame.data["new"]["a"] for frame in again.take_all(1976)] == list(range(1025, 3001))


def test_an_expired_token_ends_the_stream(person: Any, sql: Any) -> None:
    ann = person(exp=time.time() + 1.5)
    stream = ann.subscribe("pairs")
    sql("insert into pairs values (1, 'a', 'v')")
    assert stream.next().event == "INSERT"
    frame = stream.next()
    assert (frame.event, frame.data) == (
        "token_expired",
        {"code": "token_expired", "message": "the token expired"},
    )
    assert stream.next() is None


def test_losing_the_membership_stops_delivery_at_once(ann: Any, bob: Any, people: Any, sql: Any) -> None:
    from .conftest import refusal

    streams = ann.subscribe("notes"), bob.subscribe("notes")
    ann.call("POST", "notes", {"title": "still a member"})
    assert streams[0].next().title == "still a member"
    people.refused[ann.user_id] = refusal("not_org_member")
    sql(f"insert into notes (org_id, title) values ('{ann.org_id}', 'no longer'), ('{bob.org_id}', 'bob''s')")
    assert streams[1].next().title == "bob's"
    frame = streams[0].next()
    assert (frame.event, frame.data) == (
        "error",
        {"code": "not_org_member", "message": "the caller is no member of this organisation"},
    )
    assert streams[0].next() is None


def test_an_idle_stream_of_a_revoked_session_ends_too(ann: Any, people: Any) -> None:
    stream = ann.subscribe("notes")
    people.refused[ann.user_id] = InvalidCredential("the session was revoked")
    frame = stream.next()
    assert (frame.event, frame.data) == (
        "token_expired",
        {"code": "invalid_token", "message": "the session was revoked"},
    )


def test_losing_the_right_to_read_ends_the_stream(ann: Any, sql: Any) -> None:
    everything, stream = ann.subscribe("*"), ann.subscribe("pairs")
    sql("revoke select on pairs from reactor_authenticated")
    sql("delete from pairs")
    sql("insert into pairs values (1, 'a', 'v')")
    frame = stream.next()
    assert (frame.event, frame.data["code"]) == ("error", "permission_denied")
    assert everything.nothing_more()


def test_a_draining_server_says_so(ann: Any, kernel: Any) -> None:
    stream = ann.subscribe("pairs")
    kernel.drain(1)
    assert stream.next().event == "shutdown"
    assert stream.next() is None


def test_equal_identities_are_asked_about_once(person: Any, kernel: Any, sql: Any, monkeypatch: Any) -> None:
    ann = person()
    streams = [ann.subscribe("notes") for _ in range(5)]
    asked: list[str] = []
    run = kernel.database.run

    def counted(identity: Any, statements: Any, **options: Any) -> Any:
        if identity is not None and '"notes"' in statements[0].sql:
            asked.append(statements[0].sql)
        return run(identity, statements, **options)

    monkeypatch.setattr(kernel.database, "run", counted)
    sql(f"insert into notes (org_id, title) values ('{ann.org_id}', 'one')")
    assert [stream.next().title for stream in streams] == ["one"] * 5
    assert len(asked) == 1


def test_a_quiet_stream_pings_and_says_how_far_the_outbox_is(ann: Any, sql: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("reactor_kernel.http.sse.HEARTBEAT_SECONDS", 0.5)  # instead of 15
    stream = ann.subscribe("pairs", read=False)
    while stream.last_id is None:
        stream.take(next(stream.body).decode().strip())
    began = int(stream.last_id)
    assert next(stream.body).decode() == ": ping\n\n"
    sql("insert into parents values (1, 'of another table')")
    heartbeats = [next(stream.body).decode() for _ in range(3)]
    assert [one for one in heartbeats if one != ": ping\n\n"] == [f": ping\nid: {began + 1024}\n\n"]
    stream.close()


def test_a_permission_that_is_demanded_is_demanded_at_each_delivery(
    boot: Callable[..., Any], person: Any, people: Any
) -> None:
    kernel = boot(table_permissions="enforce")
    kernel.start_services()
    import httpx

    client = httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test")
    ann = person()
    ann.app, ann.client = kernel.app, client
    try:
        refused = ann.subscribe("notes")
        assert (refused.status, refused.error["message"]) == (403, "the permission data:notes:read is required")
        people.permissions[ann.user_id] = ["data:notes:*", "data:parents:write"]
        notes, everything = ann.subscribe("notes"), ann.subscribe("*")
        ann.call("POST", "parents", {"id": 1})
        ann.call("POST", "notes", {"title": "a"})
        assert notes.next().title == everything.next().title == "a"  # nothing of parents
        people.permissions[ann.user_id] = ["data:notes:write"]
        ann.call("POST", "notes", {"title": "b"})
        last = notes.next()
        assert (last.event, last.data["message"]) == ("error", "the permission data:notes:read is required")
        assert everything.nothing_more()
    finally:
        kernel.drain(5)
        client.close()


def test_a_filter_that_takes_long_ends_its_own_stream_only(ann: Any, sql: Any) -> None:
    sql(
        "create function slow(notes) returns int language plpgsql stable as"
        " $$ begin if $1.title = 'slow' then perform pg_sleep(30); end if; return 1; end $$"
    )
    slow, other = ann.subscribe("notes?subscribe=1&slow=eq.1"), ann.subscribe("notes")
    ann.call("POST", "notes", {"title": "slow"})
    last = slow.next(20)
    assert (last.event, last.data["code"]) == ("error", "database_error")
    assert other.next(20).title == "slow"
