"""`reactor auth …` against a booted server, as its user and with its admin token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def far(tool, live_server, api):
    """The tool with the server as its active context."""
    tool("context", "add", "far", "--endpoint", live_server.url)
    return tool


@pytest.fixture
def as_admin(api):
    return {"REACTOR_TOKEN": api.kernel.config.admin.token}


def sign_in(tool, live_server, person, *, seconds_left=3600):
    """Leave the files as `reactor login` leaves them, with tokens of the real server."""
    expires = (datetime.now(UTC) + timedelta(seconds=seconds_left)).isoformat()
    tool.home.mkdir(exist_ok=True)
    (tool.home / "config.toml").write_text(
        f'active_context = "far"\n[contexts.far]\nendpoint = "{live_server.url}"\n[contexts.far.auth]\n'
        f'kind = "session"\naccess_account = "far_access"\nrefresh_account = "far_refresh"\nexpires_at = {expires}\n'
        f'token_path = "/auth/v1/token"\nclient_id = "reactor-cli"\n'
    )
    tokens = f'[tokens]\nfar_access = "{person.access_token}"\nfar_refresh = "{person.refresh_token}"\n'
    (tool.home / "tokens.toml").write_text(tokens)
    (tool.home / "tokens.toml").chmod(0o600)


def test_an_account_from_its_making_to_its_end(far, as_admin, api):
    made = far(
        "auth", "users", "create", "ann@example.com", "--password", "-", env=as_admin, stdin="correct horse\n"
    ).data
    assert (made["email"], made["email_verified"]) == ("ann@example.com", False)
    bare = far("auth", "users", "create", "bob@example.com", "--verified", "--metadata", '{"a": 1}', env=as_admin).data
    assert (bare["email_verified"], bare["metadata"]) == (True, {"a": 1})
    assert api.sign_in("ann@example.com").id == made["id"]
    listed = far("auth", "users", "list", env=as_admin).data
    assert [user["email"] for user in listed] == ["bob@example.com", "ann@example.com"]
    limited = far("-o", "human", "auth", "users", "list", "--limit", "1", env=as_admin)
    created = datetime.fromisoformat(bare["created_at"]).strftime("%Y-%m-%d %H:%M")
    assert limited.out == (
        f"EMAIL            VERIFIED  DISABLED  CREATED           ID\n"
        f"---------------  --------  --------  ----------------  {'-' * 36}\n"
        f"bob@example.com  yes       -         {created}  {bare['id']}\n"
    )
    assert limited.err == "warning: there are more; pass --all or a --limit above 1\n"
    assert len(far("auth", "users", "list", "--limit", "1", "--all", env=as_admin).data) == 2
    assert far("auth", "users", "list", "--search", "ANN", env=as_admin).data[0]["id"] == made["id"]
    shown = far("auth", "users", "show", "ann@example.com", env=as_admin).data
    assert (shown["id"], shown["has_password"], shown["orgs"]) == (made["id"], True, [])
    changed = far("auth", "users", "update", made["id"], "--email", "anna@example.com", env=as_admin).data
    assert changed["email"] == "anna@example.com"
    assert far("auth", "users", "update", made["id"], env=as_admin).error["code"] == "MISSING_ARGUMENT"

    unconfirmed = far("auth", "users", "disable", "anna@example.com", env=as_admin)
    assert (unconfirmed.code, unconfirmed.error["code"]) == (1, "REQUIRES_CONFIRMATION")
    assert far("auth", "users", "disable", "anna@example.com", "--yes", env=as_admin).data["disabled_at"]
    assert far("auth", "users", "list", "--status", "disabled", env=as_admin).data[0]["id"] == made["id"]
    assert far("auth", "users", "enable", "anna@example.com", env=as_admin).data["disabled_at"] is None
    api.sign_in("anna@example.com")
    assert len(far("auth", "sessions", "list", "--user", "anna@example.com", env=as_admin).data) == 1
    ended = far("auth", "sessions", "revoke", "--all", "--user", "anna@example.com", "--yes", env=as_admin)
    assert ended.data == {"revoked": "all"}
    assert far("auth", "sessions", "list", "--user", made["id"], env=as_admin).data == []
    lost = ("auth", "users", "remove-factors", "anna@example.com")
    assert far(*lost, env=as_admin).error["code"] == "REQUIRES_CONFIRMATION"
    api.sql(
        "INSERT INTO _reactor_auth.recovery_codes (id, user_id, code_hash, created_at) "
        "VALUES (gen_random_uuid(), $1, '', now())",
        made["id"],
    )
    assert far(*lost, "--yes", env=as_admin).data == {"removed": {"recovery_codes": 1}}
    told = "anna@example.com has no second factor any more: there was none\n"
    assert far("-o", "human", *lost, "--yes", env=as_admin).out.endswith(told)
    assert far("auth", "users", "delete", made["id"], env=as_admin).error["code"] == "REQUIRES_CONFIRMATION"
    assert far("auth", "users", "delete", made["id"], "--yes", env=as_admin).data == {"deleted": made["id"]}
    gone = far("auth", "users", "show", made["id"], env=as_admin)
    assert (gone.code, gone.error["code"], gone.error["details"]["server_code"]) == (
        1,
        "CLIENT_ERROR",
        "user_not_found",
    )
    assert gone.error["details"]["request_id"]


def test_users_need_the_admin_token(far, live_server, ann):
    nobody = far("auth", "users", "list")
    assert (nobody.code, nobody.error["code"], nobody.error["hint"]) == (
        3,
        "AUTH_REQUIRED",
        "pass the admin token as REACTOR_TOKEN",
    )
    sign_in(far, live_server, ann)
    refused = far("auth", "users", "list")
    assert (refused.code, refused.error["code"]) == (3, "AUTH_FAILED")


def test_organisations_and_members_as_their_owner(far, live_server, api, ann, bob):
    sign_in(far, live_server, ann)
    assert far("auth", "orgs", "list").data == []
    org = far("auth", "orgs", "create", "acme", "--name", "Acme").data
    assert far("auth", "orgs", "list").data == [org]
    assert far("auth", "orgs", "show", "acme").data == org
    assert far("auth", "orgs", "update", "acme", "--name", "New").data["name"] == "New"
    assert [role["name"] for role in far("auth", "roles", "list", "acme").data] == ["admin", "member", "owner"]
    assert far("auth", "roles", "show", "acme", "owner").data["permissions"] == ["*"]
    unknown = far("auth", "roles", "show", "acme", "king")
    assert (unknown.code, unknown.error["hint"]) == (1, "there are: admin, member, owner")
    api.join(org, bob)
    rows = far("auth", "members", "list", "acme").data
    assert [(row["email"], row["role"]) for row in rows] == [
        ("ann@example.com", "owner"),
        ("bob@example.com", "member"),
    ]
    assert sorted(rows[0]) == ["email", "joined_at", "role", "user_id"]
    assert far("auth", "members", "update", "acme", "bob@example.com", "admin").data["role"] == "admin"
    alone = far("auth", "members", "update", "acme", "ann@example.com", "member")
    assert (alone.code, alone.error["code"], alone.error["details"]["server_code"]) == (
        3,
        "PERMISSION_DENIED",
        "last_owner",
    )
    assert alone.error["hint"] == "Make another member an owner first, or delete the organisation."
    stranger = far("auth", "members", "remove", "acme", "carol@example.com", "--yes")
    assert (stranger.code, stranger.error["message"]) == (1, "carol@example.com is no member of acme")
    assert far("auth", "members", "add", "acme", "bob@example.com").error["code"] == "PERMISSION_DENIED"
    assert far("auth", "members", "remove", "acme", bob.id).error["code"] == "REQUIRES_CONFIRMATION"
    assert far("auth", "members", "remove", "acme", bob.id, "--yes").data == {"removed": bob.id}
    assert far("auth", "orgs", "delete", "acme").error["code"] == "REQUIRES_CONFIRMATION"
    assert far("auth", "orgs", "delete", "acme", "--yes").data == {"deleted": "acme"}
    assert far("-o", "human", "auth", "orgs", "list").out == "No organisations found.\n"


def test_organisations_and_members_with_the_admin_token(far, as_admin, ann, bob):
    needs = far("auth", "orgs", "create", "acme", "--name", "Acme", env=as_admin)
    assert (needs.code, needs.error["code"]) == (1, "MISSING_ARGUMENT")
    org = far("auth", "orgs", "create", "acme", "--name", "Acme", "--owner", "ann@example.com", env=as_admin).data
    assert far("auth", "orgs", "list", "--search", "acm", env=as_admin).data == [org]
    joined = far("auth", "members", "add", "acme", "bob@example.com", "--role", "admin", env=as_admin).data
    assert (joined["user_id"], joined["role"]) == (bob.id, "admin")
    assert far("auth", "members", "update", "acme", bob.id, "member", env=as_admin).data["role"] == "member"
    assert far("auth", "members", "remove", "acme", bob.id, "--yes", env=as_admin).data == {"removed": bob.id}
    assert [row["email"] for row in far("auth", "members", "list", "acme", env=as_admin).data] == ["ann@example.com"]
    as_ann = {"REACTOR_TOKEN": ann.access_token}
    assert far("auth", "orgs", "list", env=as_ann).data == [org], "a JWT is a user's"
    refused = far("auth", "orgs", "list", "--admin", env=as_ann)
    assert (refused.code, refused.error["code"]) == (3, "AUTH_FAILED")


def test_the_project_at_hand_opens_its_own_server(tool, live_server, api, ann):
    port = live_server.url.rpartition(":")[2]
    (tool.directory / "Reactor.toml").write_text(
        f'[project]\nname = "small"\nenv = "dev"\n[server]\nbind = "127.0.0.1:{port}"\n'
        f'[admin]\ntoken = "{api.kernel.config.admin.token}"\n[auth]\n'
    )
    assert [user["email"] for user in tool("auth", "users", "list").data] == ["ann@example.com"]
    assert tool("whoami").data["admin"] is True
    assert "  auth    Users, organisations, keys and sessions" in tool("--help").out
    token = tool("login", "--token", "-", stdin=ann.access_token)
    assert token.data["context"] == "small", "a context is named after the project"
    assert tool("whoami").data["user"]["email"] == "ann@example.com"
    assert [user["email"] for user in tool("auth", "users", "list").data] == ["ann@example.com"]


def test_an_expired_sign_in_is_refreshed_by_the_real_server(far, live_server, api, ann):
    sign_in(far, live_server, ann, seconds_left=-10)
    assert far("whoami").data["user"]["email"] == "ann@example.com"
    kept = far.tokens()
    assert kept["far_refresh"] != ann.refresh_token
    assert far("whoami").data["authenticated"] is True
    assert far.tokens() == kept
    assert far("logout").data["session_ended"] is True
    assert ann.get("/user").json()["error"]["code"] == "session_revoked"


def test_a_sign_in_that_was_ended_says_to_sign_in_again(far, live_server, ann):
    sign_in(far, live_server, ann)
    ann.post("/logout")
    done = far("whoami")
    assert (done.code, done.error["code"], done.error["hint"]) == (
        3,
        "AUTH_REQUIRED",
        "sign in again with: reactor login --context far",
    )
    assert done.error["message"] == "the sign-in of context far has ended: The session has been ended."
    assert done.error["details"]["server_code"] == "session_revoked"
    assert far("-o", "human", "whoami").err == (
        "error: the sign-in of context far has ended: The session has been ended.\n"
        "hint: sign in again with: reactor login --context far\n"
    )
    assert far("logout").data == {"context": "far", "logged_out": True, "session_ended": False}


def test_the_shell_completes_commands_of_plugins(far):
    def complete(*words):
        env = {"_REACTOR_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return [line.partition(",")[2] for line in far(env=env).out.splitlines()]

    # `python -m` names the program after its module; the variable follows the name that the tool gives itself.
    assert complete("reactor", "log") == ["logs", "login", "logout"]
    assert complete("reactor", "auth", "us") == ["users"]
    assert complete("reactor", "context", "a") == ["add"]
