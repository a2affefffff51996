"""Authenticator apps and recovery codes (contract auth.md §3.12)."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

WRONG = ("invalid_code", "The code is wrong, or was used before.")
HINT = "Wait for the next code, and check that the clock of the device is right."
USED_HINT = "Each recovery code works once; one of a later set replaces all earlier ones."
FRESH = ("mfa_required", "this needs a second factor verified in the last 300 s")
ENROL_HINT = (
    "Verify one in this session: POST /auth/v1/factors/{id}/verify, or /auth/v1/webauthn/authenticate/start. "
    "Without one yet, enrol: POST /auth/v1/factors, or /auth/v1/webauthn/register/start."
)


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def stale(api, answer):
    api.refused(answer, 403, *FRESH, hint=ENROL_HINT, details={"within": 300})


def wrong(api, answer, hint=HINT):
    api.refused(answer, 401, *WRONG, hint=hint)


def test_enrolling_and_verifying_gives_tokens_and_recovery_codes_once(api, ann, begin_app, frozen_clock):
    answer = ann.post("/factors", {"factor_type": "totp", "friendly_name": " Phone "})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"id", "type", "totp"}
    assert body["type"] == "totp"
    assert set(body["totp"]) == {"secret", "uri"}
    uri = urlsplit(body["totp"]["uri"])
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Reactor:ann@example.com")
    assert parse_qs(uri.query) == {"secret": [body["totp"]["secret"]], "issuer": ["Reactor"]}
    assert len(base64.b32decode(body["totp"]["secret"])) == 20

    # Nothing is demanded before a code was verified.
    assert "mfa_required" not in api.call("POST", "/login", json=credentials()).json()
    assert "mfa_at" not in claims(ann.access_token)
    listed = ann.get("/factors").json()
    assert listed["recovery_codes_left"] == 0
    [factor] = listed["factors"]
    assert factor == {
        "id": body["id"],
        "type": "totp",
        "friendly_name": "Phone",
        "verified": False,
        "created_at": frozen_clock.now().isoformat(),
        "last_used_at": None,
    }

    from pyotp import TOTP

    app = TOTP(body["totp"]["secret"])
    code = app.at(frozen_clock.now())
    done = ann.post(f"/factors/{body['id']}/verify", {"code": f"{code[:3]} {code[3:]}"})
    assert done.status_code == 200
    assert done.headers["Cache-Control"] == "no-store"
    tokens = done.json()
    assert set(tokens) == {
        "access_token",
        "token_type",
        "refresh_token",
        "expires_in",
        "expires_at",
        "recovery_codes",
    }
    assert len(set(tokens["recovery_codes"])) == 10
    now = int(frozen_clock.now().timestamp())
    upgraded, before = claims(tokens["access_token"]), claims(ann.access_token)
    assert (upgraded["amr"], upgraded["mfa_at"]) == (["pwd", "totp"], now)
    assert upgraded["session_id"] == before["session_id"]
    assert ann.get("/factors").json()["recovery_codes_left"] == 10

    # Verifying again renews the second factor and shows no codes.
    frozen_clock.advance(seconds=30)
    again = ann.post(f"/factors/{body['id']}/verify", {"code": app.at(frozen_clock.now())}).json()
    assert "recovery_codes" not in again
    assert claims(again["access_token"])["mfa_at"] == now + 30

    # The session's row is the truth: both chains of refresh tokens carry it on.
    for refresh_token in (ann.refresh_token, tokens["refresh_token"]):
        refreshed = api.refresh(refresh_token).json()
        assert "mfa_required" not in refreshed
        assert claims(refreshed["access_token"])["mfa_at"] == now + 30
        assert claims(refreshed["access_token"])["amr"] == ["pwd", "totp"]


def credentials():
    return {"email": "ann@example.com", "password": "correct horse"}


def test_signing_in_says_that_a_second_factor_is_missing_until_it_is_verified(api, ann, enrol):
    app = enrol(ann)
    login = api.call("POST", "/login", json=credentials()).json()
    assert login["mfa_required"] is True
    assert claims(login["access_token"])["amr"] == ["pwd"]
    assert "mfa_at" not in claims(login["access_token"])
    granted = api.call("POST", "/token", json={"grant_type": "password", **credentials()}).json()
    assert granted["mfa_required"] is True
    refreshed = api.refresh(login["refresh_token"]).json()
    assert refreshed["mfa_required"] is True

    answer = api.call("POST", f"/factors/{app.id}/verify", token=login["access_token"], json={"code": app.code()})
    assert "mfa_required" not in answer.json()
    assert "mfa_required" not in api.refresh(refreshed["refresh_token"]).json()
    # The other session is as it was.
    assert api.refresh(granted["refresh_token"]).json()["mfa_required"] is True


def test_a_step_is_accepted_once_and_one_step_of_drift_is_forgiven(api, ann, begin_app, frozen_clock):
    app = begin_app(ann)

    def verify(code):
        return ann.post(f"/factors/{app.id}/verify", {"code": code})

    for steps in (-2, 2):
        wrong(api, verify(app.code(steps)))
    for code in ("", "12345", "1234567", "abcdef", "１２３４５６", "0" * 100_000, "\x00"):
        wrong(api, verify(code))
    assert verify(app.code(-1)).status_code == 200
    assert verify(app.code(0)).status_code == 200
    wrong(api, verify(app.code(0)))
    wrong(api, verify(app.code(-1)))
    assert verify(app.code(1)).status_code == 200
    wrong(api, verify(app.code(0)))
    frozen_clock.advance(seconds=30)
    wrong(api, verify(app.code(0)))
    frozen_clock.advance(seconds=30)
    assert verify(app.code(0)).status_code == 200


def test_parallel_replays_of_one_code_let_one_through(api, ann, enrol):
    app = enrol(ann)
    people = [api.sign_in("ann@example.com") for _ in range(2)]

    def verify(turn):
        return people[turn % 2].post(f"/factors/{app.id}/verify", {"code": app.code()})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(verify, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


def test_a_recovery_code_works_once(api, ann, enrol):
    app = enrol(ann)
    first, second, third = app.recovery_codes[:3]
    people = [api.sign_in("ann@example.com") for _ in range(2)]

    def recover(person, code):
        return person.post("/factors/recovery", {"code": code})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda turn: recover(people[turn % 2], first), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    [done] = [answer.json() for answer in answers if answer.status_code == 200]
    assert set(done) == {"access_token", "token_type", "refresh_token", "expires_in", "expires_at"}
    assert claims(done["access_token"])["amr"] == ["pwd", "otp"]
    assert "mfa_at" in claims(done["access_token"])
    assert ann.get("/factors").json()["recovery_codes_left"] == 9
    # However it is typed.
    assert recover(people[0], f" {second.upper().replace('-', ' ')}").status_code == 200
    for code in (first, second, "", "aaaa-aaaa-aaaa-aaaa", "x" * 100_000, "\x00", "ä" * 16):
        wrong(api, recover(ann, code), USED_HINT)
    # Those of a former set are worthless.
    renewed = ann.post("/factors/recovery-codes")
    assert renewed.headers["Cache-Control"] == "no-store"
    assert len(set(renewed.json()["recovery_codes"])) == 10
    wrong(api, recover(ann, third), USED_HINT)
    assert recover(ann, renewed.json()["recovery_codes"][0]).status_code == 200


def test_what_changes_the_account_needs_a_fresh_second_factor(api, ann, enrol, frozen_clock):
    app = enrol(ann)
    thief = api.sign_in("ann@example.com")
    stale(api, thief.delete(f"/factors/{app.id}"))
    stale(api, thief.post("/factors", {"factor_type": "totp"}))
    stale(api, thief.post("/webauthn/register/start", {}))
    stale(api, thief.post("/factors/recovery-codes"))
    stale(api, thief.patch("/user", {"password": "battery staple"}))
    stale(api, thief.patch("/user", {"email": "thief@example.com"}))
    stale(api, thief.delete("/user"))
    assert thief.patch("/user", {"metadata": {"a": 1}, "email": "ann@example.com"}).status_code == 200

    frozen_clock.advance(seconds=271)
    stale(api, ann.patch("/user", {"password": "battery staple"}))
    stale(api, ann.delete(f"/factors/{app.id}"))
    ann.post(f"/factors/{app.id}/verify", {"code": app.code()})
    frozen_clock.advance(seconds=300)
    assert ann.patch("/user", {"password": "battery staple"}).status_code == 200
    assert ann.delete(f"/factors/{app.id}").status_code == 204


def test_a_factor_begun_before_the_first_one_does_not_slip_in_later(api, ann, begin_app, enrol):
    thief = api.sign_in("ann@example.com")
    theirs = begin_app(thief)
    hers = begin_app(ann)
    assert ann.post(f"/factors/{hers.id}/verify", {"code": hers.code()}).status_code == 200
    answer = thief.post(f"/factors/{theirs.id}/verify", {"code": theirs.code()})
    api.refused(answer, 404, "factor_not_found", "There is no such second factor.")


def test_removing_a_factor_takes_it_from_sessions(api, ann, enrol, frozen_clock):
    first = enrol(ann)
    other = api.sign_in("ann@example.com")
    done = other.post(f"/factors/{first.id}/verify", {"code": first.code()}).json()
    frozen_clock.advance(seconds=30)
    second = enrol(ann)
    assert second.recovery_codes == []
    assert ann.delete(f"/factors/{first.id}").status_code == 204
    # The session that removed it keeps its standing, the other one verifies anew.
    refreshed = api.refresh(done["refresh_token"]).json()
    assert refreshed["mfa_required"] is True
    assert claims(refreshed["access_token"])["amr"] == ["pwd"]
    assert "mfa_required" not in api.refresh(ann.refresh_token).json()
    # The last one takes the recovery codes with it.
    assert ann.delete(f"/factors/{second.id}").status_code == 204
    assert ann.get("/factors").json() == {"factors": [], "recovery_codes_left": 0}
    [[left]] = api.sql("SELECT count(*) FROM _reactor_auth.sessions WHERE mfa_at IS NOT NULL OR cardinality(amr) > 1")
    assert left == "0"
    assert "mfa_required" not in api.call("POST", "/login", json=credentials()).json()
    for code in first.recovery_codes[:1]:
        wrong(api, ann.post("/factors/recovery", {"code": code}), USED_HINT)
    api.refused(
        ann.post("/factors/recovery-codes"),
        403,
        "mfa_required",
        "recovery codes stand in for a second factor, and the account has none",
        hint=ENROL_HINT,
    )


def test_factors_are_their_owners_alone(api, ann, bob, enrol, begin_app):
    app, missing = enrol(ann), ("factor_not_found", "There is no such second factor.")
    api.refused(bob.post(f"/factors/{app.id}/verify", {"code": app.code()}), 404, *missing)
    api.refused(bob.delete(f"/factors/{app.id}"), 404, *missing)
    wrong(api, bob.post("/factors/recovery", {"code": app.recovery_codes[0]}), USED_HINT)
    assert bob.get("/factors").json() == {"factors": [], "recovery_codes_left": 0}
    assert ann.get("/factors").json()["recovery_codes_left"] == 10
    # Enrolled twice, once each.
    begin_app(bob)


def test_an_app_has_an_hour_to_prove_itself_and_an_account_has_ten(api, ann, begin_app, frozen_clock):
    app = begin_app(ann)
    frozen_clock.advance(minutes=59)
    for _ in range(9):
        begin_app(ann)
    api.refused(
        ann.post("/factors", {"factor_type": "totp"}),
        409,
        "factor_limit_reached",
        "an account may have at most 10 second factors",
        hint="Remove one that is no longer used: DELETE /auth/v1/factors/{id}.",
    )
    frozen_clock.advance(minutes=1)
    answer = ann.post(f"/factors/{app.id}/verify", {"code": app.code()})
    api.refused(answer, 404, "factor_not_found", "There is no such second factor.")
    last = begin_app(ann)
    assert ann.delete(f"/factors/{last.id}").status_code == 204
    assert len(ann.get("/factors").json()["factors"]) == 9


BAD_BODIES = [
    ("/factors", {}, "factor_type", "is required"),
    (
        "/factors",
        {"factor_type": "sms"},
        "factor_type",
        "must be totp; a passkey is registered at /webauthn/register/start",
    ),
    ("/factors", {"factor_type": "totp", "friendly_name": " "}, "friendly_name", "must have 1 to 100 characters"),
    (
        "/factors",
        {"factor_type": "totp", "friendly_name": "a\x00b"},
        "friendly_name",
        "must not contain control characters",
    ),
    ("/factors/recovery", {}, "code", "is required"),
    ("/factors/recovery", {"code": 123456}, "code", "must be a string, not a number"),
    ("/factors/nonsense/verify", {"code": "123456"}, "factor_id", "is not a UUID"),
]


def test_a_request_that_lacks_something_says_what(api, ann):
    for path, body, field, problem in BAD_BODIES:
        api.refused(ann.post(path, body), 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
    for path in ("/factors", "/factors/recovery", "/factors/recovery-codes"):
        answer = api.call("POST", path, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_attempts_are_limited_over_all_sessions_of_a_user(auth_config, request, frozen_clock):
    del auth_config["limits"]["second_factor_per_user"]
    api, begin_app = request.getfixturevalue("api"), request.getfixturevalue("begin_app")
    ann, bob = api.sign_up("ann@example.com"), api.sign_up("bob@example.com")
    app = begin_app(ann)
    for turn in range(5):
        if turn % 2:
            wrong(api, ann.post(f"/factors/{app.id}/verify", {"code": "000000"}))
        else:
            wrong(api, ann.post("/factors/recovery", {"code": "nothing"}), USED_HINT)
    other = api.sign_in("ann@example.com")
    refused = other.post(f"/factors/{app.id}/verify", {"code": app.code()})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 600
    wrong(api, bob.post("/factors/recovery", {"code": "nothing"}), USED_HINT)
    frozen_clock.advance(seconds=wait)
    assert ann.post(f"/factors/{app.id}/verify", {"code": app.code()}).status_code == 200


def test_what_becomes_of_codes_is_counted(api, ann, enrol, client):
    app = enrol(ann)
    ann.post(f"/factors/{app.id}/verify", {"code": "wrong"})
    ann.post("/factors/recovery", {"code": app.recovery_codes[0]})
    lines = client.get("/metrics").text.splitlines()
    name = "reactor_auth_second_factors_total"
    assert f'{name}{{method="totp",outcome="ok"}} 1.0' in lines
    assert f'{name}{{method="totp",outcome="invalid_code"}} 1.0' in lines
    assert f'{name}{{method="recovery_code",outcome="ok"}} 1.0' in lines


def test_a_sign_in_form_takes_each_code_once(api, ann, bob, enrol, begin_app):
    app = enrol(ann)
    begun = begin_app(ann)
    auth = api.auth()

    def verified(person, code):
        from uuid import UUID

        user = auth.profiles.user(UUID(person.id))
        with auth.db.begin() as tx:
            return auth.factors.needed(tx, user), auth.factors.verified(tx, user, code)

    assert verified(ann, app.code()) == (True, "totp")
    assert verified(ann, app.code()) == (True, None)
    assert verified(ann, app.recovery_codes[0]) == (True, "otp")
    assert verified(ann, app.recovery_codes[0]) == (True, None)
    # One that has not proved itself does not count, nor does anybody else's.
    assert verified(ann, begun.code()) == (True, None)
    assert verified(bob, app.recovery_codes[1]) == (False, None)


def trail(api):
    rows = api.sql(
        "SELECT event_type, actor_user_id::text, resource, details::text FROM _reactor_auth.audit_events ORDER BY ts, id"
    )
    return [(*row[:3], json.loads(row[3])) for row in rows]


def test_each_change_leaves_one_row_and_no_secret(api, ann, begin_app, frozen_clock, caplog):
    caplog.set_level("DEBUG")
    start = len(trail(api))
    app = begin_app(ann)
    ann.post(f"/factors/{app.id}/verify", {"code": "000000" if app.code() != "000000" else "000001"})
    done = ann.post(f"/factors/{app.id}/verify", {"code": app.code()}).json()
    code = done["recovery_codes"][0]
    ann.post("/factors/recovery", {"code": code})
    renewed = ann.post("/factors/recovery-codes").json()["recovery_codes"]
    ann.delete(f"/factors/{app.id}")
    [[session]] = api.sql("SELECT id::text FROM _reactor_auth.sessions")
    rows = trail(api)[start:]
    used = rows[3][2]
    mine = f"factor:{app.id}"
    assert rows == [
        ("mfa.enrolled", ann.id, mine, {"type": "totp"}),
        ("login.failed", ann.id, f"session:{session}", {"reason": "wrong_code", "type": "totp"}),
        ("mfa.verified", ann.id, mine, {"type": "totp", "first": True}),
        ("mfa.verified", ann.id, used, {"type": "recovery_code", "left": 9}),
        ("mfa.recovery_codes_renewed", ann.id, f"user:{ann.id}", {"codes": 10}),
        ("mfa.removed", ann.id, mine, {"type": "totp"}),
    ]
    app = begin_app(ann)
    ann.post(f"/factors/{app.id}/verify", {"code": app.code()})
    dump = caplog.text
    for table in ("mfa_factors", "recovery_codes", "audit_events", "sessions", "refresh_tokens"):
        dump += str(api.sql(f"SELECT to_jsonb(t)::text FROM _reactor_auth.{table} t"))
    for secret in (app.secret, code, code.replace("-", ""), *renewed, done["refresh_token"]):
        assert secret not in dump


def test_a_second_factor_does_not_prolong_a_session(auth_config, request, frozen_clock):
    auth_config["session_max_secs"] = 600
    api, begin_app = request.getfixturevalue("api"), request.getfixturevalue("begin_app")
    ann = api.sign_up("ann@example.com")
    frozen_clock.advance(seconds=590)
    app = begin_app(ann)
    done = ann.post(f"/factors/{app.id}/verify", {"code": app.code()}).json()
    assert done["expires_in"] == 10
    frozen_clock.advance(seconds=10)
    assert api.refresh(done["refresh_token"]).status_code == 401


def test_the_owner_is_told_by_mail(api, ann, enrol):
    app = enrol(ann)
    ann.post("/factors/recovery", {"code": app.recovery_codes[0]})
    ann.post("/factors/recovery-codes")
    ann.delete(f"/factors/{app.id}")
    # Nothing was verified: nothing to tell.
    ann.delete(f"/factors/{ann.post('/factors', {'factor_type': 'totp'}).json()['id']}")
    told = [mail["text"].splitlines()[0] for mail in api.mails("ann@example.com", "mfa_changed")]
    assert told == [
        "An authenticator app was added.",
        "A recovery code was used; 9 are left.",
        "All recovery codes were replaced.",
        "An authenticator app was removed.",
    ]


@pytest.mark.parametrize("how", ["altered", "moved"])
def test_a_secret_that_was_tampered_with_opens_nothing(api, ann, bob, enrol, how):
    app = enrol(ann)
    if how == "altered":
        api.sql("UPDATE _reactor_auth.mfa_factors SET secret = overlay(secret placing 'AAAA' from 20)")
    else:
        other = enrol(bob)
        api.sql(
            "UPDATE _reactor_auth.mfa_factors SET secret = (SELECT secret FROM _reactor_auth.mfa_factors "
            "WHERE id = $1::uuid) WHERE id = $2::uuid",
            other.id,
            app.id,
        )
        app.secret = other.secret
    answer = ann.post(f"/factors/{app.id}/verify", {"code": app.code()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")


def test_what_is_over_is_swept(api, ann, begin_app, frozen_clock, kernel):
    from threading import Event

    from reactor_auth.sweeping import Sweeper

    begin_app(ann)
    sweeper = Sweeper(kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0])))
    sweeper.sweep(Event())
    [[kept]] = api.sql("SELECT count(*) FROM _reactor_auth.mfa_factors")
    frozen_clock.advance(hours=1)
    sweeper.sweep(Event())
    [[left]] = api.sql("SELECT count(*) FROM _reactor_auth.mfa_factors")
    assert (kept, left) == ("1", "0")
