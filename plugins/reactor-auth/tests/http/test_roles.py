"""`/auth/v1/orgs/{ref}/roles`: custom roles."""

from __future__ import annotations

import pytest

NOBODY = "019213f5-0000-7000-8000-000000000001"
HINT = "Make a role of your own: POST /auth/v1/orgs/{ref}/roles."
NEEDS = (403, "permission_denied", "this needs the role owner, or the permission auth:roles:write")
NO_ROLE = (404, "role_not_found", "There is no such role in this organisation.")
IN_USE_HINT = "Give its members another role and withdraw its invitations first."


@pytest.fixture
def acme(ann):
    return ann.make_org("acme")


def make(person, name="editor", permissions=("data:todos:read",), **more):
    return person.post("/orgs/acme/roles", {"name": name, "permissions": list(permissions), **more})


def test_an_owner_makes_changes_and_deletes_one(api, ann, bob, acme):
    made = make(ann, " Editor ", ["data:todos:write", "data:*:read", "data:*:read"], description="Writes todos")
    role = made.json()
    assert made.status_code == 201
    assert role == {
        "id": role["id"],
        "org_id": acme["id"],
        "name": "Editor",
        "description": "Writes todos",
        "is_system": False,
        "is_default": False,
        "permissions": ["data:*:read", "data:todos:write"],
    }
    assert ann.get("/orgs/acme/roles").json()[-1] == role
    path = f"/orgs/acme/roles/{role['id']}"
    assert ann.patch(path, {}).json() == role
    assert ann.patch(path, {"name": "editor"}).json()["name"] == "editor"
    changed = ann.patch(path, {"name": "Author", "description": None, "permissions": []}).json()
    assert changed == {**role, "name": "Author", "description": None, "permissions": []}
    answer = ann.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    api.refused(ann.patch(path, {}), *NO_ROLE)
    api.refused(ann.delete(path), *NO_ROLE)
    trail = api.sql(
        "SELECT event_type, details::text FROM _reactor_auth.audit_events WHERE event_type LIKE 'role.%' ORDER BY id"
    )
    assert [row[0] for row in trail] == ["role.created", "role.updated", "role.updated", "role.deleted"]
    assert '"removed": ["data:*:read", "data:todos:write"]' in (trail[2][1] or "")


def test_what_it_allows_changes_at_once(api, ann, bob, acme):
    role = make(ann).json()
    api.join(acme, bob)
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": role["id"]})
    assert bob.get("/permissions/ctx", org="acme").json()["org"]["role_id"] == role["id"]
    wanted = {"permissions": ["data:todos:write"]}
    assert bob.post("/permissions/check", wanted, org="acme").json()["allowed"] is False
    ann.patch(f"/orgs/acme/roles/{role['id']}", {"permissions": ["data:todos:*"]})
    assert bob.post("/permissions/check", wanted, org="acme").json()["allowed"] is True


def test_nobody_grants_what_they_do_not_hold(api, ann, bob, acme):
    holder = make(ann, "keeper", ["auth:roles:write", "data:*:read", "jobs:*"]).json()
    strong = make(ann, "strong", ["storage:*", "data:todos:write"]).json()
    api.join(acme, bob)
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": holder["id"]})
    for wider in ("*", "*:*", "*:*:read", "data:*", "data:*:*", "data:todos:*", "auth:*", "auth:roles:*", "jobs"):
        message = f"you can grant only what you hold, which does not cover: {wider}"
        refusal = (403, "permission_denied", message)
        api.refused(make(bob, permissions=["data:a:read", wider]), *refusal, details={"missing": [wider]})
        own = bob.patch(f"/orgs/acme/roles/{holder['id']}", {"permissions": ["auth:roles:write", wider]})
        api.refused(own, *refusal, details={"missing": [wider]})
    made = make(bob, "mine", ["data:*:read", "data:a:read", "jobs:a:b", "jobs:*:*"])
    assert made.status_code == 201
    # What a role had before may stay, and be taken; no wider wildcard comes with it.
    path = f"/orgs/acme/roles/{strong['id']}"
    kept = bob.patch(path, {"permissions": ["storage:*", "storage:a:read", "data:a:read"]})
    assert kept.json()["permissions"] == ["data:a:read", "storage:*", "storage:a:read"]
    assert bob.patch(path, {"permissions": ["storage:*", "*"]}).json()["error"]["code"] == "permission_denied"
    assert bob.patch(path, {"permissions": ["storage:*", "data:todos:write"]}).status_code == 403


def test_members_and_strangers_make_none(api, ann, bob, acme):
    api.refused(make(bob), 403, "not_org_member", "The caller is not a member of this organisation.")
    api.join(acme, bob)
    role = make(ann).json()
    api.refused(make(bob), *NEEDS)
    api.refused(bob.patch(f"/orgs/acme/roles/{role['id']}", {"name": "x"}), *NEEDS)
    api.refused(bob.delete(f"/orgs/acme/roles/{role['id']}"), *NEEDS)
    assert ann.get("/orgs/acme/roles").json()[-1] == role


def test_the_system_roles_stay(api, ann, acme):
    refusal = (403, "system_role", "The roles owner, admin and member can be neither changed nor deleted.")
    for name in ("owner", "admin", "member"):
        path = f"/orgs/acme/roles/{api.role_id(acme, name)}"
        api.refused(ann.patch(path, {"permissions": ["*"]}), *refusal, hint=HINT)
        api.refused(ann.delete(path), *refusal, hint=HINT)


def test_a_name_is_given_once_whatever_its_case(api, ann, bob, acme):
    role = make(ann).json()
    other = make(ann, "other").json()
    for name in ("editor", "EDITOR", "owner", "Admin"):
        refusal = (409, "role_exists", f'a role named "{name}" exists already in the organisation')
        api.refused(make(ann, name), *refusal)
        api.refused(ann.patch(f"/orgs/acme/roles/{other['id']}", {"name": name}), *refusal)
    bob.make_org("zoo")
    assert bob.post("/orgs/zoo/roles", {"name": "editor", "permissions": []}).status_code == 201
    api.refused(bob.patch(f"/orgs/zoo/roles/{role['id']}", {"name": "x"}), *NO_ROLE)


def test_a_role_in_use_stays(api, ann, bob, acme):
    role = make(ann).json()
    path = f"/orgs/acme/roles/{role['id']}"
    api.join(acme, bob)
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": role["id"]})
    invited = ann.post("/orgs/acme/invitations", {"email": "new@example.com", "role_id": role["id"]}).json()
    refusal = (409, "role_in_use", "the role editor is in use by 1 members and 1 invitations")
    api.refused(ann.delete(path), *refusal, hint=IN_USE_HINT, details={"members": 1, "invitations": 1})
    ann.delete(f"/orgs/acme/members/{bob.id}")
    assert ann.delete(path).status_code == 409
    ann.delete(f"/orgs/acme/invitations/{invited['id']}")
    assert ann.delete(path).status_code == 204


BAD = [
    ({"permissions": []}, "name", "is required"),
    ({"name": "x"}, "permissions", "is required"),
    ({"name": " ", "permissions": []}, "name", "must have 1 to 63 printable characters"),
    ({"name": "a\x00b", "permissions": []}, "name", "must have 1 to 63 printable characters"),
    (
        {"name": "x", "permissions": ["a:b*"]},
        "permissions[0]",
        "must have * as a whole segment only, such as data:*:read",
    ),
    ({"name": "x", "permissions": [1]}, "permissions[0]", "must be a string, not a number"),
    (
        {"name": "x", "permissions": [], "description": "x" * 501},
        "description",
        "must have at most 500 characters and no NUL",
    ),
]


def test_bad_roles_are_refused(api, ann, acme):
    for body, field, problem in BAD:
        answer = ann.post("/orgs/acme/roles", body)
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
    for answer in (ann.patch("/orgs/acme/roles/me", {}), ann.delete("/orgs/acme/roles/me")):
        api.refused(answer, 400, "validation_error", "role_id is not a UUID", fields={"role_id": ["is not a UUID"]})
    api.refused(ann.patch(f"/orgs/acme/roles/{NOBODY}", {}), *NO_ROLE)
    assert len(ann.get("/orgs/acme/roles").json()) == 3
