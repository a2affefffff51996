"""`/auth/v1/orgs/{ref}/members`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

NOT_A_MEMBER = (404, "membership_not_found", "There is no such member of this organisation.")
LAST = (403, "last_owner", "An organisation must keep at least one owner.")
LAST_HINT = "Make another member an owner first, or delete the organisation."
NEEDS_ADMIN = (
    403,
    "permission_denied",
    "this needs the role owner or admin, or the permission auth:members:write",
)
NOBODY = "019213f5-0000-7000-8000-000000000001"


@pytest.fixture
def acme(ann):
    return ann.make_org("acme")


def test_they_are_listed_in_order_of_joining(api, ann, bob, acme):
    api.join(acme, bob)
    members = bob.get("/orgs/acme/members").json()
    assert [member["user_id"] for member in members] == [ann.id, bob.id]
    first, second = members
    assert second == {
        "id": bob.id,
        "user_id": bob.id,
        "org_id": acme["id"],
        "user": bob.user,
        "role_id": api.role_id(acme, "member"),
        "role_name": "member",
        "joined_at": second["joined_at"],
        "created_at": second["joined_at"],
        "updated_at": second["updated_at"],
    }
    assert first["role_name"] == "owner"
    assert bob.get(f"/orgs/acme/members/{bob.id}").json() == second


def test_an_unknown_member_is_404(api, ann, bob, acme):
    for user_id in (bob.id, NOBODY):
        api.refused(ann.get(f"/orgs/acme/members/{user_id}"), *NOT_A_MEMBER)
        api.refused(ann.delete(f"/orgs/acme/members/{user_id}"), *NOT_A_MEMBER)
        role = {"role_id": api.role_id(acme, "admin")}
        api.refused(ann.patch(f"/orgs/acme/members/{user_id}", role), *NOT_A_MEMBER)


def test_a_malformed_id_is_400(api, ann, acme):
    for answer in (
        ann.get("/orgs/acme/members/me"),
        ann.patch("/orgs/acme/members/me", {"role_id": NOBODY}),
        ann.delete("/orgs/acme/members/me"),
    ):
        api.refused(answer, 400, "validation_error", "user_id is not a UUID", fields={"user_id": ["is not a UUID"]})


@pytest.mark.parametrize(("field", "suffix"), [("role_id", ""), ("roleId", ""), ("role_id", "/role")])
def test_an_owner_changes_a_role(api, ann, bob, acme, field, suffix):
    api.join(acme, bob)
    admin = api.role_id(acme, "admin")
    changed = ann.patch(f"/orgs/acme/members/{bob.id}{suffix}", {field: admin})
    assert changed.status_code == 200
    assert (changed.json()["role_id"], changed.json()["role_name"]) == (admin, "admin")
    assert changed.json()["updated_at"] > changed.json()["joined_at"]
    assert ann.get(f"/orgs/acme/members/{bob.id}").json() == changed.json()


def test_a_new_role_counts_at_once(api, ann, bob, acme):
    api.join(acme, bob)
    assert "data:*" not in bob.get("/permissions", org="acme").json()["permissions"]
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": api.role_id(acme, "admin")})
    assert "data:*" in bob.get("/permissions", org="acme").json()["permissions"]


def test_a_role_must_be_the_organisations_own(api, ann, bob, acme):
    api.join(acme, bob)
    other = bob.make_org("zoo")
    for role_id in (NOBODY, api.role_id(other, "member")):
        answer = ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": role_id})
        api.refused(answer, 404, "role_not_found", "There is no such role in this organisation.")


UNNAMED_ROLES = [({}, "is required"), ({"role_id": None}, "is required"), ({"role_id": "x"}, "is not a UUID")]


def test_a_role_must_be_named(api, ann, bob, acme):
    api.join(acme, bob)
    for body, problem in UNNAMED_ROLES:
        answer = ann.patch(f"/orgs/acme/members/{bob.id}", body)
        api.refused(answer, 400, "validation_error", f"role_id {problem}", fields={"role_id": [problem]})


def test_a_plain_member_changes_nobody(api, ann, bob, acme):
    api.join(acme, bob)
    for person in (ann, bob):
        role = {"role_id": api.role_id(acme, "member")}
        api.refused(bob.patch(f"/orgs/acme/members/{person.id}", role), *NEEDS_ADMIN)
    api.refused(bob.delete(f"/orgs/acme/members/{ann.id}"), *NEEDS_ADMIN)


def test_an_admin_changes_members_but_no_owners(api, ann, bob, acme):
    carl = api.sign_up("carl@example.com")
    api.join(acme, bob, "admin")
    api.join(acme, carl)
    admin, owner = api.role_id(acme, "admin"), api.role_id(acme, "owner")
    assert bob.patch(f"/orgs/acme/members/{carl.id}", {"role_id": admin}).status_code == 200
    refusal = (403, "permission_denied", "only an owner may give or take the role owner")
    for person in (carl, bob):
        api.refused(bob.patch(f"/orgs/acme/members/{person.id}", {"role_id": owner}), *refusal)
    api.refused(bob.patch(f"/orgs/acme/members/{ann.id}", {"role_id": admin}), *refusal)
    api.refused(
        bob.delete(f"/orgs/acme/members/{ann.id}"), 403, "permission_denied", "only an owner may remove an owner"
    )
    assert bob.delete(f"/orgs/acme/members/{carl.id}").status_code == 204


def test_nobody_gives_more_than_they_have(api, ann, bob, acme):
    api.join(acme, bob)
    api.sql("INSERT INTO _reactor_auth.role_permissions VALUES ($1, 'auth:members:write')", api.role_id(acme, "member"))
    answer = bob.patch(f"/orgs/acme/members/{bob.id}", {"role_id": api.role_id(acme, "admin")})
    missing = [
        "auth:*:read",
        "auth:members:*",
        "auth:roles:*",
        "auth:users:write",
        "data:*",
        "functions:*",
        "jobs:*",
        "sites:*",
        "storage:*",
    ]
    api.refused(
        answer,
        403,
        "permission_denied",
        f"the role admin may do more than you: {', '.join(missing)}",
        details={"missing": missing},
    )


def test_anyone_may_leave(api, ann, bob, acme):
    api.join(acme, bob)
    bob.patch("/user", {"default_org_id": acme["id"]})
    assert bob.delete(f"/orgs/acme/members/{bob.id}").status_code == 204
    assert bob.get("/orgs").json() == []
    assert bob.get("/user").json()["default_org_id"] is None
    api.refused(
        bob.get("/permissions", org="acme"), 403, "not_org_member", "The caller is not a member of this organisation."
    )


def test_the_last_owner_stays(api, ann, bob, acme):
    api.join(acme, bob)
    member = {"role_id": api.role_id(acme, "member")}
    api.refused(ann.delete(f"/orgs/acme/members/{ann.id}"), *LAST, hint=LAST_HINT)
    api.refused(ann.patch(f"/orgs/acme/members/{ann.id}", member), *LAST, hint=LAST_HINT)
    owner = {"role_id": api.role_id(acme, "owner")}
    assert ann.patch(f"/orgs/acme/members/{ann.id}", owner).status_code == 200
    assert ann.patch(f"/orgs/acme/members/{bob.id}", owner).status_code == 200
    assert ann.patch(f"/orgs/acme/members/{ann.id}", member).json()["role_name"] == "member"
    assert bob.delete(f"/orgs/acme/members/{bob.id}").json()["error"]["code"] == "last_owner"


def test_a_disabled_owner_does_not_count(api, ann, bob, acme):
    api.join(acme, bob, "owner")
    assert bob.delete("/user").status_code == 204
    api.refused(ann.delete(f"/orgs/acme/members/{ann.id}"), *LAST, hint=LAST_HINT)


@pytest.mark.parametrize("how", ["demote", "remove", "leave"])
def test_two_owners_acting_at_once_always_leave_one(api, ann, bob, acme, how):
    api.join(acme, bob, "owner")
    member, owner = api.role_id(acme, "member"), api.role_id(acme, "owner")

    def act(pair):
        actor, target = pair
        if how == "demote":
            return actor.patch(f"/orgs/acme/members/{target.id}", {"role_id": member}).status_code
        return actor.delete(f"/orgs/acme/members/{(actor if how == 'leave' else target).id}").status_code

    with ThreadPoolExecutor(2) as pool:
        for _ in range(50):
            statuses = sorted(pool.map(act, ((ann, bob), (bob, ann))))
            owners = api.sql(
                "SELECT user_id::text FROM _reactor_auth.memberships WHERE org_id = $1 AND role_id = $2",
                acme["id"],
                owner,
            )
            assert len(owners) == 1
            assert statuses in ([200, 403], [204, 403])
            loser = bob if owners == [[ann.id]] else ann
            api.sql("DELETE FROM _reactor_auth.memberships WHERE user_id = $1", loser.id)
            api.join(acme, loser, "owner")
