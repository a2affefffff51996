"""What each change leaves behind: audit rows in its transaction, events after its commit, counters."""

from __future__ import annotations

import json

import pytest


def trail(api):
    rows = api.sql(
        "SELECT event_type, actor_user_id::text, org_id::text, resource, host(ip), details::text "
        "FROM _reactor_auth.audit_events ORDER BY ts, id"
    )
    return [(*row[:5], json.loads(row[5])) for row in rows]


def session_ids(api):
    return [row[0] for row in api.sql("SELECT id::text FROM _reactor_auth.sessions ORDER BY created_at, id")]


def test_signing_up_in_and_out(api, ann):
    api.call("POST", "/login", json={"email": "ann@example.com", "password": "wrong horse"})
    api.call("POST", "/login", json={"email": "nobody@example.com", "password": "wrong horse"})
    second = api.sign_in("ann@example.com")
    api.refresh(second.refresh_token)
    ann.post("/logout")
    first_id, second_id = (f"session:{session_id}" for session_id in session_ids(api))
    here = "127.0.0.1"
    assert trail(api) == [
        ("user.signup", ann.id, None, f"user:{ann.id}", here, {}),
        ("session.created", ann.id, None, first_id, here, {"amr": ["pwd"]}),
        ("login.failed", ann.id, None, None, here, {"reason": "wrong_password"}),
        ("login.failed", None, None, None, here, {"reason": "unknown_email"}),
        ("session.created", ann.id, None, second_id, here, {"amr": ["pwd"]}),
        ("session.refreshed", ann.id, None, second_id, here, {}),
        ("session.revoked", ann.id, None, first_id, here, {"reason": "logout"}),
    ]


def test_reuse_is_recorded(api, ann):
    api.refresh(api.refresh(ann.refresh_token).json()["refresh_token"])
    api.refresh(ann.refresh_token)
    [session_id] = session_ids(api)
    assert trail(api)[-1] == (
        "session.reuse_detected",
        ann.id,
        None,
        f"session:{session_id}",
        "127.0.0.1",
        {"reason": "reuse_detected"},
    )


def test_organisations_and_members(api, ann, bob):
    start = len(trail(api))
    org = ann.make_org("acme")
    ann.patch("/orgs/acme", {"name": "New"})
    api.join(org, bob)
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": api.role_id(org, "admin")})
    ann.delete(f"/orgs/acme/members/{bob.id}")
    ann.delete("/orgs/acme")
    here, subject = "127.0.0.1", f"org:{org['id']}"
    assert trail(api)[start:] == [
        ("org.created", ann.id, org["id"], subject, here, {"slug": "acme"}),
        ("member.joined", ann.id, org["id"], subject, here, {"user_id": ann.id, "role": "owner"}),
        ("org.updated", ann.id, org["id"], subject, here, {"changed": ["name"]}),
        ("member.role_changed", ann.id, org["id"], f"user:{bob.id}", here, {"user_id": bob.id, "role": "admin"}),
        ("member.removed", ann.id, org["id"], f"user:{bob.id}", here, {"user_id": bob.id}),
        ("org.deleted", ann.id, org["id"], subject, here, {"slug": "acme"}),
    ]


def test_the_account(api, ann):
    start = len(trail(api))
    ann.patch("/user", {"metadata": {"a": 1}})
    ann.patch("/user", {"password": "battery staple"})
    ann.delete("/user")
    [session_id] = session_ids(api)
    here, me = "127.0.0.1", f"user:{ann.id}"
    assert trail(api)[start:] == [
        ("user.updated", ann.id, None, me, here, {"changed": ["metadata"]}),
        ("user.password_changed", ann.id, None, me, here, {}),
        ("session.revoked", ann.id, None, f"session:{session_id}", here, {"reason": "user_deleted"}),
        ("user.deleted", ann.id, None, me, here, {}),
    ]


def test_a_change_that_cannot_be_audited_does_not_happen(api, ann):
    api.sql("ALTER TABLE _reactor_auth.audit_events ADD CONSTRAINT no_more CHECK (event_type <> 'org.created')")
    assert ann.post("/orgs", {"name": "Acme", "slug": "acme"}).status_code == 500
    assert ann.get("/orgs").json() == []


def test_a_refused_change_leaves_no_row(api, ann, bob):
    ann.make_org("acme")
    before = trail(api)
    bob.patch("/orgs/acme", {"name": "Mine"})
    ann.delete("/user")
    ann.post("/orgs", {"name": "Again", "slug": "acme"})
    assert trail(api) == before


def test_events_follow_the_commit(captured_events, api, ann, bob):
    from reactor_auth.events import MemberChanged, OrgCreated, OrgDeleted, SessionRevoked, UserCreated, UserUpdated

    org = ann.make_org("acme")
    ann.post("/orgs", {"name": "Again", "slug": "acme"})
    ann.patch("/user", {"metadata": {"a": 1}})
    ann.delete("/orgs/acme")
    ann.post("/logout")
    session_id = session_ids(api)[0]
    assert [event.payload for event in captured_events.all()] == [
        UserCreated(ann.id, "ann@example.com"),
        UserCreated(bob.id, "bob@example.com"),
        OrgCreated(org["id"], "acme", ann.id),
        MemberChanged(org["id"], ann.id, "joined", "owner"),
        UserUpdated(ann.id, ["metadata"]),
        OrgDeleted(org["id"]),
        SessionRevoked(ann.id, [session_id], "logout"),
    ]


def test_outcomes_are_counted(api, ann, client):
    api.sign_in("ann@example.com")
    api.call("POST", "/login", json={"email": "ann@example.com", "password": "wrong horse"})
    api.refresh(ann.refresh_token)
    api.refresh("rrf_nothing")
    ann.get("/user")
    lines = client.get("/metrics").text.splitlines()
    assert 'reactor_auth_sign_ins_total{outcome="ok"} 1.0' in lines
    assert 'reactor_auth_sign_ins_total{outcome="invalid_credentials"} 1.0' in lines
    assert 'reactor_auth_refreshes_total{outcome="ok"} 1.0' in lines
    assert 'reactor_auth_refreshes_total{outcome="invalid_refresh_token"} 1.0' in lines
    assert "reactor_auth_identities_cached 1.0" in lines


@pytest.mark.parametrize("secret", ["password", "refresh_token", "access_token"])
def test_no_secret_is_logged_or_stored_in_clear(api, caplog, secret):
    caplog.set_level("DEBUG")
    ann = api.sign_up("ann@example.com", "a very secret phrase")
    api.refresh(ann.refresh_token)
    api.call("POST", "/login", json={"email": "ann@example.com", "password": "a very secret guess"})
    wanted = {
        "password": "a very secret",
        "refresh_token": ann.refresh_token,
        "access_token": ann.access_token.rsplit(".", 1)[1],
    }[secret]
    assert wanted not in caplog.text
    for table in ("users", "sessions", "refresh_tokens", "audit_events", "rate_windows"):
        rows = api.sql(f"SELECT to_jsonb(t)::text FROM _reactor_auth.{table} t")
        assert wanted not in str(rows)
