"""Platform operators: `/_ops/v1/operators/…` and their aliases (contract kernel.md §4.6)."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN

SURFACES = ("/auth/v1", "/_ops/v1")


@pytest.fixture
def auth_config(auth_config, frozen_clock):
    return auth_config


class Ops:
    """Calls the operators' surface from an address."""

    def __init__(self, kernel, surface="/_ops/v1", address="127.0.0.1"):
        transport = httpx.WSGITransport(app=kernel.app, remote_addr=address)
        self.client = httpx.Client(transport=transport, base_url=f"http://reactor.test{surface}")

    def call(self, method, path, token=None, **options):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.client.request(method, path, headers=headers, **options)

    def bootstrap(self, email="ann@example.com", token=ADMIN_TOKEN):
        return self.call("POST", "/operators/bootstrap", token, json={"email": email})

    def code(self, *args, **options):
        answer = self.call(*args, **options)
        return answer.status_code, answer.json().get("error", {}).get("code")


@pytest.fixture(params=SURFACES)
def ops(request, kernel):
    return Ops(kernel, request.param)


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def log(api):
    rows = api.sql(
        "SELECT action, status, scope_used, actor_user_id::text, resource_id, step_up_used::text, details->>'code' "
        "FROM _reactor_auth.ops_audit_log ORDER BY id"
    )
    return [tuple(row) for row in rows]


def test_from_bootstrap_to_demotion(api, ops, ann, bob, enrol):
    assert ops.bootstrap("nobody@example.com").json()["error"]["code"] == "user_not_found"
    answer = ops.bootstrap()
    assert answer.json() == {
        "success": True,
        "user_id": ann.id,
        "message": "The user is the first operator; sign in again to get the scopes.",
    }
    again = ops.bootstrap("bob@example.com")
    api.refused(
        again,
        400,
        "validation_error",
        "there are operators already",
        hint="An operator promotes others: POST /auth/v1/operators/promote.",
    )
    # The token from before knows nothing of it; a new one does.
    assert ops.code("GET", "/operators/status", ann.access_token) == (403, "missing_scope")
    operator = api.sign_in("ann@example.com")
    held = claims(operator.access_token)
    assert held["scopes"] == sorted(
        ["ops:*", "ops:read", "ops:deploy", "cloud:*", "cloud:projects:read", "cloud:projects:create", "vault:read"]
        + ["cloud:projects:delete", "vault:write", "ops:cluster_admin"]
    )
    assert held["exp"] - held["iat"] == 1800
    status = ops.call("GET", "/operators/status", operator.access_token)
    assert status.json() == {"operators_exist": True, "count": 1, "message": "There are operators."}

    promote = {"json": {"email": "bob@example.com"}}
    answer = ops.call("POST", "/operators/promote", operator.access_token, **promote)
    api.refused(answer, 403, "step_up_required", "this needs a fresh second factor")
    assert answer.headers["WWW-Authenticate"] == 'WebAuthn realm="reactor-ops"'
    strong = enrol(operator).tokens["access_token"]
    assert claims(strong)["scopes"] == held["scopes"]
    answer = ops.call("POST", "/operators/promote", strong, **promote)
    assert (answer.status_code, answer.json()["user_id"]) == (200, bob.id)
    assert ops.code("POST", "/operators/promote", strong, json={"email": "nobody@example.com"}) == (
        404,
        "user_not_found",
    )

    promoted = api.sign_in("bob@example.com")
    assert "ops:cluster_admin" in claims(promoted.access_token)["scopes"]
    answer = ops.call("POST", "/operators/demote", strong, json={"email": "bob@example.com"})
    assert answer.json() == {"success": True, "user_id": bob.id, "message": "The user is no operator any more."}
    assert ops.code("GET", "/operators/status", promoted.access_token) == (401, "session_revoked")
    assert "scopes" not in claims(api.sign_in("bob@example.com").access_token)
    answer = ops.call("POST", "/operators/demote", strong, json={"email": "ann@example.com"})
    api.refused(
        answer,
        403,
        "last_operator",
        "The platform must keep at least one operator.",
        hint="Promote somebody else first.",
    )
    assert ops.code("POST", "/operators/demote", strong, json={"email": "bob@example.com"}) == (404, "user_not_found")

    admin = "ops:cluster_admin"
    assert log(api) == [
        ("operators.bootstrap", "error", None, None, None, "false", "user_not_found"),
        ("operators.bootstrap", "success", None, None, ann.id, "false", None),
        ("operators.bootstrap", "error", None, None, None, "false", "validation_error"),
        ("operators.status", "denied", "ops:read", ann.id, None, "false", "missing_scope"),
        ("operators.status", "success", "ops:read", ann.id, None, "false", None),
        ("operators.promote", "denied", admin, ann.id, None, "false", "step_up_required"),
        ("operators.promote", "success", admin, ann.id, bob.id, "true", None),
        ("operators.promote", "error", admin, ann.id, None, "true", "user_not_found"),
        ("operators.demote", "success", admin, ann.id, bob.id, "true", None),
        ("operators.status", "denied", "ops:read", None, None, "false", "session_revoked"),
        ("operators.demote", "error", admin, ann.id, None, "true", "last_operator"),
        ("operators.demote", "error", admin, ann.id, None, "true", "user_not_found"),
    ]
    events = api.sql(
        "SELECT event_type, actor_user_id::text, resource FROM _reactor_auth.audit_events "
        "WHERE event_type LIKE 'operator.%' ORDER BY ts, id"
    )
    assert events == [
        ["operator.granted", None, f"user:{ann.id}"],
        ["operator.granted", ann.id, f"user:{bob.id}"],
        ["operator.revoked", ann.id, f"user:{bob.id}"],
    ]


def test_bootstrap_needs_this_machine_and_the_admin_token(api, kernel, ops, ann):
    body = {"email": "ann@example.com"}
    surface = str(ops.client.base_url.path).rstrip("/")
    far = Ops(kernel, surface, "192.0.2.1")
    api.refused(far.bootstrap(), 403, "untrusted_network", "this is done on the server itself only")
    answer = ops.call("POST", "/operators/bootstrap", json=body)
    api.refused(answer, 401, "authentication_required", "the admin token is required")
    for token in ("wrong", ADMIN_TOKEN[:-1], ann.access_token):
        api.refused(ops.bootstrap(token=token), 401, "invalid_token", "the admin token is wrong")
    assert ops.code("POST", "/operators/bootstrap", json={**body, "admin_token": "wrong"}) == (401, "invalid_token")
    before = ops.call("GET", "/operators/status", ADMIN_TOKEN)
    assert before.json() == {
        "operators_exist": False,
        "count": 0,
        "message": "There is no operator yet; make the first with bootstrap.",
    }
    assert far.code("GET", "/operators/status", ADMIN_TOKEN) == (403, "untrusted_network")
    assert ops.code("POST", "/operators/bootstrap", json={**body, "admin_token": ADMIN_TOKEN}) == (200, None)
    assert ADMIN_TOKEN not in str(api.sql("SELECT to_jsonb(l)::text FROM _reactor_auth.ops_audit_log l"))


def test_of_many_bootstraps_at_once_one_succeeds(api, kernel):
    people = [api.sign_up(f"p{number}@example.com") for number in range(5)]
    ops = Ops(kernel)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda person: ops.bootstrap(person.user["email"]).status_code, people))
    assert sorted(answers) == [200, 400, 400, 400, 400]


def test_promoting_needs_an_operator(api, kernel, ops, ann):
    body = {"json": {"email": "ann@example.com"}}
    surface = str(ops.client.base_url.path).rstrip("/")
    for path in ("/operators/promote", "/operators/demote"):
        assert ops.code("POST", path, **body) == (401, "authentication_required")
        assert ops.code("POST", path, "nonsense", **body) == (401, "invalid_token")
        assert ops.code("POST", path, ADMIN_TOKEN, **body) == (401, "invalid_token")
        assert ops.code("POST", path, ann.access_token, **body) == (403, "missing_scope")
        assert Ops(kernel, surface, "192.0.2.1").code("POST", path, ann.access_token, **body) == (
            403,
            "untrusted_network",
        )
    assert {row[1] for row in log(api)} == {"denied"}
    assert len(log(api)) == 10


def test_the_scopes_end_half_an_hour_after_signing_in(api, kernel, ann, frozen_clock):
    ops = Ops(kernel)
    ops.bootstrap()
    operator = api.sign_in("ann@example.com")
    frozen_clock.advance(seconds=1200)
    refreshed = api.refresh(operator.refresh_token).json()
    held = claims(refreshed["access_token"])
    assert (held["exp"] - held["iat"], "ops:read" in held["scopes"]) == (600, True)
    frozen_clock.advance(seconds=600)
    later = claims(api.refresh(refreshed["refresh_token"]).json()["access_token"])
    assert "scopes" not in later
    assert later["exp"] - later["iat"] == 3600


def test_the_log_is_read_in_pages(api, kernel, ann):
    ops = Ops(kernel)
    ops.bootstrap()
    token = api.sign_in("ann@example.com").access_token
    ops.call("GET", "/operators/status", token)
    page = ops.call("GET", "/audit?limit=1&offset=1", token).json()
    assert (len(page["entries"]), page["total"]) == (1, 2)
    entry = page["entries"][0]
    assert set(entry) == {
        "id",
        "timestamp",
        "actor_user_id",
        "actor_ip",
        "action",
        "scope_used",
        "resource_type",
        "resource_id",
        "status",
        "step_up_used",
    }
    assert (entry["action"], entry["actor_ip"], entry["resource_id"]) == ("operators.bootstrap", "127.0.0.1", ann.id)
    mine = ops.call("GET", "/audit", token, params={"actor_user_id": ann.id}).json()
    assert [entry["action"] for entry in mine["entries"]] == ["audit.list", "operators.status"]
    assert ops.code("GET", "/audit?limit=101", token) == (400, "validation_error")
    assert ops.code("GET", "/audit") == (401, "authentication_required")


def test_ops_switched_off_is_not_there(api, kernel_factory, reactor_config, reactor_database_url, kernel, ann):
    from reactor_auth.plugin import AuthPlugin

    Ops(kernel).bootstrap()
    off = kernel_factory(
        AuthPlugin, config={**reactor_config, "ops": {"enabled": False}}, database_url=reactor_database_url
    )
    for surface in SURFACES:
        assert Ops(off, surface).code("GET", "/operators/status", ADMIN_TOKEN) == (404, "not_found")
    assert Ops(off).code("GET", "/audit", ADMIN_TOKEN) == (404, "not_found")
    answer = Ops(off, "/auth/v1").call("POST", "/login", json={"email": "ann@example.com", "password": "correct horse"})
    assert "scopes" not in claims(answer.json()["access_token"])


def test_old_entries_are_swept(api, kernel, ann, frozen_clock):
    import threading

    from reactor_auth.assembly import Auth
    from reactor_auth.sweeping import Sweeper

    Ops(kernel).bootstrap()
    sweeper = Sweeper(Auth(kernel.hooks.context("auth")))
    frozen_clock.advance(seconds=365 * 86400 - 1)
    sweeper.sweep(threading.Event())
    assert len(log(api)) == 1
    frozen_clock.advance(seconds=2)
    sweeper.sweep(threading.Event())
    assert log(api) == []
