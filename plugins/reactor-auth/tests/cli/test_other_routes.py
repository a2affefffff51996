"""Keys, invitations, roles and sessions of the caller: what is sent, and what is shown of the answer."""

from __future__ import annotations

import json

import pytest

ORG = {"id": "o-1", "slug": "acme", "name": "Acme"}
ROLES = [
    {"id": "r-1", "name": "owner", "permissions": ["*"], "is_system": True},
    {"id": "r-2", "name": "reader", "permissions": ["data:*:read"], "is_system": False},
]
KEY = {
    "id": "k-1",
    "name": "ci",
    "key_prefix": "rk_live_AbCd",
    "scopes": ["data:*"],
    "org_id": "o-1",
    "created_at": "2026-05-28T13:35:52+00:00",
    "last_used_at": None,
    "expires_at": None,
}
INVITATION = {
    "id": "i-1",
    "email": "bob@example.com",
    "org_id": "o-1",
    "role_id": "r-2",
    "status": "pending",
    "created_at": "2026-05-28T13:35:52+00:00",
    "expires_at": "2026-06-04T13:35:52+00:00",
}


@pytest.fixture
def far(tool, fake):
    tool("login", "--token", "-", "--endpoint", fake.url, stdin=fake.access)
    fake.answers |= {
        ("GET", "/auth/v1/orgs/acme"): (200, ORG),
        ("GET", "/auth/v1/orgs/acme/roles"): (200, ROLES),
        ("GET", "/auth/v1/api-keys"): (200, {"keys": [KEY, {**KEY, "id": "k-2", "org_id": "o-2"}]}),
        ("POST", "/auth/v1/api-keys"): (201, {**KEY, "key": "rk_live_secret"}),
        ("DELETE", "/auth/v1/api-keys/k-1"): (200, {"message": "revoked"}),
        ("GET", "/auth/v1/orgs/acme/invitations"): (200, [INVITATION]),
        ("POST", "/auth/v1/orgs/acme/invitations"): (201, {**INVITATION, "invite_link": "http://x/?invite_token=t"}),
        ("DELETE", "/auth/v1/invitations/i-1"): (204, None),
        ("POST", "/auth/v1/orgs/acme/roles"): (201, ROLES[1]),
        ("PATCH", "/auth/v1/orgs/acme/roles/r-2"): (200, ROLES[1]),
        ("DELETE", "/auth/v1/orgs/acme/roles/r-2"): (204, None),
        ("DELETE", "/auth/v1/user/sessions"): (204, None),
        ("DELETE", "/auth/v1/user/sessions/s-1"): (204, None),
        ("POST", "/auth/v1/_admin/rotate-keys"): (200, {"kid": "k_2"}),
    }
    fake.calls.clear()
    return tool


def test_keys(far, fake):
    assert [key["id"] for key in far("auth", "keys", "list").data] == ["k-1", "k-2"]
    assert [key["id"] for key in far("auth", "keys", "list", "acme").data] == ["k-1"]
    assert far("-o", "human", "auth", "keys", "list", "acme").out == (
        "NAME  KEY            LAST USED  EXPIRES  ID\n"
        "----  -------------  ---------  -------  ---\n"
        "ci    rk_live_AbCd…  -          -        k-1\n"
    )
    made = far("auth", "keys", "create", "acme", "ci", "--scope", "data:*", "--expires-at", "2027-01-01T00:00:00Z")
    assert made.data == {"id": "k-1", "name": "ci", "secret": "rk_live_secret"}
    assert fake.bodies[-1] == {
        "name": "ci",
        "org_id": "o-1",
        "scopes": ["data:*"],
        "expires_at": "2027-01-01T00:00:00Z",
    }
    assert far("auth", "keys", "revoke", "k-1").error["code"] == "REQUIRES_CONFIRMATION"
    assert far("auth", "keys", "revoke", "k-1", "--yes").data == {"revoked": "k-1"}


def test_invitations(far, fake):
    shown = {name: INVITATION[name] for name in ("id", "email", "status", "created_at", "expires_at")}
    assert far("auth", "invitations", "list", "acme").data == [{**shown, "role": "reader"}]
    link = {"invite_link": "http://x/?invite_token=t"}
    made = far("auth", "invitations", "create", "acme", "bob@example.com", "--role", "reader")
    assert made.data == {**shown, "role": "reader", **link}
    assert fake.bodies[-1] == {"email": "bob@example.com", "role_id": "r-2"}
    assert far("auth", "invitations", "revoke", "i-1").error["code"] == "REQUIRES_CONFIRMATION"
    assert far("auth", "invitations", "revoke", "i-1", "--yes").data == {"revoked": "i-1"}


def test_roles(far, fake):
    made = far("auth", "roles", "create", "acme", "reader", "--permission", "data:*:read", "--description", "Reads")
    assert made.data["id"] == "r-2"
    assert fake.bodies[-1] == {"name": "reader", "permissions": ["data:*:read"], "description": "Reads"}
    far("auth", "roles", "update", "acme", "reader", "--permission", "data:*")
    assert fake.bodies[-1] == {"permissions": ["data:*"]}
    assert far("auth", "roles", "delete", "acme", "reader", "--yes").data == {"deleted": "reader"}


def test_sessions_and_signing_keys(far, fake):
    sent = [("s-1", "/auth/v1/user/sessions/s-1"), ("--others", "/auth/v1/user/sessions?scope=others")]
    for argument, path in [*sent, ("--all", "/auth/v1/user/sessions?scope=all")]:
        assert far("auth", "sessions", "revoke", argument, "--yes").code == 0
        assert fake.calls[-1] == ("DELETE", path, fake.access)
    assert far("auth", "sessions", "revoke", "--yes").error["code"] == "MISSING_ARGUMENT"
    assert far("auth", "rotate-keys", env={"REACTOR_TOKEN": fake.admin}).data == {"kid": "k_2"}
    assert fake.calls[-1] == ("POST", "/auth/v1/_admin/rotate-keys", fake.admin)


def test_a_server_without_a_route_is_told_apart_from_a_missing_thing(far, fake):
    del fake.answers["GET", "/auth/v1/api-keys"]
    done = far("auth", "keys", "list")
    assert (done.code, done.error) == (
        2,
        {
            "code": "FEATURE_DISABLED",
            "message": f"{fake.url} does not serve GET /auth/v1/api-keys",
            "hint": "is reactor-auth enabled there, and as new as this one? see: reactor version",
            "details": {"server_code": "not_found", "status": 404, "request_id": "r-1"},
        },
    )
    bad = far("auth", "users", "create", "x@example.com", "--metadata", "[1]", env={"REACTOR_TOKEN": fake.admin})
    assert (bad.code, bad.error["code"]) == (4, "JSON_ERROR")
    assert json.dumps(fake.calls).count("POST") == 0
