"""`/auth/v1/me` and `/auth/v1/user`."""

from __future__ import annotations

import pytest

NO_USER = "There is no such organisation."


def test_me_names_the_caller_and_its_organisations(api, ann, bob):
    acme, zoo = ann.make_org("acme"), bob.make_org("zoo")
    api.join(zoo, ann)
    assert ann.get("/me").json() == {
        "user_id": ann.id,
        "email": "ann@example.com",
        "orgs": [
            {"org_id": acme["id"], "org_slug": "acme", "role": "owner"},
            {"org_id": zoo["id"], "org_slug": "zoo", "role": "member"},
        ],
    }


@pytest.mark.parametrize("path", ["/me", "/user"])
def test_they_need_a_caller(api, path):
    answer = api.call("GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_metadata_is_replaced_whole_and_null_leaves_it(ann):
    assert ann.patch("/user", {"metadata": {"a": 1, "b": 2}}).json()["metadata"] == {"a": 1, "b": 2}
    assert ann.patch("/user", {"metadata": {"c": 3}}).json()["metadata"] == {"c": 3}
    assert ann.patch("/user", {"metadata": None}).json()["metadata"] == {"c": 3}
    assert ann.patch("/user", {}).json()["metadata"] == {"c": 3}
    assert ann.get("/user").json()["metadata"] == {"c": 3}


NO_OBJECTS = [[], "x", 1, True]


def test_metadata_must_be_an_object(api, ann):
    for metadata in NO_OBJECTS:
        answer = ann.patch("/user", {"metadata": metadata})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_error")


def test_a_new_password_ends_every_other_session(api, ann):
    elsewhere = api.sign_in("ann@example.com")
    assert elsewhere.get("/user").status_code == 200
    answer = ann.patch("/user", {"password": "battery staple", "current_password": "correct horse"})
    assert answer.status_code == 200
    assert ann.get("/user").status_code == 200
    assert api.refresh(ann.refresh_token).status_code == 200
    api.refused(elsewhere.get("/user"), 401, "session_revoked", "The session has been ended.", hint="Sign in again.")
    assert api.call("POST", "/login", json={"email": "ann@example.com", "password": "correct horse"}).status_code == 401
    api.sign_in("ann@example.com", "battery staple")


def test_a_wrong_current_password_changes_nothing(api, ann):
    answer = ann.patch("/user", {"password": "battery staple", "current_password": "nope", "metadata": {"a": 1}})
    api.refused(
        answer,
        401,
        "invalid_credentials",
        "current_password is wrong",
        fields={"current_password": ["is wrong"]},
    )
    assert ann.get("/user").json()["metadata"] == {}
    api.sign_in("ann@example.com")


def test_a_weak_new_password_changes_nothing(api, ann):
    answer = ann.patch("/user", {"password": "short"})
    problem = "must have at least 8 characters"
    api.refused(answer, 400, "weak_password", f"password {problem}", fields={"password": [problem]})
    api.sign_in("ann@example.com")


def test_an_unchanged_address_is_a_no_op(ann):
    assert ann.patch("/user", {"email": " ANN@example.com"}).json() == ann.user


def test_an_invalid_address_is_refused(api, ann):
    problem = "is not a valid e-mail address"
    api.refused(
        ann.patch("/user", {"email": "x"}), 400, "validation_error", f"email {problem}", fields={"email": [problem]}
    )


def test_the_default_organisation_is_chosen_and_cleared(api, ann, bob):
    acme, zoo = ann.make_org("acme"), bob.make_org("zoo")
    assert ann.get("/user").json()["default_org_id"] == acme["id"]
    assert ann.get("/permissions/ctx").json()["org"]["slug"] == "acme"
    api.join(zoo, ann)
    assert ann.patch("/user", {"default_org_id": zoo["id"]}).json()["default_org_id"] == zoo["id"]
    assert ann.get("/permissions/ctx").json()["org"]["slug"] == "zoo"
    assert ann.patch("/user", {"default_org_id": None}).json()["default_org_id"] is None
    assert ann.get("/permissions/ctx").json() == {}


def test_a_default_organisation_must_be_ones_own(api, ann, bob):
    zoo = bob.make_org("zoo")
    api.refused(
        ann.patch("/user", {"default_org_id": zoo["id"]}),
        403,
        "not_org_member",
        "The caller is not a member of this organisation.",
    )
    api.refused(
        ann.patch("/user", {"default_org_id": "019213f5-0000-7000-8000-000000000001"}), 404, "org_not_found", NO_USER
    )
    api.refused(
        ann.patch("/user", {"default_org_id": "zoo"}),
        400,
        "validation_error",
        "default_org_id is not a UUID",
        fields={"default_org_id": ["is not a UUID"]},
    )


def test_deleting_disables_and_ends_everything(api, ann, bob):
    answer = ann.delete("/user")
    assert (answer.status_code, answer.content) == (204, b"")
    api.refused(ann.get("/user"), 403, "user_disabled", "The user is disabled.")
    api.refused(ann.delete("/user"), 403, "user_disabled", "The user is disabled.")
    api.refused(
        api.refresh(ann.refresh_token), 401, "session_revoked", "The session has been ended.", hint="Sign in again."
    )
    taken = api.call("POST", "/signup", json={"email": "ann@example.com", "password": "correct horse"})
    api.refused(taken, 409, "email_exists", "A user with this e-mail address exists already.")
    assert bob.get("/user").status_code == 200


def test_the_last_owner_cannot_be_deleted(api, ann, bob):
    org = ann.make_org("acme")
    ann.make_org("zoo")
    api.join(org, bob, "owner")
    api.refused(
        ann.delete("/user"),
        403,
        "last_owner",
        "An organisation must keep at least one owner.",
        hint="Make another member an owner first, or delete the organisation.",
        details={"orgs": ["zoo"]},
    )
    assert ann.delete("/orgs/zoo").status_code == 204
    assert ann.delete("/user").status_code == 204
    # A disabled owner does not count: bob is the last one now.
    assert bob.delete("/user").json()["error"]["code"] == "last_owner"


def test_two_owners_deleting_themselves_at_once_leave_one(api):
    from concurrent.futures import ThreadPoolExecutor

    for round_ in range(10):
        one, two = api.sign_up(f"one{round_}@example.com"), api.sign_up(f"two{round_}@example.com")
        org = one.make_org(f"org-{round_}")
        api.join(org, two, "owner")
        with ThreadPoolExecutor(2) as pool:
            statuses = sorted(pool.map(lambda person: person.delete("/user").status_code, (one, two)))
        assert statuses == [204, 403]
