"""What stands around a statement in its transaction, and what SQL decides about the answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

FUNCTIONS = """
create function check_request() returns void language plpgsql as $$ begin
  if current_setting('request.headers')::json->>'x-refuse' is not null then
    raise exception 'not today' using errcode = 'PT418', hint = 'tomorrow';
  end if;
  perform set_config('response.headers', '[{"X-Checked": "' || current_setting('request.method') || '"}]', true);
end $$;
create view facts_of_request with (security_invoker = true) as select
  current_setting('request.cookies')::json as cookies, current_setting('request.headers')::json as headers,
  current_setting('request.jwt.claims')::json as claims, current_user::text as role,
  current_setting('search_path') as path, current_setting('statement_timeout') as timeout,
  current_setting('transaction_read_only') as readonly, current_setting('transaction_isolation') as isolation;
create table answers (id int primary key, status text, headers text) with (rls = false);
create function answer() returns trigger language plpgsql as $$ begin
  perform set_config('response.status', coalesce(new.status, ''), true);
  perform set_config('response.headers', coalesce(new.headers, ''), true);
  return new;
end $$;
create trigger answer before insert on answers for each row execute function answer();
create table raising (id int primary key, state text, message text, detail text) with (rls = false);
create function raising() returns trigger language plpgsql as $$ begin
  if new.detail is null then raise exception using errcode = new.state, message = new.message;
  else raise exception using errcode = new.state, message = new.message, detail = new.detail; end if;
end $$;
create trigger raising before insert on raising for each row execute function raising();
"""


def test_a_function_before_every_request_may_refuse_it_and_speak(served: Any) -> None:
    own = served(FUNCTIONS, pre_request="public.check_request")
    answer = own.ann.call("GET", "todos")
    assert (answer.status_code, answer.headers["X-Checked"]) == (200, "GET")
    assert own.ann.call("POST", "todos", body={"title": "a"}).headers["X-Checked"] == "POST"
    refused = own.ann.call("POST", "todos", body={"title": "b"}, X_Refuse="yes")
    said = refused.json()
    assert (refused.status_code, said["code"], said["message"], said["hint"]) == (418, "PT418", "not today", "tomorrow")
    assert said["error"]["code"] == "raised"
    assert [row["title"] for row in own.ann.call("GET", "todos").json()] == ["a"]


def test_sql_sees_cookies_claims_and_a_read_only_transaction(served: Any) -> None:
    own = served(FUNCTIONS)
    cookie = 'theme=dark; quoted="a%20b"; reactor_session=secret; __Secure-reactor_oauth_x=secret; theme=light; odd'
    (found,) = own.ann.call("GET", "facts_of_request", Cookie=cookie).json()
    assert found["cookies"] == {"theme": "dark", "quoted": "a b"}
    assert "cookie" not in found["headers"]
    assert (found["readonly"], found["isolation"], found["role"]) == ("on", "read committed", "reactor_authenticated")
    assert (found["path"], found["timeout"]) == ('"public"', "30s")
    assert (found["claims"]["user_id"], found["claims"]["role"]) == (own.ann.user_id, "reactor_authenticated")
    (without,) = own.ann.call("GET", "facts_of_request").json()
    assert without["cookies"] == {}


def test_sql_decides_status_and_headers(served: Any) -> None:
    own = served(FUNCTIONS)
    headers = '[{"Location": "/elsewhere"}, {"X-One": "1"}, {"Set-Cookie": "a=1"}, {"Set-Cookie": "b=2; Path=/"}]'
    answer = own.ann.call(
        "POST", "answers", body={"id": 1, "status": "418", "headers": headers}, Prefer="return=headers-only"
    )
    assert (answer.status_code, answer.headers["Location"], answer.headers["X-One"]) == (418, "/elsewhere", "1")
    assert answer.headers.get_list("Set-Cookie") == ["a=1", "b=2; Path=/"]


BROKEN = [
    ("abc", None, "PGRST112", "response.status guc must be a valid status code"),
    ("99", None, "PGRST112", "response.status guc must be a valid status code"),
    (None, "{}", "PGRST111", None),
    (None, '[{"a": "1", "b": "2"}]', "PGRST111", None),
    (None, '[{"a": 1}]', "PGRST111", None),
    (None, '[{"a": "1\\r\\nX-Evil: 1"}]', "PGRST111", None),
    (None, "nonsense", "PGRST111", None),
]


@pytest.mark.parametrize(("status", "headers", "code", "message"), BROKEN)
def test_what_no_answer_can_follow_is_500(
    served: Any, status: str | None, headers: str | None, code: str, message: str | None
) -> None:
    own = served(FUNCTIONS)
    answer = own.ann.call("POST", "answers", body={"id": 1, "status": status, "headers": headers})
    said = answer.json()
    assert (answer.status_code, said["code"], said["error"]["code"]) == (500, code, "config_error")
    expected = "response.headers guc must be a JSON array composed of objects with a single key and a string value"
    assert said["message"] == (message or expected)


RAISED = [
    ({"state": "P0001", "message": "no"}, 400, "P0001", "raised", "no"),
    ({"state": "PT402", "message": "pay"}, 402, "PT402", "raised", "pay"),
    ({"state": "PTXYZ", "message": "odd"}, 500, "PTXYZ", "raised", "odd"),
    (
        {
            "state": "PGRST",
            "message": '{"code":"123","message":"own","details":"d","hint":"h"}',
            "detail": '{"status":332,"headers":{"X-Powered-By":"me"}}',
        },
        332,
        "123",
        "raised",
        "own",
    ),
    (
        {"state": "PGRST", "message": '{"code":"1"}', "detail": '{"status":332,"headers":{}}'},
        500,
        "PGRST121",
        "config_error",
        "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
    ),
    ({"state": "40001", "message": "again"}, 500, "40001", "database_error", "again"),
    ({"state": "53300", "message": "full"}, 503, "53300", "database_unavailable", "full"),
    ({"state": "0P000", "message": "role"}, 403, "0P000", "permission_denied", "role"),
    ({"state": "28000", "message": "who"}, 403, "28000", "permission_denied", "who"),
    ({"state": "23P01", "message": "excluded"}, 400, "23P01", "constraint_violation", "excluded"),
    ({"state": "42P17", "message": "loop"}, 500, "42P17", "database_error", "loop"),
    ({"state": "99999", "message": "other"}, 400, "99999", "database_error", "other"),
]


def test_what_sql_raises_becomes_the_contracts_error(served: Any) -> None:
    own = served(FUNCTIONS)
    for body, status, state, code, message in RAISED:
        answer = own.ann.call("POST", "raising", body={"id": 1, **body})
        said = answer.json()
        assert (answer.status_code, said["code"], said["error"]["code"], said["message"]) == (
            status,
            state,
            code,
            message,
        )
        assert answer.headers["Proxy-Status"] == f"reactor-data; error={state}"
    answer = own.ann.call("POST", "raising", body={"id": 1, **RAISED[3][0]})
    assert (answer.headers["X-Powered-By"], answer.json()["details"], answer.json()["hint"]) == ("me", "d", "h")
    missing = own.ann.call("POST", "raising", body={"id": 1, "state": "PGRST", "message": '{"code":"1","message":"m"}'})
    assert missing.json()["details"] == "DETAIL is missing in the RAISE statement"
    assert missing.json()["hint"] == (
        "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
    )


def test_an_answer_tells_how_long_its_stages_took_where_that_is_switched_on(ann: Any, served: Any) -> None:
    assert "Server-Timing" not in ann.call("GET", "todos").headers
    own = served(server_timing_enabled=True)
    for answer in (own.ann.call("GET", "todos"), own.ann.call("POST", "todos", body={"title": "a"})):
        stages = [stage.partition(";dur=") for stage in answer.headers["Server-Timing"].split(", ")]
        assert {name for name, _, _ in stages} == {"jwt", "parse", "plan", "transaction", "response"}
        assert all(re.fullmatch(r"\d+\.\d", duration) for _, _, duration in stages)


def test_a_warning_says_that_a_parameter_uses_the_relations_name(served: Any) -> None:
    own = served(
        "create table parents (id int primary key) with (rls = false);"
        "create table children (id int primary key, parent int references parents) with (rls = false);"
    )
    answer = own.ann.call("GET", "parents?select=id,kids:children(id)&children.limit=1")
    assert answer.status_code == 200
    assert answer.headers["Warning"].startswith('299 - "')
    assert "children" in answer.headers["Warning"]


def test_minimal_errors_have_neither_details_nor_hints(served: Any) -> None:
    own = served(error_verbosity="minimal")
    for answer in (
        own.ann.call("GET", "todo"),
        own.ann.call("POST", "todos", body={"titel": 1}),
        own.ann.call("POST", f"orgs/{own.ann.org_id}/datasets/todos/records", body=[]),
    ):
        said = answer.json()
        assert (said["details"], said["hint"], said["error"].get("hint"), said["error"].get("details")) == (None,) * 4


def test_permissions_of_tables_are_demanded_where_that_is_configured(served: Any) -> None:
    own = served(table_permissions="enforce")
    for method, body, permission in (("GET", None, "data:todos:read"), ("POST", {"title": "a"}, "data:todos:write")):
        answer = own.ann.call(method, "todos", body=body)
        said = answer.json()
        assert (answer.status_code, said["code"], said["error"]["code"]) == (403, "42501", "permission_denied")
        assert said["message"] == f"the permission {permission} is required"
    audited = own.rows("select event_type, row_count::text, details::text from _reactor_data.audit_events")
    assert audited == [("rows.insert", "0", '{"denied": true}')]
    own.ann.more = {"permissions": ["data:*:read", "data:todos:write"]}
    assert own.ann.call("POST", "todos", body={"title": "a"}).status_code == 201
    assert len(own.ann.call("GET", "todos").json()) == 1


SHOP = """
create table artists (id int primary key, name text) with (rls = false);
create table albums (id int primary key, title text, artist_id int references artists) with (rls = false);
insert into artists values (1, 'secret name');
insert into albums values (1, 'one', 1);
create function all_albums() returns setof albums language sql stable as $$ select * from albums $$;
"""


def test_what_is_embedded_or_returned_takes_the_permission_to_read_it(served: Any) -> None:
    own = served(SHOP, table_permissions="enforce")
    own.ann.more = {"permissions": ["data:albums:read", "data:albums:write"]}
    part = {"id": "a", "method": "GET", "path": "/data/v1/albums?select=*,artists(name)"}
    representation = {"Prefer": "return=representation"}
    for answer in (
        own.ann.call("GET", "albums?select=*,artists(name)"),
        own.ann.call("GET", "albums?select=*,who:artist_id(name)"),
        own.ann.call("GET", "albums?select=id,artists()&artists.name=eq.x&artists=not.is.null"),
        own.ann.call("GET", "albums?select=...artists(name)"),
        own.ann.call("GET", "rpc/all_albums?select=title,artists(name)"),
        own.ann.call("POST", "_batch", body={"requests": [part]}),
        own.ann.call("PATCH", "albums?id=eq.1&select=title,artists(name)", body={"title": "x"}, **representation),
        own.ann.call("DELETE", "albums?select=id,artists()&artists=not.is.null"),
        own.ann.call("POST", "albums?select=artists(name)", body=[{"id": 2}], Prefer="outcome=per-row"),
    ):
        assert (answer.status_code, answer.json()["message"]) == (403, "the permission data:artists:read is required")
        assert "secret name" not in answer.text
    assert own.rows("select id::text, title from albums") == [("1", "one")]
    assert own.ann.call("GET", "rpc/all_albums").json() == own.ann.call("GET", "albums").json() != []
    own.ann.more = {"permissions": ["data:albums:write"]}
    returned = own.ann.call("PATCH", "albums?id=eq.1", body={"title": "x"}, **representation)
    assert (returned.status_code, returned.json()["message"]) == (403, "the permission data:albums:read is required")
    assert own.ann.call("PATCH", "albums?id=eq.1", body={"title": "y"}).status_code == 204
    denied = "select event_type from _reactor_data.audit_events where details ? 'denied' order by id"
    assert own.rows(denied) == [(f"rows.{event}",) for event in ("update", "delete", "insert", "update")]
    own.ann.more = {"permissions": ["data:*"]}
    assert own.ann.call("GET", "albums?select=artists(name)").json() == [{"artists": {"name": "secret name"}}]


def test_no_credential_reaches_sql(served: Any) -> None:
    own = served("create function told() returns json language sql stable as"
                 " $$ select current_setting('request.headers')::json $$;")  # fmt: skip
    sent = {
        "X_Reactor_Api_Key": "key",
        "X_Reactor_Project_Key": "rk_srv_x",
        "Apikey": "key",
        "Proxy_Authorization": "x",
    }
    told = own.ann.call("GET", "rpc/told", X_Reactor_Client="js/0.1.0", **sent).json()
    assert told["x-reactor-client"] == "js/0.1.0"
    assert not {name.replace("_", "-").lower() for name in (*sent, "Authorization")} & told.keys()


@pytest.mark.parametrize("header", [{"X-A": "a\r\nX-B: b"}, {"X A": "a"}, {"": "a"}, {"X-A": "\u20ac"}])
def test_no_header_can_begin_another(served: Any, header: dict[str, str]) -> None:
    own = served("""create function refuse(header json) returns int language plpgsql as $$ begin
      raise sqlstate 'PGRST' using message = '{"code": "x", "message": "y"}',
        detail = json_build_object('status', 402, 'headers', header)::text; end $$;
      create function answer(header json) returns text language sql as
        $$ select set_config('response.headers', json_build_array(header)::text, true) $$;""")
    refused = own.ann.call("POST", "rpc/refuse", body={"header": header})
    assert (refused.status_code, refused.json()["code"]) == (500, "PGRST121")
    answered = own.ann.call("POST", "rpc/answer", body={"header": header})
    assert (answered.status_code, answered.json()["code"]) == (500, "PGRST111")
    assert own.ann.call("POST", "rpc/refuse", body={"header": {"X-A": "a"}}).headers["X-A"] == "a"
