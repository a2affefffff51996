"""What can be asked, how it is answered, and what cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

NIL = "00000000-0000-0000-0000-000000000000"


def test_the_whole_answer_of_an_insert_that_is_refused(make_caller: Any, explained: Any) -> None:
    me = make_caller()
    org = "org_id = (select auth.org_id())"
    text = "a IS DISTINCT FROM 'forbidden'::text"
    number = "(n IS NULL) OR ((n >= 0) AND (n <= 10))"
    assert explained(me, "notes", "insert", values={"a": "forbidden"}) == {
        "allowed": False,
        "role": "reactor_authenticated",
        "row_exists": None,
        "grant": {"ok": True},
        "row_security": {"enabled": True, "forced": False},
        "policies": [
            {
                "name": "reactor__insert",
                "declared": None,
                "command": "insert",
                "permissive": True,
                "check": {"expression": "true", "result": True},
            },
            {
                "name": "notes_write__insert",
                "declared": "notes_write",
                "command": "insert",
                "permissive": False,
                "check": {
                    "expression": f"({org}) AND ({text}) AND ({number})",
                    "result": False,
                    "clauses": [
                        {"expression": org, "result": True},
                        {"expression": text, "result": False},
                        {"expression": "n IS NULL", "result": True},
                        {"expression": "n >= 0", "result": None},
                        {"expression": "n <= 10", "result": None},
                    ],
                },
                "failing": text,
            },
        ],
        "trial": {
            "sqlstate": "42501",
            "error": 'new row violates row-level security policy "notes_write__insert" for table "notes"',
        },
        "reason": f'the new row is refused: restrictive policy "notes_write" (notes_write__insert) fails at {text},'
        " which is false",
    }


def test_what_allows_is_told_as_well(make_caller: Any, explained: Any, put: Any) -> None:
    me = make_caller()
    key = {"id": put("notes", org_id=me.org_id, owner_id=me.user_id)}
    found = explained(me, "notes", "select", key=key)
    assert (found["allowed"], found["row_exists"]) == (True, True)
    assert found["reason"] == 'allowed by policy "notes_read" (notes_read__select)'
    found = explained(me, "notes", "update", key=key)
    assert found["reason"] == (
        'allowed by policy "notes_read" (notes_read__select), policy "notes_write" (notes_write__update), and restrictive'
        ' policy "notes_write" (notes_write__update_check) holds'
    )
    found = explained(me, "notes", "insert", values={"a": "x"})
    assert found["reason"] == 'allowed: restrictive policy "notes_write" (notes_write__insert) holds'
    found = explained(me, "walled", "insert", values={"a": "x", "org_id": me.org_id})
    assert found["reason"] == 'allowed by policy "walled_door", and restrictive policy "walled_wall" holds'
    key = {"id": put("free")}
    found = explained(me, "free", "delete", key=key)
    assert (found["allowed"], found["policies"]) == (True, [])
    assert found["reason"] == "allowed: row security is off for table free"
    assert explained(me, "notes_seen", "select", key={"a": None, "id": key["id"]})["allowed"] is False


def test_the_service_role_is_not_subject_to_policies(explained: Any, put: Any, kernel: Any) -> None:
    key = {"id": put("shut")}
    for role in ("service", kernel.database.roles.service):
        found = explained({"claims": {"role": role, "token_type": "service"}}, "shut", "select", key=key)
        bypass = f"role {found['role']} bypasses row security"
        assert (found["allowed"], found["row_security"]["bypass"], found["policies"]) == (True, bypass, [])
        assert found["reason"] == f"allowed: {bypass}"


def test_forced_row_security_is_seen_through(make_caller: Any, explained: Any, rows: Any, put: Any) -> None:
    me = make_caller()
    mine = {"id": put("walled", org_id=me.org_id, a="x")}
    hidden = {"id": put("walled", org_id=NIL, a="x")}
    rows("alter table walled force row level security")
    assert explained(me, "walled", "select", key=mine)["allowed"] is True
    found = explained(me, "walled", "select", key=hidden)
    assert (found["allowed"], found["row_exists"], found["row_security"]) == (
        False,
        True,
        {"enabled": True, "forced": True},
    )
    assert 'restrictive policy "walled_wall" fails at org_id = (select auth.org_id())' in found["reason"]
    moved = explained(me, "walled", "update", key=mine, values={"org_id": NIL})
    assert 'restrictive policy "walled_wall" fails at org_id = (select auth.org_id())' in moved["reason"]


def test_an_identity_is_who_a_user_of_the_auth_service_would_be(explained: Any, ask: Any, put: Any) -> None:
    key = {"id": put("notes", org_id=NIL, owner_id=NIL)}
    found = explained({"user_id": NIL, "org": NIL}, "notes", "delete", key=key)
    assert (found["allowed"], found["reason"]) == (
        True,
        'allowed by policy "notes_read" (notes_read__select), policy "notes_delete" (notes_delete__delete)',
    )
    found = explained({"user_id": NIL, "org": "elsewhere"}, "notes", "delete", key=key)
    assert found == {
        "allowed": False,
        "role": None,
        "row_exists": None,
        "grant": {"ok": False},
        "policies": [],
        "reason": "requests of this identity are refused with 403 not_org_member: the user is no member of this organisation",
    }
    answer = ask({"user_id": "nobody"}, "notes", "delete", key=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "user_not_found")


@pytest.fixture
def ask_with(boot: Any) -> Iterator[Any]:
    """Boot with other configuration and ask there: `ask_with(pre_request=…)(claims, table, action, …)`."""
    import httpx

    from reactor_kernel.testing.project import ADMIN_TOKEN

    opened: list[httpx.Client] = []

    def make(**config: Any) -> Any:
        transport = httpx.WSGITransport(app=boot(**config).app, remote_addr="127.0.0.1")
        client = httpx.Client(transport=transport, base_url="http://reactor.test")
        opened.append(client)

        def ask(claims: dict[str, Any], table: str, action: str, **body: Any) -> Any:
            sent = {"table": table, "action": action, "identity": {"claims": claims}, **body}
            headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            return client.post("/data/v1/_admin/explain-access", json=sent, headers=headers).json()

        return ask

    yield make
    for client in opened:
        client.close()


def test_callers_without_a_token_where_they_are_let_in(ask_with: Any) -> None:
    found = ask_with(anon_role="reactor_anon")({"role": "anon"}, "others", "insert", values={"a": "x"})
    assert (found["allowed"], found["role"], found["reason"]) == (
        True,
        "reactor_anon",
        'allowed by policy "others_anon"',
    )


def test_what_is_called_before_every_request_may_refuse(ask_with: Any, project: Any) -> None:
    (project / "migrations" / "002_before.sql").write_text(
        "create function before() returns void language plpgsql as $$ begin"
        " if auth.role() = 'banned' then raise exception 'banned' using errcode = 'PT403'; end if; end $$;"
    )
    ask = ask_with(pre_request="public.before")
    claims = {"user_id": NIL, "org_id": NIL}
    assert ask(claims | {"org_role": "banned"}, "free", "insert", values={"a": "x"}) == {
        "allowed": False,
        "role": None,
        "row_exists": None,
        "grant": {"ok": False},
        "policies": [],
        "reason": "public.before, which is called before every request, refuses it: banned (PT403)",
    }
    assert ask(claims, "free", "insert", values={"a": "x"})["allowed"] is True


def test_permissions_of_tables_where_they_are_demanded(ask_with: Any) -> None:
    ask = ask_with(table_permissions="enforce")
    claims = {"user_id": NIL, "org_id": NIL, "permissions": ["data:free:read"]}
    found = ask(claims, "free", "insert", values={"a": "x"})
    assert (found["allowed"], found["reason"]) == (
        False,
        "requests are refused with 403 permission_denied, because [data] table_permissions demands the permission"
        " data:free:write",
    )
    assert ask(claims | {"permissions": ["data:*"]}, "free", "insert", values={"a": "x"})["allowed"] is True


def test_a_claim_that_names_another_role(explained: Any, rows: Any, kernel: Any) -> None:
    claims = {"user_id": NIL, "org_id": NIL, "role": "nobody_there"}
    found = explained({"claims": claims}, "free", "insert", values={"a": "x"})
    assert (found["allowed"], found["reason"]) == (
        False,
        'requests are refused with 401 unauthorized: role "nobody_there" does not exist',
    )
    found = explained({"claims": claims | {"role": kernel.database.roles.service}}, "shut", "insert", values={"a": "x"})
    assert found["allowed"] is True  # an administrator may ask about services


WHO = {"claims": {"user_id": NIL, "org_id": NIL}}
IDENTITY = "identity must have user_id or claims"


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        ({"table": "note"}, 404, "table_not_found", "Could not find the table 'public.note' in the schema cache"),
        (
            {"table": "private.none"},
            404,
            "table_not_found",
            "Could not find the table 'public.private.none' in the schema cache",
        ),
        (
            {"action": "upsert"},
            400,
            "invalid_body",
            "the body cannot be used: Invalid enum value 'upsert' - at `$.action`",
        ),
        ({"more": 1}, 400, "invalid_body", "the body cannot be used: Object contains unknown field `more`"),
        ({"key": None}, 400, "invalid_body", "select needs a key that names the row"),
        ({"key": {}}, 400, "invalid_body", "select needs a key that names the row"),
        ({"key": {"org_id": NIL}}, 400, "invalid_body", "key names 2 rows of notes"),
        ({"key": {"ident": 1}}, 400, "column_not_found", "column notes.ident does not exist"),
        ({"columns": ["b"]}, 400, "column_not_found", "column notes.b does not exist"),
        (
            {"action": "update", "values": {"b": 1}},
            400,
            "column_not_found",
            "Could not find the 'b' column of 'notes' in the schema cache",
        ),
        (
            {"key": {"id": "x"}},
            400,
            "invalid_input",
            'key does not fit table notes: invalid input syntax for type uuid: "x"',
        ),
        ({"values": {"a": "x"}}, 400, "invalid_body", "select takes no values"),
        ({"action": "insert"}, 400, "invalid_body", "an insert has no key"),
        ({"identity": {}}, 400, "invalid_body", IDENTITY),
        ({"identity": {"user_id": NIL, "claims": {}}}, 400, "invalid_body", IDENTITY),
        ({"identity": {"claims": {}, "org": NIL}}, 400, "invalid_body", IDENTITY),
        ({"identity": {"claims": {"org_id": 1}}}, 400, "invalid_body", "claim org_id must be a string, not 1"),
        (
            {"identity": {"claims": {"exp": "soon"}}},
            400,
            "invalid_body",
            "claim exp must be seconds since 1970, not 'soon'",
        ),
        (
            {"identity": {"claims": {"permissions": "*"}}},
            400,
            "invalid_body",
            "claim permissions must be an array of strings",
        ),
        (
            {"identity": {"claims": {"token_type": "robot"}}},
            400,
            "invalid_body",
            "claim token_type is 'robot'; there are user, api_key, delegated, service, admin, anon",
        ),
        (
            {"identity": {"claims": {"permissions": [1]}}},
            400,
            "invalid_body",
            "claim permissions must be an array of strings",
        ),
    ],
)
def test_what_cannot_be_asked(body: Any, status: int, code: str, message: str, ask: Any, put: Any) -> None:
    for _ in range(2):
        key = {"id": put("notes", org_id=NIL)}
    sent = {"table": "notes", "action": "select", "key": key, "identity": WHO} | body
    answer = ask(sent.pop("identity"), sent.pop("table"), sent.pop("action"), **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == (status, code, message)


def test_only_administrators_may_ask(make_caller: Any, client: Any) -> None:
    body = {"table": "notes", "action": "insert", "identity": WHO}
    assert make_caller().call("POST", "_admin/explain-access", body=body).status_code in (401, 403)
    assert client.post("/data/v1/_admin/explain-access", json=body).status_code == 401
