"""Second factors that somebody lost, removed by an administrator or an operator."""

from __future__ import annotations

import json

import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN

NOTHING = {"factors": [], "recovery_codes_left": 0}


@pytest.fixture
def auth_config(auth_config, frozen_clock):
    # Passkeys belong to a domain.
    auth_config["public_url"] = "http://localhost:8000"
    return auth_config


def trail(api):
    return [
        (actor, resource, json.loads(details))
        for actor, resource, details in api.sql(
            "SELECT actor_user_id, resource, details FROM _reactor_auth.audit_events "
            "WHERE event_type = 'mfa.removed' ORDER BY ts, id"
        )
    ]


def test_the_admin_token_removes_all_of_a_users_factors(api, ann, bob, enrol, register, authenticator):
    app = enrol(ann)
    ann.access_token = app.tokens["access_token"]
    register(ann, authenticator)
    enrol(bob)
    assert api.sign_in("ann@example.com").get("/factors").json()["recovery_codes_left"] == 10

    answer = api.call("DELETE", "/_admin/users/ann@example.com/factors", token=ADMIN_TOKEN)
    removed = {"authenticator_apps": 1, "passkeys": 1, "recovery_codes": 10}
    assert (answer.status_code, answer.json()) == (200, {"removed": removed})
    assert ann.get("/factors").json() == NOTHING
    # The session lives on and has no second factor any more, so it cannot pass for one that proved another.
    [session] = [session for session in ann.get("/user/sessions").json() if session["current"]]
    assert (session["amr"], session.get("mfa_at")) == (["pwd"], None)
    body = {"email": "ann@example.com", "password": "correct horse"}
    assert "mfa_required" not in api.call("POST", "/login", json=body).json()
    assert len(bob.get("/factors").json()["factors"]) == 1
    assert trail(api) == [(None, f"user:{ann.id}", {"by": "admin", "removed": removed})]
    [mail] = [mail for mail in api.mails("ann@example.com", "mfa_changed") if "removed" in mail["text"]]
    assert "All second factors and recovery codes were removed by an administrator." in mail["text"]

    again = api.call("DELETE", f"/_admin/users/{ann.id}/factors", token=ADMIN_TOKEN)
    assert (again.status_code, again.json()) == (200, {"removed": {}})
    assert len(trail(api)) == 1
    nobody = api.call("DELETE", "/_admin/users/nobody@example.com/factors", token=ADMIN_TOKEN)
    api.refused(nobody, 404, "user_not_found", "There is no such user.")


def test_an_operator_does_so_with_a_fresh_factor_of_its_own(api, ann, bob, enrol):
    api.call("POST", "/operators/bootstrap", token=ADMIN_TOKEN, json={"email": "ann@example.com"})
    operator = api.sign_in("ann@example.com")
    enrol(bob)
    body = {"email": "bob@example.com"}
    answer = api.client.post(
        "/_ops/v1/operators/remove-factors", json=body, headers={"Authorization": f"Bearer {operator.access_token}"}
    )
    api.refused(answer, 403, "step_up_required", "this needs a fresh second factor")
    assert len(bob.get("/factors").json()["factors"]) == 1
    strong = enrol(operator).tokens["access_token"]
    answer = api.client.post(
        "/_ops/v1/operators/remove-factors", json=body, headers={"Authorization": f"Bearer {strong}"}
    )
    assert answer.json() == {"success": True, "user_id": bob.id, "message": "The user has no second factor any more."}
    assert bob.get("/factors").json() == NOTHING
    removed = {"authenticator_apps": 1, "recovery_codes": 10}
    assert trail(api) == [(ann.id, f"user:{bob.id}", {"by": "operator", "removed": removed})]
    log = api.sql(
        "SELECT status, step_up_used, resource_id, details FROM _reactor_auth.ops_audit_log "
        "WHERE action = 'operators.remove_factors' ORDER BY id"
    )
    assert [(*row[:3], json.loads(str(row[3]))) for row in log] == [
        ("denied", "f", None, {"code": "step_up_required"}),
        ("success", "t", bob.id, {"removed": removed}),
    ]
