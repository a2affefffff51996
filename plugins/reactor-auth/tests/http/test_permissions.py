"""`/auth/v1/permissions`, and how the active organisation is found."""

from __future__ import annotations

import pytest

REQUIRED = (400, "org_required", "This request needs an organisation.")
HINT = "Name one in the X-Reactor-Org header, or set default_org_id with PATCH /auth/v1/user."
NOT_FOUND = (404, "org_not_found", "There is no such organisation.")
STRANGER = (403, "not_org_member", "The caller is not a member of this organisation.")
MEMBERS = ["auth:orgs:read", "auth:users:read", "data:*:read", "functions:*:invoke", "storage:*:read"]


@pytest.fixture
def acme(api, ann, bob):
    org = ann.make_org("acme")
    api.join(org, bob)
    return org


@pytest.fixture
def shown(api, acme):
    return {"id": acme["id"], "slug": "acme", "role_id": api.role_id(acme, "member")}


@pytest.mark.parametrize("how", ["header slug", "header id", "header case", "query"])
def test_they_are_those_of_the_role_in_the_named_organisation(api, bob, acme, shown, how):
    answer = {
        "header slug": lambda: bob.get("/permissions", org="acme"),
        "header id": lambda: bob.get("/permissions", org=acme["id"]),
        "header case": lambda: bob.get("/permissions", org="ACME"),
        "query": lambda: bob.get("/permissions?org=acme"),
    }[how]()
    assert answer.json() == {"permissions": MEMBERS, "org": shown}


def test_without_a_name_the_default_organisation_counts(ann, acme):
    answer = ann.get("/permissions").json()
    assert answer["permissions"] == ["*"]
    assert answer["org"]["id"] == acme["id"]


def test_some_organisation_is_needed(api, bob):
    api.refused(bob.get("/permissions"), *REQUIRED, hint=HINT)
    api.refused(bob.post("/permissions", {"permissions": []}), *REQUIRED, hint=HINT)
    api.refused(bob.post("/permissions/check", {"permissions": []}), *REQUIRED, hint=HINT)
    assert bob.get("/permissions/ctx").json() == {}


def test_a_forged_organisation_is_refused_wherever_one_matters(api, ann, acme):
    eve = api.sign_up("eve@example.com")
    for answer in (
        eve.get("/permissions", org="acme"),
        eve.get("/permissions?org=acme"),
        eve.post("/permissions", {"permissions": []}, org=acme["id"]),
        eve.post("/permissions/check", {"permissions": [], "org": "acme"}),
        eve.get("/permissions/ctx", org="acme"),
        eve.get("/roles", org="acme"),
    ):
        api.refused(answer, *STRANGER)


UNKNOWN_ORGS = ["nope", "019213f5-0000-7000-8000-000000000001", "x" * 500, "'; drop table users"]


def test_an_unknown_organisation_is_404(api, bob):
    for org in UNKNOWN_ORGS:
        api.refused(bob.get("/permissions", org=org), *NOT_FOUND)
        api.refused(bob.get("/permissions", params={"org": org}), *NOT_FOUND)


def test_routes_without_an_organisation_ignore_the_header(api, ann, bob):
    ann.make_org("private")
    for path in ("/user", "/me", "/orgs"):
        assert bob.get(path, org="private").status_code == 200
        assert bob.get(path, org="nope").status_code == 200


def test_questions_are_answered_in_their_order(api, bob, acme, shown):
    wanted = ["data:todos:write", "data:todos:read", "functions:hello:invoke", "*", "data:todos:read:more"]
    answer = bob.post("/permissions", {"permissions": wanted}, org="acme")
    assert answer.json() == {
        "permissions": ["data:todos:read", "functions:hello:invoke"],
        "checks": [
            {"permission": "data:todos:write", "granted": False},
            {"permission": "data:todos:read", "granted": True},
            {"permission": "functions:hello:invoke", "granted": True},
            {"permission": "*", "granted": False},
            {"permission": "data:todos:read:more", "granted": False},
        ],
        "org": shown,
    }


def test_a_check_names_what_is_missing(bob, ann, acme):
    wanted = {"permissions": ["data:a:read", "data:a:write", "jobs:create"], "org": "acme"}
    assert bob.post("/permissions/check", wanted).json() == {
        "allowed": False,
        "missing": ["data:a:write", "jobs:create"],
    }
    assert ann.post("/permissions/check", wanted).json() == {"allowed": True}
    assert bob.post("/permissions/check", {"permissions": [], "org": "acme"}).json() == {"allowed": True}


def test_the_context_names_the_organisation(bob, shown, acme):
    assert bob.get("/permissions/ctx", org="acme").json() == {"org": shown}


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({}, "permissions is required", "permissions"),
        ({"permissions": "x"}, "permissions must be a list, not a string", "permissions"),
        ({"permissions": [1]}, "permissions[0] must be a string, not a number", "permissions[0]"),
        ({"permissions": ["a"] * 1001}, "permissions must not have more than 1000 entries", "permissions"),
    ],
)
@pytest.mark.parametrize("path", ["/permissions", "/permissions/check"])
def test_bad_questions_are_refused(api, ann, acme, path, body, message, field):
    answer = ann.post(path, body)
    api.refused(answer, 400, "validation_error", message, fields={field: [message.removeprefix(f"{field} ")]})


ROUTES = [
    ("GET", "/permissions"),
    ("POST", "/permissions"),
    ("POST", "/permissions/check"),
    ("GET", "/permissions/ctx"),
]


def test_they_need_a_caller(api):
    for method, path in ROUTES:
        answer = api.call(method, path, json={"permissions": []} if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
