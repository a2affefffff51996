"""`/data/v1/_batch` against what one part could do to another, and against what cannot be part of one."""

from __future__ import annotations

import json
from typing import Any

import pytest

OTHER = "00000000-0000-7000-8000-000000000001"
SHOP = f"""
create table orders (
  id bigint generated always as identity primary key,
  org_id uuid not null default auth.org_id(),
  title text not null,
  total numeric not null default 0
);
policy orders_of_the_org on orders for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
create table "Bücher €" (id int primary key) with (rls = false);
create function become_another() returns text language sql volatile
  as $$ select set_config('request.jwt.claims', '{{"org_id": "{OTHER}"}}', true) || set_config('role', 'reactor_anon', true) $$;
create function whoami() returns text language sql stable as $$ select current_user || ' ' || auth.org_id() $$;
create function headers() returns json language sql stable as $$ select current_setting('request.headers')::json $$;
create function raises_200() returns int language plpgsql as $$ begin
  raise sqlstate 'PGRST' using message = '{{"code": "x", "message": "y"}}', detail = '{{"status": 200, "headers": {{}}}}';
end $$;
create domain "image/png" as bytea;
create function picture() returns "image/png" language sql stable as $$ select '\\xff00fe'::bytea::"image/png" $$;
"""


@pytest.fixture
def shop(served: Any) -> Any:
    return served(SHOP)


def batch(member: Any, *requests: dict[str, Any], **headers: str) -> Any:
    return member.call("POST", "_batch", body={"requests": list(requests)}, **headers)


def get(id_: str, path: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "method": "GET", "path": f"/data/v1/{path}", **more}


def post(id_: str, path: str, body: Any = None) -> dict[str, Any]:
    headers = {"Prefer": "return=representation"}
    return {"id": id_, "method": "POST", "path": f"/data/v1/{path}", "headers": headers, "body": body}


def bodies(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [one["body"] for one in answer.json()["results"]]


def test_who_one_request_says_it_is_the_next_is_not(shop: Any) -> None:
    told = bodies(batch(shop.ann, post("a", "rpc/become_another"), get("b", "rpc/whoami"), post("c", "rpc/whoami")))
    assert told[1:] == [f"reactor_authenticated {shop.ann.org_id}"] * 2


def test_a_request_cannot_say_what_a_proxy_says(shop: Any) -> None:
    for name in ("X-Forwarded-For", "x_real_ip", "Forwarded", "Apikey", "wsgi.input", "X-Anything"):
        answer = batch(shop.ann, get("a", "rpc/headers", headers={name: "10.0.0.1"}))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_body")
        assert answer.json()["message"] == f"request 'a' has a header {name!r}, which it cannot set"
    answer = batch(shop.ann, get("a", "rpc/headers"), X_Forwarded_For="10.0.0.1")
    assert bodies(answer)[0]["x-forwarded-for"] == "10.0.0.1"


HOSTILE = ["x),id.gt.(0", 'a,b"c\\d', "plain", "eq.1,id.gt.0", '"', "\\", "{x}", "a b"]
PLACES = [
    "orders?select=title&title=in.({ref})",
    "orders?select=title&title=in.(nothing,{ref})",
    'orders?select=title&title=in.("{ref}")',
    "orders?select=title&or=(title.eq.{ref},title.eq.nothing)",
    "orders?select=title&and=(title.eq.{ref})",
    "orders?select=title&not.and=(title.neq.{ref})",
    'orders?select=title&or=(title.like."{ref}")',
]


@pytest.mark.parametrize("place", PLACES)
def test_a_value_from_a_reference_is_one_value_in_lists_and_trees(shop: Any, place: str) -> None:
    for at, hostile in enumerate(HOSTILE):
        if "like" in place and "\\" in hostile:
            continue  # it escapes there, in the caller's own pattern too
        path = place.replace("{ref}", json.dumps({"$ref": f"one{at}.body[0].title"}))
        made = [post(f"one{at}", "orders", {"title": hostile}), post("other", "orders", {"title": "another"})]
        assert bodies(batch(shop.ann, *made, get("read", path)))[2] == [{"title": hostile}]
        shop.rows("delete from orders returning 1")


def test_a_value_that_is_half_an_item_is_refused(shop: Any) -> None:
    half = 'orders?or=(title.like.*{"$ref":"one.body[0].title"}*)'
    answer = batch(shop.ann, post("one", "orders", {"title": "x),id.gt.(0"}), get("read", half))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_reference")
    assert "needs quotes around the item" in answer.json()["message"]
    whole = 'orders?select=title&or=(title.like."*{"$ref":"one.body[0].title"}*")'
    found = bodies(batch(shop.ann, post("one", "orders", {"title": "x),id.gt.(0"}), get("read", whole)))
    assert found[1] == [{"title": "x),id.gt.(0"}]


def test_a_name_from_a_reference_is_one_name(shop: Any) -> None:
    names = ["id,org_id", "title,other:org_id", "*", "org_id::text"]
    for place in ('select={"$ref":"one.body[0].title"}', 'order={"$ref":"one.body[0].title"}'):
        for name in names:
            answer = batch(shop.ann, post("one", "orders", {"title": name}), get("read", f"orders?{place}"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "column_not_found"), answer.text
    plain = batch(shop.ann, post("one", "orders", {"title": "id"}), get("a", f"orders?{place}.desc"))
    assert plain.status_code == 200


def test_numbers_arrive_exactly(shop: Any) -> None:
    exact = "0.12345678901234567890123456789"
    text = '{"requests": [{"id": "a", "method": "POST", "path": "/data/v1/orders", "body": {"title": "a", "total": %s},'
    text += ' "headers": {"Prefer": "return=representation"}}, {"id": "b", "method": "POST", "path": "/data/v1/orders",'
    text += ' "body": {"title": "b", "total": {"$ref": "a.body[0].total"}}}, {"id": "c", "method": "GET", "path":'
    text += ' "/data/v1/orders?select=title&total=eq.{\\"$ref\\": \\"a.body[0].total\\"}&order=id"}]}'
    answer = shop.ann.call("POST", "_batch", body=(text % exact).encode())
    assert bodies(answer)[2] == [{"title": "a"}, {"title": "b"}]
    assert shop.rows("select total::text from orders") == [(exact,), (exact,)]


def test_paths_beyond_ascii(shop: Any) -> None:
    for path in ("Bücher €", "B%C3%BCcher%20%E2%82%AC"):
        answer = batch(shop.ann, get("a", path))
        assert bodies(answer) == [[]]
        assert answer.json()["results"][0]["headers"]["content-location"] == "/data/v1/B%C3%BCcher%20%E2%82%AC"


def test_what_is_no_text_is_no_part_of_a_batch(shop: Any) -> None:
    answer = batch(shop.ann, get("a", "rpc/picture", headers={"Accept": "image/png"}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (406, "not_acceptable")
    assert answer.json()["message"] == "request 'a' was answered with image/png, which is no text"


def test_a_failure_never_reads_as_success(shop: Any) -> None:
    answer = batch(shop.ann, post("a", "orders", {"title": "a"}), post("b", "rpc/raises_200"))
    assert (answer.status_code, answer.json()["failed"], answer.json()["message"]) == (400, "b", "y")
    assert shop.rows("select count(*) from orders") == [("0",)]


def test_a_body_that_is_nested_too_deep(shop: Any) -> None:
    deep = b"[" * 900 + b"]" * 900
    text = b'{"requests": [{"id": "a", "method": "POST", "path": "/data/v1/orders", "body": %b}]}' % deep
    answer = shop.ann.call("POST", "_batch", body=text)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["failed"]) == (400, "invalid_body", "a")


def test_keys_are_a_callers_own(served: Any) -> None:
    own = served(SHOP, anon_role="reactor_anon")
    requests = {"requests": [get("a", "rpc/headers")]}
    nobody = own.client.post("/data/v1/_batch", json=requests, headers={"Idempotency-Key": "k"})
    assert (nobody.status_code, nobody.json()["code"], nobody.headers["WWW-Authenticate"]) == (
        401,
        "PGRST302",
        "Bearer",
    )
    assert own.client.post("/data/v1/_batch", json=requests).status_code == 200
    made = [batch(own.ann, post("a", "orders", {"title": "of the user"}), Idempotency_Key="k")]
    own.ann.more = {"kind": "delegated"}  # by the same user's leave
    made.append(batch(own.ann, post("a", "orders", {"title": "of the user"}), Idempotency_Key="k"))
    assert [answer.headers.get("Idempotent-Replayed") for answer in made] == [None, None]
    assert own.rows("select count(*)::text from orders") == [("2",)]
