"""Which database role a request runs as, and what the role brings along."""

from __future__ import annotations

from typing import Any

import pytest

ROLES = """
do $$ begin
  if not exists (select from pg_roles where rolname = 'reactor_test_clerk') then
    create role reactor_test_clerk nologin; create role reactor_test_stranger nologin;
  end if;
  execute format('grant reactor_test_clerk to %I', session_user);
  execute format('revoke reactor_test_stranger from %I', session_user);
end $$;
grant usage on schema public, auth to reactor_test_clerk;
create table ledger (id int primary key, who text default current_user) with (rls = false);
grant select, insert on ledger to reactor_test_clerk;
create view who_runs with (security_invoker = true) as select current_user::text as role,
  current_setting('request.jwt.claims')::json->>'role' as claimed, current_setting('statement_timeout') as timeout,
  current_setting('transaction_isolation') as isolation, current_setting('TimeZone') as zone;
grant select on who_runs to reactor_test_clerk;
"""


@pytest.fixture
def own(served: Any) -> Any:
    return served(ROLES)


def claim(member: Any, **claims: Any) -> Any:
    member.more = {"claims": claims}
    return member


def test_a_claim_names_another_role_that_was_granted(own: Any) -> None:
    (found,) = claim(own.ann, role="reactor_test_clerk").call("GET", "who_runs").json()
    assert (found["role"], found["claimed"]) == ("reactor_test_clerk", "reactor_test_clerk")
    assert own.ann.call("POST", "ledger", body={"id": 1}).status_code == 201
    assert own.rows("select who from ledger") == [("reactor_test_clerk",)]
    assert own.rows("select event_type from _reactor_data.audit_events") == [("rows.insert",)]
    refused = own.ann.call("GET", "facts")
    assert (refused.status_code, refused.json()["message"]) == (403, "permission denied for table facts")
    (found,) = own.bob.call("GET", "who_runs").json()
    assert (found["role"], found["claimed"]) == ("reactor_authenticated", "reactor_authenticated")


def test_roles_that_were_not_granted_or_do_not_exist_are_refused(own: Any) -> None:
    stranger = claim(own.ann, role="reactor_test_stranger").call("GET", "who_runs")
    assert (stranger.status_code, stranger.json()["message"]) == (
        403,
        'permission denied to set role "reactor_test_stranger"',
    )
    nobody = claim(own.ann, role="reactor_test_nobody").call("GET", "who_runs")
    assert (nobody.status_code, nobody.json()["code"], nobody.headers["WWW-Authenticate"]) == (401, "22023", "Bearer")
    assert nobody.json()["message"] == 'role "reactor_test_nobody" does not exist'
    ((login,),) = own.rows("select session_user::text")
    above = [login] + [
        name for (name,) in own.rows("select rolname::text from pg_roles where rolsuper or rolbypassrls")
    ]
    for name in above:
        answer = claim(own.ann, role=name).call("GET", "who_runs")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied"), name


def test_the_claim_may_lie_deeper_or_be_left_out(served: Any) -> None:
    own = served(ROLES, role_claim="$.app_metadata.roles[1]")
    member = claim(own.ann, role="reactor_test_nobody", app_metadata={"roles": ["x", "reactor_test_clerk"]})
    assert member.call("GET", "who_runs").json()[0]["role"] == "reactor_test_clerk"
    for claims in ({}, {"app_metadata": {"roles": ["x"]}}, {"app_metadata": []}, {"app_metadata": {"roles": [1, 2]}}):
        assert claim(own.ann, **claims).call("GET", "who_runs").json()[0]["role"] == "reactor_authenticated"


def test_what_a_role_is_set_to_applies_to_its_requests_only(own: Any) -> None:
    settings = [
        "statement_timeout = '7s'",
        "default_transaction_isolation = 'serializable'",
        "\"TimeZone\" = 'Asia/Tokyo'",
    ]
    if own.kernel.database.is_superuser_login():
        # The role itself may not set it; who connects sets it for the role.
        settings.append("log_min_duration_statement = '1h'")
    for setting in settings:
        alter = f"alter role reactor_test_clerk in database %I set {setting}".replace("'", "''")
        own.rows(f"do $$ begin execute format('{alter}', current_database()); end $$")
    clerk = claim(own.ann, role="reactor_test_clerk")
    reload(own)
    (found,) = clerk.call("GET", "who_runs").json()
    assert (found["timeout"], found["isolation"], found["zone"]) == ("7s", "serializable", "Asia/Tokyo")
    (found,) = clerk.call("GET", "who_runs", Prefer="timezone=UTC").json()
    assert found["zone"] == "UTC"
    part = {"id": "a", "method": "GET", "path": "/data/v1/who_runs"}
    batched = clerk.call("POST", "_batch", body={"requests": [part, part | {"id": "b"}]})
    for one in batched.json()["results"]:
        (found,) = one["body"]
        assert (found["timeout"], found["isolation"], found["zone"]) == ("7s", "serializable", "Asia/Tokyo")
    assert clerk.call("POST", "ledger", body={"id": 5}, Prefer="return=representation").status_code == 201
    (found,) = own.bob.call("GET", "who_runs").json()
    assert (found["timeout"], found["isolation"]) == ("30s", "read committed")
    assert found["zone"] != "Asia/Tokyo"


def reload(own: Any) -> None:
    from reactor_kernel.testing.project import ADMIN_TOKEN

    answer = own.client.post("/data/v1/_admin/migrate", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert answer.status_code == 200, answer.text


def test_the_service_role_is_above_policies_and_nobody_else_is(own: Any) -> None:
    own.ann.insert({"title": "ann's"})
    own.bob.more = {"permissions": ["*"]}
    assert own.bob.call("GET", "todos").json() == []
    own.bob.more = {"kind": "service", "db_role": "service"}
    assert [row["title"] for row in own.bob.call("GET", "todos").json()] == ["ann's"]


def test_records_are_appended_by_services_all_or_none(own: Any) -> None:
    path = f"orgs/{own.ann.org_id}/datasets/todos/records"
    refused = own.ann.call("POST", path, body=[{"title": "a"}])
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    own.ann.more = {"kind": "service"}
    stored = own.ann.call("POST", path, body=[{"title": "a", "n": 1}, {"title": "b", "data": {"x": None}}])
    assert (stored.status_code, stored.headers["x-affected-rows"]) == (201, "2")
    shown = own.ann.call("GET", "todos?select=title,n,done,data&order=title").json()
    assert shown == [
        {"title": "a", "n": 1, "done": False, "data": None},
        {"title": "b", "n": None, "done": False, "data": {"x": None}},
    ]
    for body, status, code in (
        ({"title": "c"}, 400, "PGRST102"),
        ([{"title": "c"}, {"title": "forbidden"}], 403, "42501"),
        ([{"titel": "c"}], 400, "PGRST204"),
        ([{"title": str(number)} for number in range(1001)], 413, "payload_too_large"),
    ):
        answer = own.ann.call("POST", path, body=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(own.ann.call("GET", "todos").json()) == 2
    nowhere = own.ann.call("POST", path.replace("todos", "nothing"), body=[])
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "PGRST205")


def test_anonymous_callers_get_401_where_others_get_403(served: Any) -> None:
    own = served(ROLES, anon_role="reactor_anon")
    opened = own.client
    assert opened.get("/data/v1/canary?id=eq.1").json() == [{"id": 1}]
    refused = opened.post("/data/v1/canary", json={"id": 9})
    assert (refused.status_code, refused.json()["code"], refused.headers["WWW-Authenticate"]) == (
        401,
        "42501",
        "Bearer",
    )
    assert opened.post("/data/v1/todos", json={"title": "a"}).status_code == 401
    (found,) = opened.get("/data/v1/who_runs").json()
    assert (found["role"], found["claimed"]) == ("reactor_anon", "reactor_anon")
