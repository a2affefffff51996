"""`POST /auth/v1/logout`."""

from __future__ import annotations

import pytest

ENDED = (401, "session_revoked", "The session has been ended.")


def test_it_ends_the_tokens_session_at_once(api, ann):
    elsewhere = api.sign_in("ann@example.com")
    assert ann.get("/user").status_code == 200
    answer = ann.post("/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    api.refused(ann.get("/user"), *ENDED, hint="Sign in again.")
    api.refused(api.refresh(ann.refresh_token), *ENDED, hint="Sign in again.")
    assert elsewhere.get("/user").status_code == 200


@pytest.mark.parametrize(("scope", "mine", "other"), [("local", 401, 200), ("global", 401, 401), ("others", 200, 401)])
def test_scopes(api, ann, bob, scope, mine, other):
    elsewhere = api.sign_in("ann@example.com")
    for person in (ann, elsewhere, bob):
        assert person.get("/user").status_code == 200
    assert ann.post(f"/logout?scope={scope}").status_code == 204
    assert (ann.get("/user").status_code, elsewhere.get("/user").status_code) == (mine, other)
    assert bob.get("/user").status_code == 200


def test_a_refresh_token_in_the_body_ends_its_session(api, ann):
    answer = api.call("POST", "/logout", json={"refresh_token": ann.refresh_token})
    assert answer.status_code == 204
    api.refused(ann.get("/user"), *ENDED, hint="Sign in again.")
    again = api.call("POST", "/logout", json={"refresh_token": ann.refresh_token})
    assert again.status_code == 204


def test_a_refresh_token_helps_where_the_access_token_has_expired(frozen_clock, api, ann):
    frozen_clock.advance(hours=2)
    assert ann.post("/logout", {"refresh_token": ann.refresh_token}).status_code == 204
    api.refused(api.refresh(ann.refresh_token), *ENDED, hint="Sign in again.")


def test_a_used_refresh_token_still_names_its_session(api, ann):
    assert api.refresh(ann.refresh_token).status_code == 200
    assert api.call("POST", "/logout", json={"refresh_token": ann.refresh_token}).status_code == 204
    assert ann.get("/user").status_code == 401


def test_a_foreign_organisation_in_the_header_does_not_keep_the_session_alive(api, ann, bob):
    bob.make_org("bobs")
    assert ann.post("/logout", org="bobs").status_code == 204
    assert ann.get("/user").status_code == 401


def test_without_any_credential_it_is_refused(api):
    for options in ({}, {"json": {}}, {"json": {"refresh_token": None}}):
        answer = api.call("POST", "/logout", **options)
        api.refused(answer, 401, "unauthorized", "logging out needs an access token, or a refresh_token in the body")


def test_a_bad_bearer_and_no_refresh_token_is_refused_for_the_bearer(api):
    answer = api.call("POST", "/logout", token="nonsense")
    api.refused(answer, 401, "invalid_token", "the access token is not a JSON Web Token signed with RS256")


def test_an_unknown_refresh_token_is_refused(api):
    answer = api.call("POST", "/logout", json={"refresh_token": "rrf_nothing"})
    api.refused(
        answer,
        401,
        "invalid_refresh_token",
        "The refresh token is unknown or has expired.",
        hint="Sign in again.",
    )


def test_an_unknown_scope_is_refused(api, ann):
    answer = ann.post("/logout?scope=everything")
    problem = "must be one of local, global, others"
    api.refused(answer, 400, "validation_error", f"scope {problem}", fields={"scope": [problem]})
    assert ann.get("/user").status_code == 200


def test_an_old_refresh_token_ends_its_own_session_only(api, ann):
    other = api.sign_in("ann@example.com")
    assert api.refresh(ann.refresh_token).status_code == 200
    for scope in ("global", "others"):
        answer = api.call("POST", f"/logout?scope={scope}", json={"refresh_token": ann.refresh_token})
        message = "a refresh token that was used or has expired ends its own session only"
        api.refused(answer, 401, "invalid_refresh_token", message, hint="Sign in again.")
    assert other.get("/user").status_code == 200
    assert api.call("POST", "/logout", json={"refresh_token": ann.refresh_token}).status_code == 204
    assert (ann.get("/user").status_code, other.get("/user").status_code) == (401, 200)
    assert api.call("POST", "/logout?scope=global", json={"refresh_token": other.refresh_token}).status_code == 204
    assert other.get("/user").status_code == 401
