"""Who sees and changes what, and what hostile requests can do: nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_each_organisation_lives_in_its_own_rows(two_orgs: Any) -> None:
    ann, bob = two_orgs
    row = ann.insert({"title": "ann's", "n": 1})[0]
    bob.insert({"title": "bob's", "n": 2})
    assert [one["title"] for one in ann.call("GET", "todos").json()] == ["ann's"]
    assert [one["title"] for one in bob.call("GET", "todos").json()] == ["bob's"]
    assert bob.call("GET", "todos", Prefer="count=exact").headers["Content-Range"] == "0-0/1"
    assert bob.call("GET", f"todos?id=eq.{row['id']}").json() == []
    assert bob.call("GET", "titles?select=title").json() == [{"title": "bob's"}]
    representation = "return=representation"
    assert bob.call("PATCH", f"todos?id=eq.{row['id']}", body={"n": 9}, Prefer=representation).json() == []
    assert bob.call("PATCH", "titles?title=eq.ann's", body={"n": 9}, Prefer=representation).json() == []
    assert bob.call("DELETE", f"todos?id=eq.{row['id']}", Prefer=representation).json() == []
    taken = bob.call("POST", "todos", body={"id": row["id"], "title": "x"}, Prefer="resolution=merge-duplicates")
    assert taken.status_code == 403
    ignored = bob.call("POST", "todos", body={"id": row["id"], "title": "x"}, Prefer="resolution=ignore-duplicates")
    assert (ignored.status_code, ignored.headers["x-affected-rows"]) == (201, "0")
    assert ann.call("GET", "todos?select=title,n").json() == [{"title": "ann's", "n": 1}]


def test_a_row_cannot_be_written_into_or_moved_to_another_organisation(two_orgs: Any) -> None:
    ann, bob = two_orgs
    answer = bob.call("POST", "todos", body={"title": "x", "org_id": ann.org_id})
    assert answer.status_code == 403
    body = answer.json()
    assert body["ok"] is False
    assert body["error"]["code"] == "policy_denied"
    assert body["error"]["status"] == 403
    details = body["error"]["details"]
    assert (details["table"], details["scope"], details["policy"]) == ("todos", "insert", "todos_write")
    assert body["error"]["hint"] == 'The row does not satisfy the check of policy "todos_write" on todos.'
    assert body["code"] == "42501"
    assert body["message"] == 'new row violates row-level security policy "todos_write__insert" for table "todos"'
    bob.insert({"title": "mine"})
    moved = bob.call("PATCH", "todos", body={"org_id": ann.org_id})
    assert (moved.status_code, moved.json()["error"]["details"]["scope"]) == (403, "update")
    assert ann.call("GET", "todos").json() == []


def test_one_refused_row_refuses_the_whole_batch(ann: Any) -> None:
    answer = ann.call("POST", "todos", body=[{"title": "fine"}, {"title": "forbidden"}])
    assert answer.status_code == 403
    assert ann.call("GET", "todos").json() == []


def test_without_a_policy_nobody_sees_or_writes_anything(ann: Any, rows: Any) -> None:
    rows("insert into closed (a) values ('x') returning 1")
    assert ann.call("GET", "closed").json() == []
    answer = ann.call("POST", "closed", body={"a": "y"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy_denied")
    error = answer.json()["error"]
    assert (error["details"], error["pgrst_code"]) == ({"table": "closed", "scope": "insert"}, "42501")


def test_a_missing_grant_is_told_from_a_policy(ann: Any) -> None:
    answer = ann.call("GET", "secrets")
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["code"]) == (
        403,
        "permission_denied",
        "42501",
    )
    assert answer.json()["message"] == "permission denied for table secrets"


def test_no_token_is_401_unless_an_anonymous_role_is_set(client: Any, wire: Any) -> None:
    answer = client.get("/data/v1/todos")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert "WWW-Authenticate" in answer.headers
    for method in ("HEAD", "POST", "PATCH", "DELETE"):
        assert client.request(method, "/data/v1/todos", content=b"{}").status_code == 401
    opened = wire(anon_role="reactor_anon")
    assert opened.get("/data/v1/canary?select=id&order=id").json() == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert opened.get("/data/v1/todos").json() == []
    refused = opened.get("/data/v1/secrets")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert opened.get("/data/v1/todos", headers={"Authorization": "Bearer {broken"}).status_code == 401


def test_the_platforms_own_tables_do_not_exist_here(ann: Any) -> None:
    for name in (
        "audit_events",
        "migrations",
        "pg_class",
        "_reactor_data.audit_events",
        "pg_catalog.pg_class",
        "_admin",
        "rpc",
    ):
        answer = ann.call("GET", quote(name))
        assert (answer.status_code, answer.json()["code"]) == (404, "PGRST205"), name


def test_a_misspelt_table_gets_the_nearest_name(ann: Any) -> None:
    body = ann.call("GET", "todo").json()
    assert body["message"] == "Could not find the table 'public.todo' in the schema cache"
    assert body["hint"] == "Perhaps you meant the table 'public.todos'"
    assert (body["error"]["code"], body["error"]["status"], body["code"]) == ("table_not_found", 404, "PGRST205")


def test_sql_sees_the_request_without_credentials(ann: Any, kernel: Any, project: Any) -> None:
    (project / "migrations" / "002.sql").write_text(
        "create view facts_of_request with (security_invoker = true) as select"
        " current_setting('request.headers')::json as headers, current_setting('request.method') as method,"
        " current_setting('request.path') as path, auth.user_id() as user_id, current_setting('statement_timeout') as timeout;",
        encoding="utf-8",
    )
    kernel.migrator.run()
    (found,) = ann.call("GET", "facts_of_request", X_Mine="yes", Cookie="a=b").json()
    assert found["headers"]["x-mine"] == "yes"
    assert not {"authorization", "cookie"} & set(found["headers"])
    assert (found["method"], found["path"], found["user_id"]) == ("GET", "/data/v1/facts_of_request", ann.user_id)
    assert found["timeout"] == "30s"


HOSTILE = st.one_of(
    st.text(max_size=25),
    st.sampled_from(
        [
            "'; drop table canary; --",
            '"; drop table canary; --',
            "x') ; delete from canary; --",
            "1 or 1=1",
            "\\'; delete from canary; --",
            "$1",
            "%s",
            "%(x)s",
            "*/ delete from canary /*",
            "canary",
            "{a,b",
            '("',
            "null",
            "..",
            "a->>b->c",
            "::text",
            "id::int; drop table canary",
        ]
    ),
)
RESERVED = [
    "select",
    "order",
    "limit",
    "offset",
    "or",
    "and",
    "not.and",
    "columns",
    "on_conflict",
    "title",
    "id",
    "data->k",
]
PREFIXES = ["eq.", "in.(", "like.", "not.is.", "cs.", "fts.", "(a.eq."]
KEYS = st.one_of(HOSTILE, st.sampled_from(RESERVED))
VALUES = st.one_of(HOSTILE, st.tuples(st.sampled_from(PREFIXES), HOSTILE).map("".join))


def test_hostile_requests_get_an_answer_and_touch_nothing(ann: Any, rows: Any, live_server: Any) -> None:
    ann.client = httpx.Client(base_url=live_server.url)
    before = rows("select id::text from canary order by id")

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE"]),
        st.one_of(st.just("todos"), st.just("canary"), HOSTILE),
        st.lists(st.tuples(KEYS, VALUES), max_size=3),
        st.one_of(st.none(), st.dictionaries(HOSTILE, st.one_of(HOSTILE, st.integers(), st.none()), max_size=2)),
        st.sampled_from(["return=representation", "return=headers-only", "resolution=merge-duplicates", "count=exact"]),
    )
    def attack(method: str, table: str, pairs: Any, body: Any, prefer: str) -> None:
        query = "&".join(
            f"{quote(key, safe='', errors='replace')}={quote(value, safe='', errors='replace')}" for key, value in pairs
        )
        path = quote(table, safe="", errors="replace")
        content = None if body is None else json.dumps(body).encode()
        answer = ann.call(
            method, f"{path}?{query}" if path not in ("", ".", "..") else f"todos?{query}", body=content, Prefer=prefer
        )
        assert 200 <= answer.status_code < 500 or answer.status_code == 501, (answer.status_code, answer.text)

    with ann.client:
        attack()
    assert rows("select id::text from canary order by id") == before
