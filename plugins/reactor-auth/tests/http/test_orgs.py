"""`/auth/v1/orgs` and roles."""

from __future__ import annotations

import pytest

NOT_FOUND = (404, "org_not_found", "There is no such organisation.")
STRANGER = (403, "not_org_member", "The caller is not a member of this organisation.")
TAKEN = (409, "org_slug_exists", "An organisation with this slug exists already.")
SLUG = "must be 1 to 63 lower-case letters, digits and hyphens, with no hyphen at the ends"


def test_the_maker_owns_it(api, ann):
    answer = ann.post("/orgs", {"name": "  Acme Inc. ", "slug": "acme", "metadata": {"a": 1}})
    assert answer.status_code == 201
    org = answer.json()
    assert org == {
        "id": org["id"],
        "name": "Acme Inc.",
        "slug": "acme",
        "metadata": {"a": 1},
        "created_at": org["created_at"],
        "updated_at": org["created_at"],
        "mfa_required_roles": [],
    }
    assert ann.get("/orgs/acme").json() == org
    assert ann.get(f"/orgs/{org['id']}").json() == org
    assert ann.get("/me").json()["orgs"] == [{"org_id": org["id"], "org_slug": "acme", "role": "owner"}]


def test_the_first_one_becomes_the_default_and_a_second_does_not(ann):
    first = ann.make_org("first")
    ann.make_org("second")
    assert ann.get("/user").json()["default_org_id"] == first["id"]


def test_it_may_be_used_with_the_token_at_hand(ann):
    assert ann.get("/permissions/ctx").json() == {}
    ann.make_org("acme")
    assert ann.get("/permissions", org="acme").json()["permissions"] == ["*"]


VALID_SLUGS = ["a", "7", "a-b", "x" * 63, "a--b"]


def test_valid_slugs(ann):
    for slug in VALID_SLUGS:
        assert ann.make_org(slug)["slug"] == slug


INVALID_SLUGS = ["", "-a", "a-", "A", "a_b", "a b", "ü", "x" * 64, "a\x00", "a\n", "a/b"]


def test_invalid_slugs(api, ann):
    for slug in INVALID_SLUGS:
        answer = ann.post("/orgs", {"name": "Acme", "slug": slug})
        api.refused(answer, 400, "validation_error", f"slug {SLUG}", fields={"slug": [SLUG]})


@pytest.mark.parametrize("slug", ["019213f5-0000-7000-8000-000000000001", "019213f5000070008000000000000001"])
def test_a_slug_must_not_look_like_an_id(api, ann, slug):
    answer = ann.post("/orgs", {"name": "Acme", "slug": slug})
    problem = "must not look like a UUID"
    api.refused(answer, 400, "validation_error", f"slug {problem}", fields={"slug": [problem]})


INVALID_NAMES = ["", "   ", "x" * 201]


def test_invalid_names(api, ann):
    for name in INVALID_NAMES:
        problem = "must have 1 to 200 characters"
        answer = ann.post("/orgs", {"name": name, "slug": "acme"})
        api.refused(answer, 400, "validation_error", f"name {problem}", fields={"name": [problem]})


def test_a_name_cannot_hold_nul(api, ann):
    problem = "must not contain NUL characters"
    answer = ann.post("/orgs", {"name": "a\x00b", "slug": "acme"})
    api.refused(answer, 400, "validation_error", f"name {problem}", fields={"name": [problem]})


def test_a_taken_slug_is_refused(api, ann, bob):
    ann.make_org("acme")
    api.refused(bob.post("/orgs", {"name": "Other", "slug": "acme"}), *TAKEN)
    assert bob.get("/orgs").json() == []


def test_the_list_is_ones_own_newest_first_in_pages(ann, bob):
    made = [ann.make_org(f"org-{number}") for number in range(5)]
    bob.make_org("bobs")
    assert [org["slug"] for org in ann.get("/orgs").json()] == ["org-4", "org-3", "org-2", "org-1", "org-0"]
    assert ann.get("/orgs?limit=2&offset=1").json() == [made[3], made[2]]
    assert ann.get("/orgs?offset=9").json() == []


BAD_LIMITS = ["0", "1001", "-1", "x", "1.5", "9" * 30, "٣"]


def test_a_bad_limit_is_refused(api, ann):
    for limit in BAD_LIMITS:
        problem = "must be a whole number from 1 to 1000"
        answer = ann.get("/orgs", params={"limit": limit})
        api.refused(answer, 400, "validation_error", f"limit {problem}", fields={"limit": [problem]})


def test_a_bad_offset_is_refused(api, ann):
    problem = "must be a whole number from 0 to 2147483647"
    answer = ann.get("/orgs?offset=-1")
    api.refused(answer, 400, "validation_error", f"offset {problem}", fields={"offset": [problem]})


def test_a_reference_is_an_id_or_a_slug_in_any_case(ann):
    org = ann.make_org("acme")
    for ref in ("acme", "ACME", org["id"], org["id"].upper()):
        assert ann.get(f"/orgs/{ref}").json()["id"] == org["id"]


UNKNOWN_REFS = ["nope", "019213f5-0000-7000-8000-000000000001", "x" * 300, "%20"]


def test_an_unknown_one_is_404_on_every_route(api, ann):
    for ref in UNKNOWN_REFS:
        for answer in (
            ann.get(f"/orgs/{ref}"),
            ann.patch(f"/orgs/{ref}", {}),
            ann.delete(f"/orgs/{ref}"),
            ann.get(f"/orgs/{ref}/roles"),
            ann.get(f"/orgs/{ref}/members"),
            ann.get(f"/orgs/{ref}/members/{ann.id}"),
            ann.patch(f"/orgs/{ref}/members/{ann.id}", {"role_id": ann.id}),
            ann.delete(f"/orgs/{ref}/members/{ann.id}"),
        ):
            api.refused(answer, *NOT_FOUND)


def test_a_stranger_is_refused_on_every_route(api, ann, bob):
    org = ann.make_org("acme")
    role = api.role_id(org, "member")
    for answer in (
        bob.get("/orgs/acme"),
        bob.patch("/orgs/acme", {"name": "Mine"}),
        bob.delete("/orgs/acme"),
        bob.get("/orgs/acme/roles"),
        bob.get("/orgs/acme/members"),
        bob.get(f"/orgs/acme/members/{ann.id}"),
        bob.patch(f"/orgs/acme/members/{ann.id}", {"role_id": role}),
        bob.delete(f"/orgs/acme/members/{ann.id}"),
        bob.delete(f"/orgs/acme/members/{bob.id}"),
    ):
        api.refused(answer, *STRANGER)
    assert ann.get("/orgs/acme").json() == org


def test_an_owner_changes_it(ann):
    org = ann.make_org("acme")
    changed = ann.patch("/orgs/acme", {"name": "New", "slug": "new", "metadata": {"a": 1}}).json()
    assert changed == {**org, "name": "New", "slug": "new", "metadata": {"a": 1}, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > org["updated_at"]
    assert ann.get("/orgs/acme").status_code == 404
    assert ann.get("/permissions", org="new").status_code == 200
    assert ann.get("/permissions", org="acme").status_code == 404


def test_a_partial_change_leaves_the_rest(ann):
    org = ann.make_org("acme")
    assert ann.patch("/orgs/acme", {}).json() == org
    assert ann.patch("/orgs/acme", {"slug": "acme"}).json()["slug"] == "acme"
    assert ann.patch("/orgs/acme", {"name": "Other"}).json()["metadata"] == {}


def test_a_slug_taken_by_another_is_refused(api, ann):
    ann.make_org("acme")
    zoo = ann.make_org("zoo")
    api.refused(ann.patch("/orgs/zoo", {"slug": "acme"}), *TAKEN)
    assert ann.get("/orgs/zoo").json() == zoo


def test_two_reaching_for_one_slug_at_once_do_not_both_get_it(api, ann):
    from concurrent.futures import ThreadPoolExecutor

    for number in range(6):
        ann.make_org(f"org-{number}")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: ann.patch(f"/orgs/org-{number}", {"slug": "prize"}), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    for answer in answers:
        if answer.status_code == 409:
            api.refused(answer, *TAKEN)


@pytest.mark.parametrize("role", ["member", "admin"])
def test_only_owners_change_or_delete_it(api, ann, bob, role):
    org = ann.make_org("acme")
    api.join(org, bob, role)
    refusal = (403, "permission_denied", "this needs the role owner, or the permission auth:orgs:write")
    api.refused(bob.patch("/orgs/acme", {"name": "Mine"}), *refusal)
    api.refused(bob.delete("/orgs/acme"), *refusal)
    assert bob.get("/orgs/acme").json() == org


def test_a_custom_role_with_the_permission_may_change_it(api, ann, bob):
    org = ann.make_org("acme")
    api.join(org, bob)
    api.sql("INSERT INTO _reactor_auth.role_permissions VALUES ($1, 'auth:orgs:write')", api.role_id(org, "member"))
    assert bob.patch("/orgs/acme", {"name": "Ours"}).status_code == 200


def test_deleting_removes_roles_and_memberships(api, ann, bob):
    org = ann.make_org("acme")
    api.join(org, bob)
    answer = ann.delete("/orgs/acme")
    assert (answer.status_code, answer.content) == (204, b"")
    api.refused(ann.get("/orgs/acme"), *NOT_FOUND)
    api.refused(ann.get("/permissions", org="acme"), *NOT_FOUND)
    assert bob.get("/orgs").json() == []
    assert ann.get("/user").json()["default_org_id"] is None
    assert api.sql("SELECT count(*) FROM _reactor_auth.roles") == [["0"]]
    assert ann.make_org("acme")["id"] != org["id"]


def test_the_system_roles_are_those_of_the_contract(api, ann, bob):
    org = ann.make_org("acme")
    api.join(org, bob)
    roles = bob.get("/orgs/acme/roles").json()
    assert roles == [
        {
            "id": api.role_id(org, "admin"),
            "org_id": org["id"],
            "name": "admin",
            "description": "Runs the organisation: everything except its ownership",
            "is_system": True,
            "is_default": False,
            "permissions": [
                "auth:*:read",
                "auth:members:*",
                "auth:orgs:read",
                "auth:roles:*",
                "auth:users:write",
                "data:*",
                "functions:*",
                "jobs:*",
                "sites:*",
                "storage:*",
            ],
        },
        {
            "id": api.role_id(org, "member"),
            "org_id": org["id"],
            "name": "member",
            "description": "Reads the organisation's data and calls its functions",
            "is_system": True,
            "is_default": True,
            "permissions": [
                "auth:orgs:read",
                "auth:users:read",
                "data:*:read",
                "functions:*:invoke",
                "storage:*:read",
            ],
        },
        {
            "id": api.role_id(org, "owner"),
            "org_id": org["id"],
            "name": "owner",
            "description": "May do everything, including deleting the organisation",
            "is_system": True,
            "is_default": False,
            "permissions": ["*"],
        },
    ]
    assert ann.get("/roles").json() == roles
    assert bob.get("/roles", org="acme").json() == roles


def test_the_active_organisations_roles_need_one(api, ann):
    api.refused(
        ann.get("/roles"),
        400,
        "org_required",
        "This request needs an organisation.",
        hint="Name one in the X-Reactor-Org header, or set default_org_id with PATCH /auth/v1/user.",
    )


PATHS = ["/orgs", "/orgs/acme", "/orgs/acme/roles", "/orgs/acme/members", "/roles"]


def test_they_need_a_caller(api):
    for path in PATHS:
        answer = api.call("GET", path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
