"""Tenants and requests stay apart: in every shape of a write, and on every connection of a pool."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

OBJECT = "application/vnd.pgrst.object+json"
SHOWN = "return=representation"
MERGE = "resolution=merge-duplicates"

# How the other organisation is addressed: method, query, body, headers. `{id}` is a row of ann's, `{org}` her organisation.
SHAPES: list[tuple[str, str, Any, dict[str, str]]] = [
    ("PATCH", "?id=eq.{id}", {"n": 99}, {}),
    ("PATCH", "", {"n": 99}, {}),
    ("PATCH", "?or=(id.eq.{id},n.gt.0)", {"n": 99}, {"Prefer": SHOWN}),
    ("PATCH", "?id=eq.{id}", b"n\n99\n", {"Content_Type": "text/csv"}),
    ("PATCH", "?id=eq.{id}", b"n=99", {"Content_Type": "application/x-www-form-urlencoded"}),
    ("PATCH", "?id=eq.{id}", {"org_id": "{org}"}, {}),
    ("PATCH", "?id=eq.{id}", {"n": 99}, {"Accept": OBJECT, "Prefer": SHOWN}),
    ("PATCH", "?id=eq.{id}&columns=n", {"n": 99}, {"Prefer": "missing=default, count=exact"}),
    ("DELETE", "?id=eq.{id}", None, {"Prefer": SHOWN}),
    ("DELETE", "", None, {}),
    ("DELETE", "", None, {"Accept": "text/csv", "Prefer": f"{SHOWN}, count=exact"}),
    ("PUT", "?id=eq.{id}", {"id": "{id}", "title": "taken"}, {}),
    ("PUT", "?id=eq.{id}", {"id": "{id}", "title": "taken", "org_id": "{org}"}, {"Prefer": SHOWN}),
    ("POST", "", {"id": "{id}", "title": "taken"}, {"Prefer": MERGE}),
    ("POST", "", [{"id": "{id}", "title": "taken"}], {"Prefer": f"{MERGE}, {SHOWN}, outcome=per-row"}),
    ("POST", "", {"id": "{id}", "title": "taken"}, {"Prefer": f"resolution=ignore-duplicates, {SHOWN}"}),
    ("POST", "", {"id": "{id}", "title": "taken"}, {}),
    ("POST", "?on_conflict=org_id,title", {"org_id": "{org}", "title": "ann's", "n": 99}, {"Prefer": MERGE}),
    ("POST", "", {"org_id": "{org}", "title": "planted"}, {"Prefer": SHOWN}),
    ("POST", "", [{"org_id": "{org}", "title": "planted"}], {"Prefer": "outcome=per-row"}),
    ("POST", "", "org_id,title\n{org},planted\n", {"Content_Type": "text/csv"}),
    ("POST", "", "org_id={org}&title=planted", {"Content_Type": "application/x-www-form-urlencoded"}),
    (
        "POST",
        "?columns=org_id,title",
        {"org_id": "{org}", "title": "planted", "n": 1},
        {"Prefer": "return=headers-only"},
    ),
]


@pytest.mark.parametrize("prefix", ["todos", "titles"])
def test_no_shape_of_a_write_reaches_the_other_organisation(two_orgs: Any, prefix: str) -> None:
    ann, bob = two_orgs
    row = ann.insert({"title": "ann's", "n": 1})[0]

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{id}", row["id"]).replace("{org}", ann.org_id)
        if isinstance(value, list):
            return [filled(one) for one in value]
        return {key: filled(one) for key, one in value.items()} if isinstance(value, dict) else value

    for method, query, body, headers in SHAPES:
        sent = filled(body)
        content = sent.encode() if isinstance(sent, str) else sent
        answer = bob.call(method, f"{prefix}{filled(query)}", body=content, **headers)
        assert answer.status_code < 500, (method, query, answer.text)
        assert "ann's" not in answer.text, (method, query)
        if method in ("PATCH", "DELETE") and answer.status_code < 300:
            assert answer.headers.get("x-affected-rows", "0") == "0", (method, query)
        assert ann.call("GET", "todos").json() == [row], (method, query, headers, answer.text)
    assert bob.call("GET", "todos").json() == []


def test_no_count_tells_of_the_other_organisations_rows(two_orgs: Any) -> None:
    ann, bob = two_orgs
    ann.insert({"title": "a"}, {"title": "b"}, {"title": "c"})
    bob.insert({"title": "d"})
    for count in ("exact", "planned", "estimated"):
        for relation in ("todos", "titles"):
            total = bob.call("HEAD", relation, Prefer=f"count={count}").headers["Content-Range"].rpartition("/")[2]
            assert total == "1" if count != "planned" else total.isdigit()
            assert bob.call("GET", f"{relation}?title=eq.a", Prefer="count=exact").headers["Content-Range"] == "*/0"
    assert bob.call("PATCH", "todos", body={"n": 1}, Prefer="count=exact").headers["Content-Range"] == "0-0/1"
    assert bob.call("GET", "todos?select=title", Accept="text/csv").text == "title\nd"


OBSERVED = """
create view observed with (security_invoker = true) as select
  current_setting('request.jwt.claims')::json->>'user_id' as user_id,
  current_setting('request.jwt.claims')::json->>'org_id' as org_id, current_user::text as role,
  current_setting('TimeZone') as zone, current_setting('statement_timeout') as timeout,
  current_setting('request.headers')::json->>'x-tag' as tag, current_setting('request.method') as method,
  current_setting('request.cookies')::json->>'c' as cookie, current_setting('search_path') as path,
  coalesce(current_setting('reactor.affected', true), '') as affected,
  coalesce(current_setting('response.status', true), '') as status;
grant select on observed to reactor_anon;
"""


def test_five_hundred_interleaved_requests_never_see_another_ones_setting(boot: Any, project: Any, ann: Any) -> None:
    (project / "migrations" / "002.sql").write_text(OBSERVED, encoding="utf-8")
    kernel = boot(anon_role="reactor_anon", _database={"pool_max": 2, "acquire_timeout_secs": 30})
    zones = ["UTC", "Asia/Tokyo", "America/New_York", "Europe/Berlin"]
    transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        members = [type(ann)(client) for _ in range(20)]
        chance = random.Random(4)
        for member in members:
            member.insert({"title": member.org_id})

        def ask(number: int) -> None:
            member = members[number % 20]
            zone = zones[number % 4]
            kind = number % 5
            if kind == 0:
                (seen,) = client.get("/data/v1/observed", headers={"X-Tag": f"anon-{number}"}).json()
                assert (seen["user_id"], seen["org_id"], seen["role"]) == (None, None, "reactor_anon")
                assert (seen["tag"], seen["cookie"]) == (f"anon-{number}", None)
            elif kind == 1:
                refused = member.call("POST", "todos", body={"title": "forbidden"}, Prefer=f"timezone={zone}")
                assert refused.status_code == 403
            elif kind == 2:
                changed = member.call("PATCH", "todos?select=title", body={"n": number}, Prefer=SHOWN)
                assert changed.json() == [{"title": member.org_id}]
            else:
                answer = member.call(
                    "GET", "observed", X_Tag=str(number), Cookie=f"c={number}", Prefer=f"timezone={zone}"
                )
                (seen,) = answer.json()
                assert (seen["user_id"], seen["org_id"]) == (member.user_id, member.org_id)
                assert (seen["role"], seen["zone"], seen["timeout"]) == ("reactor_authenticated", zone, "30s")
                assert (seen["tag"], seen["cookie"], seen["method"]) == (str(number), str(number), "GET")
                assert (seen["path"], seen["affected"], seen["status"]) == ('"public"', "", "")

        numbers = list(range(500))
        chance.shuffle(numbers)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(ask, numbers))
        assert kernel.database.stats().size <= 2
        for member in members:
            assert [row["title"] for row in member.call("GET", "todos").json()] == [member.org_id]
    # What a connection is left with is nothing.
    from reactor_kernel.api import Statement

    (left,) = kernel.database.run(
        None,
        [
            Statement(
                "select current_user = session_user, coalesce(current_setting('request.jwt.claims', true), ''),"
                " coalesce(current_setting('reactor.affected', true), '')"
            )
        ],
    )
    assert left.rows == [(b"t", b"", b"")]
