"""`/auth/v1/_admin/*`: everybody's accounts, sessions and organisations, for the admin token."""

from __future__ import annotations

import json

import pytest

NOBODY = (404, "user_not_found", "There is no such user.")
NO_ORG = (404, "org_not_found", "There is no such organisation.")
LAST = (403, "last_owner", "An organisation must keep at least one owner.")
LAST_HINT = "Make another member an owner first, or delete the organisation."


class Admin:
    """Calls below `/_admin` with the admin token."""

    def __init__(self, api):
        self.api = api
        self.token = api.kernel.config.admin.token

    def __call__(self, method, path, json=None, **options):
        return self.api.call(method, f"/_admin{path}", token=self.token, json=json, **options)


@pytest.fixture
def admin(api):
    return Admin(api)


def trail(api, start=0):
    rows = api.sql(
        "SELECT event_type, actor_user_id::text, org_id::text, resource, details::text "
        "FROM _reactor_auth.audit_events ORDER BY ts, id"
    )
    return [(*row[:4], json.loads(row[4])) for row in rows[start:]]


PATHS = [
    ("GET", "/users"),
    ("POST", "/users"),
    ("GET", "/users/ann@example.com"),
    ("PATCH", "/users/ann@example.com"),
    ("DELETE", "/users/ann@example.com"),
    ("GET", "/users/ann@example.com/sessions"),
    ("DELETE", "/users/ann@example.com/sessions"),
    ("DELETE", "/users/ann@example.com/sessions/019213f5-0000-7000-8000-000000000001"),
    ("GET", "/orgs"),
    ("POST", "/orgs"),
    ("GET", "/orgs/acme"),
    ("PATCH", "/orgs/acme"),
    ("DELETE", "/orgs/acme"),
    ("GET", "/orgs/acme/roles"),
    ("GET", "/orgs/acme/members"),
    ("POST", "/orgs/acme/members"),
    ("PATCH", "/orgs/acme/members/ann@example.com"),
    ("DELETE", "/orgs/acme/members/ann@example.com"),
]


def test_they_need_the_admin_token(api, ann):
    ann.make_org("acme")
    before = trail(api)
    for method, path in PATHS:
        for token in (None, ann.access_token):
            answer = api.call(method, f"/_admin{path}", token=token)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), (method, path)
    assert trail(api) == before


def test_a_user_is_made_found_changed_and_deleted(api, admin):
    made = admin("POST", "/users", {"email": " Ann@Example.com ", "email_verified": True, "metadata": {"a": 1}})
    assert made.status_code == 201
    ann = made.json()
    assert ann == {
        "id": ann["id"],
        "email": "ann@example.com",
        "email_verified": True,
        "metadata": {"a": 1},
        "default_org_id": None,
        "created_at": ann["created_at"],
        "updated_at": ann["created_at"],
        "disabled_at": None,
    }
    for ref in (ann["id"], "ann@example.com", "ANN@example.com"):
        assert admin("GET", f"/users/{ref}").json() == {**ann, "has_password": False, "orgs": []}
    without = api.call("POST", "/login", json={"email": "ann@example.com", "password": ""})
    assert without.json()["error"]["code"] == "invalid_credentials"

    change = {"password": "correct horse", "email": "anna@example.com", "email_verified": False, "metadata": {}}
    changed = admin("PATCH", f"/users/{ann['id']}", change).json()
    assert changed == {
        **ann,
        "email": "anna@example.com",
        "email_verified": False,
        "metadata": {},
        "updated_at": changed["updated_at"],
    }
    assert api.sign_in("anna@example.com").id == ann["id"]

    answer = admin("DELETE", "/users/anna@example.com")
    assert (answer.status_code, answer.content) == (204, b"")
    api.refused(admin("GET", f"/users/{ann['id']}"), *NOBODY)
    assert api.sql("SELECT count(*) FROM _reactor_auth.sessions") == [["0"]]
    api.sign_up("anna@example.com")
    me = f"user:{ann['id']}"
    signed_in, ended = trail(api)[3:5]
    assert (signed_in[0], ended[0], ended[4]) == ("session.created", "session.revoked", {"reason": "user_deleted"})
    assert [row for row in trail(api) if row[0].startswith("user.") and row[3] == me] == [
        ("user.signup", None, None, me, {"by": "admin"}),
        (
            "user.updated",
            None,
            None,
            me,
            {"by": "admin", "changed": ["email", "email_verified", "metadata", "password"]},
        ),
        ("user.deleted", None, None, me, {"by": "admin"}),
    ]


def test_a_change_of_nothing_leaves_no_row(api, admin, ann):
    before = trail(api)
    for change in ({}, {"email": "ann@example.com"}, {"disabled": False}, {"metadata": {}}):
        assert admin("PATCH", f"/users/{ann.id}", change).status_code == 200
    assert trail(api) == before


def test_disabling_ends_every_session_and_enabling_lets_in_again(api, admin, ann):
    assert ann.get("/user").status_code == 200
    disabled = admin("PATCH", "/users/ann@example.com", {"disabled": True}).json()
    assert disabled["disabled_at"] is not None
    api.refused(ann.get("/user"), 403, "user_disabled", "The user is disabled.")
    refused = api.call("POST", "/login", json={"email": "ann@example.com", "password": "correct horse"})
    assert refused.json()["error"]["code"] == "user_disabled"
    assert admin("GET", "/users?status=disabled").json()["users"] == [disabled]
    assert admin("GET", "/users?status=enabled").json()["users"] == []
    assert admin("PATCH", "/users/ann@example.com", {"disabled": False}).json()["disabled_at"] is None
    assert ann.get("/user").json()["error"]["code"] == "session_revoked"
    api.sign_in("ann@example.com")
    rows = [row for row in trail(api) if row[0] in ("user.updated", "session.revoked")]
    me = f"user:{ann.id}"
    assert rows == [
        ("user.updated", None, None, me, {"by": "admin", "changed": ["disabled"], "disabled": True}),
        ("session.revoked", ann.id, None, rows[1][3], {"reason": "disabled_by_admin"}),
        ("user.updated", None, None, me, {"by": "admin", "changed": ["disabled"], "disabled": False}),
    ]


def test_a_new_password_ends_every_session(api, admin, ann):
    admin("PATCH", f"/users/{ann.id}", {"password": "battery staple"})
    assert ann.get("/user").json()["error"]["code"] == "session_revoked"
    assert [row[0] for row in trail(api)][-2:] == ["user.password_changed", "session.revoked"]
    api.sign_in("ann@example.com", "battery staple")


def test_the_last_owner_of_an_organisation_stays(api, admin, ann, bob):
    ann.make_org("acme")
    before = trail(api)
    for answer in (admin("DELETE", f"/users/{ann.id}"), admin("PATCH", f"/users/{ann.id}", {"disabled": True})):
        api.refused(answer, *LAST, hint=LAST_HINT, details={"orgs": ["acme"]})
    for answer in (
        admin("DELETE", f"/orgs/acme/members/{ann.id}"),
        admin("PATCH", f"/orgs/acme/members/{ann.id}", {"role": "member"}),
    ):
        api.refused(answer, *LAST, hint=LAST_HINT)
    assert trail(api) == before
    admin("POST", "/orgs/acme/members", {"user_id": "bob@example.com", "role": "owner"})
    assert admin("DELETE", f"/users/{ann.id}").status_code == 204


def test_users_are_listed_by_page_and_found_by_a_part_of_the_address(api, admin):
    ids = [api.sign_up(f"user{number}@example.com").id for number in range(5)]
    newest = ids[::-1]
    first = admin("GET", "/users?limit=2").json()
    assert ([user["id"] for user in first["users"]], first["next_cursor"]) == (newest[:2], newest[1])
    second = admin("GET", "/users", params={"limit": "3", "cursor": first["next_cursor"]}).json()
    assert ([user["id"] for user in second["users"]], second["next_cursor"]) == (newest[2:], None)
    found = admin("GET", "/users", params={"search": "USER3@"}).json()["users"]
    assert [user["email"] for user in found] == ["user3@example.com"]
    assert admin("GET", "/users", params={"search": "%"}).json()["users"] == []
    problem = "is not one that this list gave"
    api.refused(
        admin("GET", "/users?cursor=x"), 400, "validation_error", f"cursor {problem}", fields={"cursor": [problem]}
    )
    problem = "must be one of enabled, disabled"
    api.refused(
        admin("GET", "/users?status=x"), 400, "validation_error", f"status {problem}", fields={"status": [problem]}
    )


def test_what_is_wrong_with_a_user_changes_nothing(api, admin, ann, bob):
    before = trail(api)
    taken = (409, "email_exists", "A user with this e-mail address exists already.")
    api.refused(admin("POST", "/users", {"email": "ANN@example.com"}), *taken)
    api.refused(admin("PATCH", f"/users/{bob.id}", {"email": "ann@example.com"}), *taken)
    problem = "is not a valid e-mail address"
    api.refused(
        admin("POST", "/users", {"email": "ann"}),
        400,
        "validation_error",
        f"email {problem}",
        fields={"email": [problem]},
    )
    problem = "must have at least 8 characters"
    weak = (400, "weak_password", f"password {problem}")
    api.refused(
        admin("POST", "/users", {"email": "c@example.com", "password": "short"}), *weak, fields={"password": [problem]}
    )
    api.refused(admin("PATCH", f"/users/{ann.id}", {"password": "short"}), *weak, fields={"password": [problem]})
    for ref in ("nobody@example.com", "nobody", "019213f5-0000-7000-8000-000000000001"):
        for method in ("GET", "DELETE"):
            api.refused(admin(method, f"/users/{ref}"), *NOBODY)
        api.refused(admin("PATCH", f"/users/{ref}", {}), *NOBODY)
        api.refused(admin("GET", f"/users/{ref}/sessions"), *NOBODY)
    assert trail(api) == before


def test_sessions_are_listed_and_ended(api, admin, ann):
    second = api.sign_in("ann@example.com")
    listed = admin("GET", f"/users/{ann.id}/sessions").json()
    assert [sorted(session) for session in listed] == [
        ["amr", "created_at", "id", "ip", "last_seen_at", "user_agent"]
    ] * 2
    assert (listed[0]["ip"], listed[0]["amr"]) == ("127.0.0.1", ["pwd"])
    assert admin("DELETE", f"/users/{ann.id}/sessions/{listed[0]['id']}").json() == {"ended": 1}
    assert admin("DELETE", f"/users/{ann.id}/sessions/{listed[0]['id']}").json() == {"ended": 0}
    assert second.get("/user").status_code == 401
    assert ann.get("/user").status_code == 200
    assert admin("DELETE", f"/users/{ann.id}/sessions").json() == {"ended": 1}
    assert ann.get("/user").status_code == 401
    assert admin("GET", f"/users/{ann.id}/sessions").json() == []


def test_organisations_are_made_for_an_owner_changed_and_deleted(api, admin, ann, bob):
    start = len(trail(api))
    made = admin("POST", "/orgs", {"name": "Acme", "slug": "acme", "owner": "ann@example.com"})
    assert made.status_code == 201
    org = made.json()
    assert ann.get("/orgs/acme").json() == org == admin("GET", "/orgs/ACME").json()
    assert admin("GET", "/orgs?search=CM").json() == {"orgs": [org], "next_cursor": None}
    assert admin("GET", "/orgs?search=nope").json()["orgs"] == []
    assert [role["name"] for role in admin("GET", "/orgs/acme/roles").json()] == ["admin", "member", "owner"]
    joined = admin("POST", "/orgs/acme/members", {"user_id": bob.id})
    assert (joined.status_code, joined.json()["role_name"]) == (201, "member")
    assert bob.get("/permissions", org="acme").status_code == 200
    exists = (409, "membership_exists", "The user is a member of this organisation already.")
    api.refused(admin("POST", "/orgs/acme/members", {"user_id": bob.id}), *exists)
    raised = admin("PATCH", "/orgs/acme/members/bob@example.com", {"role": "admin"}).json()
    assert raised["role_name"] == "admin"
    assert [member["role_name"] for member in admin("GET", "/orgs/acme/members").json()] == ["owner", "admin"]
    no_role = (404, "role_not_found", "There is no such role in this organisation.")
    for name in ("é" * 300, ""):
        api.refused(admin("PATCH", "/orgs/acme/members/bob@example.com", {"role": name}), *no_role)
        api.refused(admin("POST", "/orgs/acme/members", {"user_id": ann.id, "role": name}), *no_role)
    for answer in (
        admin("PATCH", "/orgs/acme/members/bob@example.com", {"role": "admin\x00"}),
        admin("POST", "/orgs/acme/members", {"user_id": ann.id, "role": "admin\x00"}),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"] == "role must not contain NUL characters"
    api.refused(admin("PATCH", f"/orgs/acme/members/{bob.id}", {"role": "king"}), *no_role)
    assert admin("DELETE", "/orgs/acme/members/bob@example.com").status_code == 204
    assert bob.get("/orgs").json() == []
    changed = admin("PATCH", "/orgs/acme", {"name": "New", "slug": "new"}).json()
    assert (changed["name"], changed["slug"]) == ("New", "new")
    assert admin("DELETE", "/orgs/new").status_code == 204
    api.refused(admin("GET", "/orgs/new"), *NO_ORG)
    subject, by = f"org:{org['id']}", {"by": "admin"}
    assert trail(api)[start:] == [
        ("org.created", None, org["id"], subject, {**by, "slug": "acme"}),
        ("member.joined", None, org["id"], subject, {**by, "user_id": ann.id, "role": "owner"}),
        ("member.joined", None, org["id"], f"user:{bob.id}", {**by, "user_id": bob.id, "role": "member"}),
        ("member.role_changed", None, org["id"], f"user:{bob.id}", {**by, "user_id": bob.id, "role": "admin"}),
        ("member.removed", None, org["id"], f"user:{bob.id}", {**by, "user_id": bob.id}),
        ("org.updated", None, org["id"], subject, {**by, "changed": ["name", "slug"]}),
        ("org.deleted", None, org["id"], subject, {**by, "slug": "new"}),
    ]


def test_what_is_wrong_with_an_organisation_changes_nothing(api, admin, ann, bob):
    ann.make_org("acme")
    ann.make_org("zoo")
    before = trail(api)
    taken = (409, "org_slug_exists", "An organisation with this slug exists already.")
    api.refused(admin("POST", "/orgs", {"name": "A", "slug": "acme", "owner": bob.id}), *taken)
    api.refused(admin("PATCH", "/orgs/zoo", {"slug": "acme"}), *taken)
    api.refused(admin("POST", "/orgs", {"name": "A", "slug": "a", "owner": "nobody@example.com"}), *NOBODY)
    gone = (404, "membership_not_found", "There is no such member of this organisation.")
    api.refused(admin("DELETE", f"/orgs/acme/members/{bob.id}"), *gone)
    api.refused(admin("PATCH", f"/orgs/acme/members/{bob.id}", {"role": "admin"}), *gone)
    api.refused(admin("POST", "/orgs/acme/members", {"user_id": "nobody"}), *NOBODY)
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/roles"), ("GET", "/members")):
        api.refused(admin(method, f"/orgs/nope{path}", {} if method == "PATCH" else None), *NO_ORG)
    assert trail(api) == before


def test_what_postgres_cannot_hold_is_a_refusal(api, ann):
    from reactor_kernel.testing.project import ADMIN_TOKEN

    ann.make_org("acme")
    problem = "must not contain NUL characters"
    for method, path, body, field in (
        ("GET", "/_admin/users?search=a%00b", None, "search"),
        ("GET", "/_admin/orgs?search=%00", None, "search"),
        ("GET", "/_admin/outbox?to=%00", None, "to"),
        ("POST", "/_admin/orgs/acme/members", {"user_id": ann.id, "role": "a\x00"}, "role"),
        ("PATCH", f"/_admin/orgs/acme/members/{ann.id}", {"role": "\x00"}, "role"),
    ):
        answer = api.call(method, path, token=ADMIN_TOKEN, json=body)
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
