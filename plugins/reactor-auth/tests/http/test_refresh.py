"""The refresh grant: rotation, grace, reuse (contract auth.md §4.4, decision 14)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

UNKNOWN = ("invalid_refresh_token", "The refresh token is unknown or has expired.")
REUSED = ("refresh_token_reuse", "The refresh token was used before, so its session has been ended.")
ENDED = ("session_revoked", "The session has been ended.")
HINT = "Sign in again."


def test_it_answers_without_the_user_and_rotates(api, ann):
    answer = api.refresh(ann.refresh_token)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "refresh_token", "expires_in", "expires_at"}
    assert body["refresh_token"] != ann.refresh_token
    assert api.call("GET", "/user", token=body["access_token"]).json() == ann.user
    assert api.refresh(body["refresh_token"]).status_code == 200


@pytest.mark.parametrize("how", ["form", "json", "query"])
def test_every_encoding_of_the_grant_works(api, ann, how):
    fields = {"grant_type": "refresh_token", "refresh_token": ann.refresh_token, "client_id": "reactor-cli"}
    options = {
        "form": {"data": fields},
        "json": {"json": fields},
        "query": {"json": {"refresh_token": ann.refresh_token}, "params": {"grant_type": "refresh_token"}},
    }[how]
    assert api.call("POST", "/token", **options).status_code == 200


UNKNOWN_TOKENS = ["rrf_unknown", "rrf_" + "A" * 43, "\x00", "x" * 100_000, "ü"]


def test_an_unknown_token_is_refused(api):
    for token in UNKNOWN_TOKENS:
        api.refused(api.refresh(token), 401, *UNKNOWN, hint=HINT)


def test_within_the_grace_a_used_token_gives_the_same_successor(frozen_clock, api, ann):
    first = api.refresh(ann.refresh_token).json()
    frozen_clock.advance(seconds=10)
    again = api.refresh(ann.refresh_token).json()
    assert again["refresh_token"] == first["refresh_token"]
    assert api.call("GET", "/user", token=again["access_token"]).status_code == 200
    assert api.refresh(first["refresh_token"]).status_code == 200


def test_after_the_grace_reuse_ends_the_session(frozen_clock, api, ann):
    successor = api.refresh(ann.refresh_token).json()["refresh_token"]
    frozen_clock.advance(seconds=10.001)
    api.refused(api.refresh(ann.refresh_token), 401, *REUSED, hint=HINT)
    api.refused(api.refresh(successor), 401, *ENDED, hint=HINT)
    api.refused(api.refresh(ann.refresh_token), 401, *ENDED, hint=HINT)
    api.refused(ann.get("/user"), 401, *ENDED, hint=HINT)


def test_only_the_immediately_preceding_token_has_a_grace(api, ann):
    second = api.refresh(ann.refresh_token).json()["refresh_token"]
    third = api.refresh(second).json()["refresh_token"]
    api.refused(api.refresh(ann.refresh_token), 401, *REUSED, hint=HINT)
    api.refused(api.refresh(third), 401, *ENDED, hint=HINT)


def test_reuse_ends_that_session_only(api, ann):
    elsewhere = api.sign_in("ann@example.com")
    api.refresh(api.refresh(ann.refresh_token).json()["refresh_token"])
    assert api.refresh(ann.refresh_token).status_code == 401
    assert elsewhere.get("/user").status_code == 200
    assert api.refresh(elsewhere.refresh_token).status_code == 200


def test_without_a_grace_every_reuse_ends_the_session(auth_config, request):
    auth_config["refresh_reuse_grace_secs"] = 0
    api = request.getfixturevalue("api")
    ann = api.sign_up("ann@example.com")
    assert api.refresh(ann.refresh_token).status_code == 200
    api.refused(api.refresh(ann.refresh_token), 401, *REUSED, hint=HINT)


def test_a_token_expires_thirty_days_after_the_last_refresh(frozen_clock, api, ann):
    frozen_clock.advance(days=29, hours=23)
    successor = api.refresh(ann.refresh_token).json()["refresh_token"]
    frozen_clock.advance(days=29, hours=23)
    last = api.refresh(successor).json()["refresh_token"]
    frozen_clock.advance(days=30)
    api.refused(api.refresh(last), 401, *UNKNOWN, hint=HINT)


def test_a_disabled_user_cannot_refresh(api, ann):
    api.sql("UPDATE _reactor_auth.users SET disabled_at = now()")
    api.refused(api.refresh(ann.refresh_token), 403, "user_disabled", "The user is disabled.")


def test_the_successor_is_stored_encrypted_and_only_until_it_is_used(api, ann):
    successor = api.refresh(ann.refresh_token).json()["refresh_token"]
    stored = api.sql(
        "SELECT token_hash::text, successor_sealed FROM _reactor_auth.refresh_tokens ORDER BY issued_at, id"
    )
    assert [sealed is not None for _, sealed in stored] == [True, False]
    assert all(successor not in str(row) and ann.refresh_token not in str(row) for row in stored)
    api.refresh(successor)
    sealed = api.sql("SELECT successor_sealed FROM _reactor_auth.refresh_tokens ORDER BY issued_at, id")
    assert [row[0] is not None for row in sealed] == [False, True, False]


def test_twenty_parallel_refreshes_give_one_live_successor(api, ann):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: api.refresh(ann.refresh_token), range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    [[live]] = api.sql("SELECT count(*) FROM _reactor_auth.refresh_tokens WHERE used_at IS NULL")
    assert live == "1"


def test_parallel_refreshes_without_grace_never_leave_a_live_successor(auth_config, request):
    auth_config["refresh_reuse_grace_secs"] = 0
    api = request.getfixturevalue("api")
    ann = api.sign_up("ann@example.com")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: api.refresh(ann.refresh_token), range(20)))
    codes = sorted(answer.json().get("error", {}).get("code", "ok") for answer in answers)
    assert codes == ["ok", "refresh_token_reuse"] + ["session_revoked"] * 18
    [[live]] = api.sql(
        "SELECT count(*) FROM _reactor_auth.refresh_tokens t JOIN _reactor_auth.sessions s ON s.id = t.session_id "
        "WHERE t.used_at IS NULL AND s.revoked_at IS NULL"
    )
    assert live == "0"
