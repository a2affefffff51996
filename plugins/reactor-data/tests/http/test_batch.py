"""`/data/v1/_batch`: all or nothing, references, idempotency."""

from __future__ import annotations

import threading
from typing import Any

import pytest

SHOP = """
create table orders (
  id bigint generated always as identity primary key,
  org_id uuid not null default auth.org_id(),
  title text not null unique,
  total int not null default 0
);
policy orders_of_the_org on orders for all using (org_id = auth.org_id()) check (org_id = auth.org_id() and total >= 0);
create table lines (
  id bigint generated always as identity primary key,
  order_id bigint not null references orders deferrable initially deferred,
  org_id uuid not null default auth.org_id(),
  what text not null,
  price int not null
);
policy lines_of_the_org on lines for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
create function order_total(which bigint) returns int language sql stable
  as $$ select coalesce(sum(price), 0)::int from lines where order_id = which $$;
create function teapot() returns void language sql volatile
  as $$ select set_config('response.status', '418', true) $$;
create function zone() returns text language sql stable as $$ select current_setting('timezone') $$;
create function writes_quietly() returns int language plpgsql volatile
  as $$ begin insert into lines (order_id, what, price) values (1, 'x', 1); return 1; end $$;
"""


@pytest.fixture
def shop(served: Any) -> Any:
    return served(SHOP)


def batch(member: Any, *requests: dict[str, Any], **headers: str) -> Any:
    return member.call("POST", "_batch", body={"requests": list(requests)}, **headers)


def insert(id_: str, table: str, body: Any, prefer: str = "return=representation") -> dict[str, Any]:
    return {"id": id_, "method": "POST", "path": f"/data/v1/{table}", "headers": {"Prefer": prefer}, "body": body}


ORDER = (
    insert("order", "orders", {"title": "first"}),
    insert(
        "lines",
        "lines?select=what,price&order=price",
        [
            {"order_id": {"$ref": "order.body[0].id"}, "what": "tea", "price": 3},
            {"order_id": {"$ref": "order.body[0].id"}, "what": "cup", "price": 7},
        ],
    ),
    {
        "id": "sum",
        "method": "POST",
        "path": "/data/v1/rpc/order_total",
        "body": {"which": {"$ref": "order.body[0].id"}},
    },
    {
        "id": "total",
        "method": "PATCH",
        "path": '/data/v1/orders?id=eq.{"$ref":"order.body[0].id"}',
        "headers": {"Prefer": "return=minimal"},
        "body": {"total": {"$ref": "sum.body"}},
    },
    {
        "id": "read",
        "method": "GET",
        "path": "/data/v1/orders?select=title,total,lines(what)&lines.order=what"
        "&id=eq.%7B%22%24ref%22%3A%22order.body%5B0%5D.id%22%7D",
        "headers": {"Accept": "application/vnd.pgrst.object+json", "Prefer": "count=exact"},
    },
)


def test_an_order_with_its_lines(shop: Any) -> None:
    answer = batch(shop.ann, *ORDER)
    assert answer.status_code == 200, answer.text
    results = {one["id"]: one for one in answer.json()["results"]}
    assert list(results) == ["order", "lines", "sum", "total", "read"]
    assert [one["status"] for one in results.values()] == [201, 201, 200, 204, 200]
    assert results["lines"]["body"] == [{"what": "tea", "price": 3}, {"what": "cup", "price": 7}]
    assert results["sum"]["body"] == 10
    assert results["total"]["body"] is None
    assert results["read"]["body"] == {"title": "first", "total": 10, "lines": [{"what": "cup"}, {"what": "tea"}]}
    assert results["read"]["headers"]["content-range"] == "0-0/1"
    assert shop.rows("select event_type, row_count from _reactor_data.audit_events order by ts, id") == [
        ("rows.insert", "1"),
        ("rows.insert", "2"),
        ("rows.update", "1"),
        # It changes nothing, so it is on record in a transaction of its own, after the batch's.
        ("rpc.invoke", None),
    ]
    assert shop.bob.call("GET", "orders").json() == []


FAILURES = [
    (insert("bad", "orders", {"title": "first"}), 409, "conflict", "23505"),
    (insert("bad", "orders", {"title": "x", "total": -1}), 403, "policy_denied", "42501"),
    (insert("bad", "orders", {"nothing": 1}), 400, "column_not_found", "PGRST204"),
    (insert("bad", "nowhere", {"a": 1}), 404, "table_not_found", "PGRST205"),
    ({"id": "bad", "method": "GET", "path": "/data/v1/orders?title=what.x"}, 400, "invalid_filter", "PGRST100"),
    ({"id": "bad", "method": "POST", "path": "/data/v1/rpc/teapot"}, 418, "batch_failed", "batch_failed"),
    ({"id": "bad", "method": "GET", "path": "/data/v1/rpc/writes_quietly"}, 405, "method_not_allowed", "25006"),
    (
        {
            "id": "bad",
            "method": "GET",
            "path": "/data/v1/orders?title=eq.none",
            "headers": {"Accept": "application/vnd.pgrst.object+json"},
        },
        406,
        "singular_mismatch",
        "PGRST116",
    ),
]


@pytest.mark.parametrize(("bad", "status", "code", "pgrst"), FAILURES)
def test_one_that_fails_leaves_nothing(shop: Any, bad: dict[str, Any], status: int, code: str, pgrst: str) -> None:
    answer = batch(shop.ann, *ORDER[:2], bad, insert("after", "orders", {"title": "after"}))
    body = answer.json()
    assert (answer.status_code, body["error"]["code"], body["code"], body["failed"]) == (status, code, pgrst, "bad")
    assert (body["error"]["details"]["failed"], body["error"]["details"]["index"]) == ("bad", 2)
    assert shop.rows("select count(*) from orders") == [("0",)]
    assert shop.rows("select count(*) from lines") == [("0",)]
    assert shop.ann.call("GET", "orders").json() == []


def test_a_constraint_that_waits_for_the_commit(shop: Any) -> None:
    answer = batch(shop.ann, insert("line", "lines", {"order_id": 4711, "what": "x", "price": 1}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert shop.rows("select count(*) from lines") == [("0",)]


def test_what_one_request_sets_the_next_does_not_find(shop: Any) -> None:
    zone = {"id": "a", "method": "POST", "path": "/data/v1/rpc/zone", "headers": {"Prefer": "timezone=Asia/Tokyo"}}
    answer = batch(shop.ann, zone, {**zone, "id": "b", "headers": {}}, zone | {"id": "c"})
    plain = shop.ann.call("POST", "rpc/zone").json()
    assert [one["body"] for one in answer.json()["results"]] == ["Asia/Tokyo", plain, "Asia/Tokyo"]
    merge = insert("m", "orders", {"title": "t"}, "resolution=merge-duplicates")
    again = batch(
        shop.ann, insert("one", "orders", {"title": "one"}), merge | {"path": "/data/v1/orders?on_conflict=title"}
    )
    assert [one["status"] for one in again.json()["results"]] == [201, 201]


BODIES = [
    ({"requests": []}, "a batch holds from 1 to 100 requests, not 0"),
    ({"requests": [insert("a", "orders", {})] * 101}, "a batch holds from 1 to 100 requests, not 101"),
    ({"requests": [insert("a", "orders", {})] * 2}, "two requests of the batch have the id 'a'"),
    ({"requests": [insert("a b", "orders", {})]}, "'a b' is no id of a request"),
    ({"requests": [{"id": "a", "method": "GET", "path": "/auth/v1/user"}]}, "which a batch does not do"),
    ({"requests": [{"id": "a", "method": "GET", "path": "/data/v1/_admin/query"}]}, "which a batch does not do"),
    ({"requests": [{"id": "a", "method": "GET", "path": "/data/v1/_batch"}]}, "which a batch does not do"),
    ({"requests": [{"id": "a", "method": "GET", "path": "/data/v1/orders?subscribe=1"}]}, "a batch cannot wait for"),
    ({"requests": [{"id": "a", "method": "SING", "path": "/data/v1/orders"}]}, "the batch cannot be read"),
    ({"requests": [{"id": "a", "method": "GET", "path": "/data/v1/orders", "more": 1}]}, "the batch cannot be read"),
    ([], "the batch cannot be read"),
]


@pytest.mark.parametrize(("body", "says"), BODIES)
def test_bodies_that_cannot_be_used(shop: Any, body: Any, says: str) -> None:
    answer = shop.ann.call("POST", "_batch", body=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_body")
    assert says in answer.json()["error"]["message"]


REFERENCES = [
    ("order.body[0].nothing", "leads to nothing in the answer of order"),
    ("order.body[7].id", "leads to nothing in the answer of order"),
    ("later.body", "names no earlier request"),
    ("order", "is no reference"),
    ("order.cookies", "is no reference"),
]


@pytest.mark.parametrize(("reference", "says"), REFERENCES)
def test_references_that_lead_nowhere(shop: Any, reference: str, says: str) -> None:
    answer = batch(
        shop.ann,
        ORDER[0],
        insert("use", "lines", {"order_id": {"$ref": reference}, "what": "x", "price": 1}),
        insert("later", "orders", {"title": "later"}),
    )
    body = answer.json()
    assert (answer.status_code, body["error"]["code"], body["failed"]) == (400, "invalid_reference", "use")
    assert says in body["error"]["message"]
    assert shop.rows("select count(*) from orders") == [("0",)]


def test_a_value_from_a_reference_stays_a_value(shop: Any) -> None:
    hostile = "x),id=gt.0&or=(id.gt.0"
    answer = batch(
        shop.ann,
        insert("one", "orders", {"title": hostile}),
        insert("two", "orders", {"title": "two"}),
        {"id": "read", "method": "GET", "path": '/data/v1/orders?select=title&title=eq.{"$ref":"one.body[0].title"}'},
    )
    assert answer.json()["results"][2]["body"] == [{"title": hostile}]


def test_credentials_are_the_batchs_own(shop: Any) -> None:
    for name in ("Authorization", "x-reactor-org", "Cookie"):
        one = {"id": "a", "method": "GET", "path": "/data/v1/orders", "headers": {name: "x"}}
        answer = batch(shop.ann, one)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_body")
    assert shop.client.post("/data/v1/_batch", json={"requests": []}).status_code == 401


def test_a_key_gives_the_same_answer_again(shop: Any) -> None:
    first = batch(shop.ann, *ORDER, Idempotency_Key="k1")
    again = batch(shop.ann, *ORDER, Idempotency_Key="k1")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert (first.headers.get("Idempotent-Replayed"), again.headers.get("Idempotent-Replayed")) == (None, "true")
    assert shop.rows("select count(*) from orders") == [("1",)]
    other = batch(shop.ann, insert("a", "orders", {"title": "other"}), Idempotency_Key="k1")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    bobs = batch(shop.bob, insert("a", "orders", {"title": "of bob"}), Idempotency_Key="k1")
    assert bobs.status_code == 200
    failed = batch(shop.ann, insert("a", "orders", {"title": "first"}), Idempotency_Key="k2")
    assert failed.status_code == 409
    mended = batch(shop.ann, insert("a", "orders", {"title": "mended"}), Idempotency_Key="k2")
    assert mended.status_code == 200
    assert batch(shop.ann, ORDER[0], Idempotency_Key="x" * 256).status_code == 400


def test_a_key_sent_five_times_at_once_does_it_once(shop: Any) -> None:
    answers: list[Any] = []

    def send() -> None:
        answers.append(batch(shop.ann, *ORDER, Idempotency_Key="k"))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert shop.rows("select count(*) from orders") == [("1",)]


def test_a_batch_reaches_nothing_of_another_organisation(shop: Any) -> None:
    mine = batch(shop.ann, *ORDER).json()["results"][0]["body"][0]["id"]
    of_ann = shop.rows("select * from orders, lines")
    answer = batch(
        shop.bob,
        {
            "id": "read",
            "method": "GET",
            "path": "/data/v1/orders?select=*,lines(*)",
            "headers": {"Prefer": "count=exact"},
        },
        {"id": "csv", "method": "GET", "path": "/data/v1/lines", "headers": {"Accept": "text/csv"}},
        {"id": "sum", "method": "POST", "path": "/data/v1/rpc/order_total", "body": {"which": mine}},
        {"id": "patch", "method": "PATCH", "path": f"/data/v1/orders?id=eq.{mine}", "body": {"title": "taken"}},
        {
            "id": "delete",
            "method": "DELETE",
            "path": "/data/v1/lines?id=gt.0",
            "headers": {"Prefer": "return=representation"},
        },
    )
    assert answer.status_code == 200, answer.text
    found = {one["id"]: one for one in answer.json()["results"]}
    assert (found["read"]["body"], found["read"]["headers"]["content-range"]) == ([], "*/0")
    assert found["csv"]["body"].strip() == "id,order_id,org_id,what,price"
    assert found["sum"]["body"] == 0
    assert (found["patch"]["status"], found["delete"]["body"]) == (204, [])
    assert shop.rows("select * from orders, lines") == of_ann
