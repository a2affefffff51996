"""Passkeys: registration, step-up, sign-in (contract auth.md §3.12)."""

from __future__ import annotations

import base64
import copy
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

OVER = ("invalid_token", "session_id names no ceremony that can still be finished")
OVER_HINT = "Start it again."
STALE = ("mfa_required", "this needs a second factor verified in the last 300 s")


@pytest.fixture(autouse=True)
def named_host(auth_config):
    auth_config["public_url"] = "http://localhost:8000"


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def over(api, answer):
    api.refused(answer, 401, *OVER, hint=OVER_HINT)


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def finish(person, begun, credential, kind="authenticate", **more):
    body = {"session_id": begun["session_id"], "credential": credential, **more}
    return person.post(f"/webauthn/{kind}/finish", body)


def log_in(api, authenticator, **overrides):
    begun = api.call("POST", "/webauthn/login/start").json()
    credential = authenticator.get(begun["options"], **overrides)
    return api.call(
        "POST", "/webauthn/login/finish", json={"session_id": begun["session_id"], "credential": credential}
    )


def test_registering_listing_renaming_and_removing(api, ann, authenticator, register, prove):
    begun = ann.post("/webauthn/register/start", {}).json()
    assert set(begun) == {"session_id", "options"}
    asked = begun["options"]["publicKey"]
    assert asked["rp"] == {"id": "localhost", "name": "Reactor"}
    assert asked["user"]["name"] == "ann@example.com"
    assert asked["attestation"] == "none"
    assert asked["excludeCredentials"] == []

    done = register(ann, authenticator, name="Key")
    assert set(done) == {"credential_id", "message", "recovery_codes"}
    assert len(set(done["recovery_codes"])) == 10
    [listed] = ann.get("/webauthn/credentials").json()["credentials"]
    assert listed == {
        "id": done["credential_id"],
        "name": "Key",
        "created_at": listed["created_at"],
        "last_used_at": None,
        "transports": ["usb"],
    }
    [factor] = ann.get("/factors").json()["factors"]
    assert (factor["id"], factor["type"], factor["friendly_name"]) == (done["credential_id"], "webauthn", "Key")

    # The account has a factor now: a further one needs it, and the browser is told which one there is.
    assert code_of(ann.post("/webauthn/register/start", {})) == (403, "mfa_required")
    assert prove(ann, authenticator).status_code == 200
    second = ann.post("/webauthn/register/start", {}).json()
    known = [item["id"] for item in second["options"]["publicKey"]["excludeCredentials"]]
    assert [base64.urlsafe_b64decode(item + "=") for item in known] == list(authenticator.keys)

    path = f"/webauthn/credentials/{done['credential_id']}"
    renamed = ann.patch(path, {"name": " Blue key "})
    assert renamed.json() == {**renamed.json(), "id": done["credential_id"], "name": "Blue key"}
    assert renamed.json()["last_used_at"] is not None
    missing = ("credential_not_found", "There is no such passkey.")
    for unknown in (uuid.uuid4(), "nonsense"):
        api.refused(ann.delete(f"/webauthn/credentials/{unknown}"), 404, *missing)
        api.refused(ann.patch(f"/webauthn/credentials/{unknown}", {"name": "x"}), 404, *missing)
    api.refused(
        ann.patch(path, {"name": ""}),
        400,
        "validation_error",
        "name must have 1 to 100 characters",
        fields={"name": ["must have 1 to 100 characters"]},
    )
    removed = ann.delete(path)
    assert (removed.status_code, removed.json()) == (200, {"message": "The passkey is removed."})
    assert ann.get("/webauthn/credentials").json() == {"credentials": []}
    assert log_in(api, authenticator).status_code == 401


@pytest.mark.parametrize("attestation", ["none", "packed"])
def test_a_passkey_steps_the_same_session_up(api, ann, authenticator, register, prove, attestation):
    done = register(ann, authenticator, attestation)
    login = api.sign_in("ann@example.com")
    assert api.refresh(login.refresh_token).json()["mfa_required"] is True
    answer = prove(login, authenticator)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"success", "credential_id", "access_token", "refresh_token", "expires_at"}
    [credential_id] = authenticator.keys
    assert base64.urlsafe_b64decode(body["credential_id"] + "=") == credential_id
    before, after = claims(login.access_token), claims(body["access_token"])
    assert after["session_id"] == before["session_id"]
    assert (before["amr"], after["amr"]) == (["pwd"], ["pwd", "hwk"])
    assert "mfa_at" in after
    assert "mfa_required" not in api.refresh(body["refresh_token"]).json()
    assert login.delete(f"/webauthn/credentials/{done['credential_id']}").status_code == 200


def test_signing_in_with_a_passkey_needs_no_password_and_has_both_factors(api, ann, authenticator, register):
    register(ann, authenticator)
    begun = api.call("POST", "/webauthn/login/start").json()
    asked = begun["options"]["publicKey"]
    assert (asked["allowCredentials"], asked["userVerification"], asked["rpId"]) == ([], "required", "localhost")
    answer = log_in(api, authenticator)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"user", "access_token", "refresh_token", "expires_at"}
    assert body["user"]["id"] == ann.id
    signed_in = claims(body["access_token"])
    assert signed_in["amr"] == ["hwk"]
    assert "mfa_at" in signed_in
    assert signed_in["session_id"] != claims(ann.access_token)["session_id"]
    assert (
        api.call("PATCH", "/user", token=body["access_token"], json={"password": "battery staple"}).status_code == 200
    )


def test_a_sign_in_that_does_not_hold_is_refused(api, ann, bob, make_authenticator, register):
    mine, stranger = make_authenticator(), make_authenticator()
    register(ann, mine)
    register(bob, stranger)

    def refused(answer, reason):
        api.refused(answer, 401, "invalid_credentials", reason)

    doubt = "the passkey's answer does not hold: "
    mine.verifies_user = False
    refused(log_in(api, mine), doubt + "User verification is required but user was not verified during authentication")
    mine.verifies_user = True
    refused(log_in(api, mine, origin="http://evil.example"), doubt + "it was made for another origin")
    refused(log_in(api, mine, origin="https://notlocalhost"), doubt + "it was made for another origin")
    refused(log_in(api, mine, crossOrigin=True), doubt + "it was made inside a page of another origin")
    refused(log_in(api, mine, rp_id="evil.example"), doubt + "Unexpected RP ID hash")
    refused(log_in(api, mine, challenge="AAAA"), doubt + "Client data challenge was not expected challenge")
    kind = 'Unexpected client data type "webauthn.create", expected "ClientDataType.WEBAUTHN_GET"'
    refused(log_in(api, mine, type="webauthn.create"), doubt + kind)

    [credential_id] = mine.keys
    key = mine.keys[credential_id]
    # Somebody else's handle, none, and a key that is not the registered one.
    key[1] = uuid.UUID(bob.id).bytes
    refused(log_in(api, mine), "this passkey is not registered")
    key[1] = b""
    refused(log_in(api, mine), "this passkey is not registered")
    key[1] = uuid.UUID(ann.id).bytes
    own, key[0] = key[0], next(iter(stranger.keys.values()))[0]
    refused(log_in(api, mine), doubt + "Could not verify authentication signature")
    key[0] = own
    assert log_in(api, mine).status_code == 200
    api.sql("UPDATE _reactor_auth.users SET disabled_at = now() WHERE id = $1", ann.id)
    api.refused(log_in(api, mine), 403, "user_disabled", "The user is disabled.")
    reasons = api.sql("SELECT details->>'reason' FROM _reactor_auth.audit_events WHERE event_type = 'login.failed'")
    assert (
        sorted(row[0] or "" for row in reasons) == ["unknown_passkey"] * 2 + ["user_disabled"] + ["wrong_passkey"] * 8
    )


def test_a_counter_that_does_not_grow_is_refused(api, ann, bob, make_authenticator, register, prove):
    mine, uncounted = make_authenticator(), make_authenticator()
    register(ann, mine)
    copied = "the passkey's counter did not grow; it may have been copied, or was removed meanwhile"
    assert prove(ann, mine, counter=7).status_code == 200
    for counter in (7, 6, 0):
        api.refused(prove(ann, mine, counter=counter), 401, "invalid_credentials", copied)
        api.refused(log_in(api, mine, counter=counter), 401, "invalid_credentials", copied)
    assert prove(ann, mine, counter=2**32 - 1).status_code == 200
    # One that counts nothing says so by always saying 0.
    uncounted.counts = False
    register(bob, uncounted)
    assert prove(bob, uncounted).status_code == 200
    assert prove(bob, uncounted).status_code == 200


def test_a_ceremony_ends_once_in_its_time_for_its_user_session_and_kind(
    frozen_clock, api, ann, bob, authenticator, register
):
    register(ann, authenticator)

    def begin(kind="authenticate"):
        return ann.post(f"/webauthn/{kind}/start", {}).json()

    begun = begin()
    credential = authenticator.get(begun["options"])
    other = api.sign_in("ann@example.com")
    api.refused(finish(bob, begun, credential), 403, "permission_denied", "another user began this ceremony")
    api.refused(finish(other, begun, credential), 403, "permission_denied", "another session began this ceremony")
    over(api, finish(ann, begun, credential, "register"))
    answer = {"session_id": begun["session_id"], "credential": credential}
    over(api, api.call("POST", "/webauthn/login/finish", json=answer))
    assert finish(ann, begun, credential).status_code == 200
    over(api, finish(ann, begun, authenticator.get(begun["options"])))

    # An answer that does not hold has used the challenge up.
    begun = begin()
    assert finish(ann, begun, authenticator.get(begun["options"], origin="http://evil.example")).status_code == 401
    over(api, finish(ann, begun, authenticator.get(begun["options"])))

    late = begin()
    frozen_clock.advance(minutes=5)
    over(api, finish(ann, late, authenticator.get(late["options"])))
    for unknown in ("", "nonsense", str(uuid.uuid4())):
        over(api, finish(ann, {"session_id": unknown}, credential))

    begun = begin()
    with ThreadPoolExecutor(4) as pool:
        credential = authenticator.get(begun["options"])
        answers = list(pool.map(lambda _: finish(ann, begun, credential), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


def test_a_registration_that_does_not_hold_is_refused(api, ann, bob, authenticator, register):
    def attempt(**overrides):
        begun = ann.post("/webauthn/register/start", {}).json()
        return finish(ann, begun, authenticator.create(begun["options"], **overrides), "register")

    def refused(answer, problem):
        api.refused(
            answer,
            400,
            "validation_error",
            f"credential is not valid: {problem}",
            fields={"credential": [f"is not valid: {problem}"]},
        )

    refused(attempt(origin="http://evil.example"), "it was made for another origin")
    refused(attempt(challenge="AAAA"), "Client data challenge was not expected challenge")
    refused(attempt(attestation="imagined"), 'Unsupported attestation type "imagined"')
    for missing in ("id", "rawId", "response", "type"):
        begun = ann.post("/webauthn/register/start", {}).json()
        credential = authenticator.create(begun["options"])
        del credential[missing]
        assert code_of(finish(ann, begun, credential, "register")) == (400, "validation_error")
    assert ann.get("/webauthn/credentials").json() == {"credentials": []}

    # The same credential twice, for two people.
    mine = ann.post("/webauthn/register/start", {}).json()
    theirs = bob.post("/webauthn/register/start", {}).json()
    credential = authenticator.create(mine["options"])
    assert finish(ann, mine, credential, "register", name="Key").status_code == 200
    copied = copy.deepcopy(credential)
    data = json.loads(base64.urlsafe_b64decode(copied["response"]["clientDataJSON"] + "=="))
    data["challenge"] = theirs["options"]["publicKey"]["challenge"]
    text = base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()
    copied["response"]["clientDataJSON"] = text
    api.refused(
        finish(bob, theirs, copied, "register"), 409, "credential_exists", "This passkey is registered already."
    )
    assert bob.get("/factors").json() == {"factors": [], "recovery_codes_left": 0}


def test_a_password_alone_adds_no_passkey_to_an_account_that_got_a_factor_meanwhile(
    api, ann, make_authenticator, register
):
    thief = api.sign_in("ann@example.com")
    begun = thief.post("/webauthn/register/start", {}).json()
    register(ann, make_authenticator())
    answer = finish(thief, begun, make_authenticator().create(begun["options"]), "register")
    assert code_of(answer) == (403, "mfa_required")
    assert len(ann.get("/webauthn/credentials").json()["credentials"]) == 1


def test_without_a_passkey_there_is_nothing_to_verify(api, ann):
    api.refused(
        ann.post("/webauthn/authenticate/start", {}),
        400,
        "validation_error",
        "the account has no passkey",
        hint="Register one: POST /auth/v1/webauthn/register/start.",
    )
    for path in ("register/start", "register/finish", "authenticate/start", "authenticate/finish", "credentials"):
        method = "GET" if path == "credentials" else "POST"
        answer = api.call(method, f"/webauthn/{path}", json={})
        assert code_of(answer) == (401, "unauthorized")


def test_an_ip_address_has_no_passkeys_and_says_so(auth_config, request):
    auth_config["public_url"] = "http://127.0.0.1:8000"
    api = request.getfixturevalue("api")
    ann = api.sign_up("ann@example.com")
    refusal = (
        400,
        "passkeys_unavailable",
        "Passkeys cannot be used on this server, because its public_url names an IP address.",
    )
    hint = "Set [auth] public_url to a host name, such as http://localhost:8000."
    api.refused(ann.post("/webauthn/register/start", {}), *refusal, hint=hint)
    api.refused(api.call("POST", "/webauthn/login/start"), *refusal, hint=hint)


def test_a_domain_above_the_host_and_its_subdomains_may_hold_passkeys(auth_config, request, make_authenticator):
    auth_config["public_url"] = "https://api.example.com"
    auth_config["mfa"] = {"name": "Acme", "rp_id": "example.com", "origins": ["android:apk-key-hash:abc"]}
    api, register = request.getfixturevalue("api"), request.getfixturevalue("register")
    prove = request.getfixturevalue("prove")
    ann = api.sign_up("ann@example.com")
    authenticator = make_authenticator("https://app.example.com")
    register(ann, authenticator)
    for origin in ("https://example.com", "https://app.example.com:8443", "android:apk-key-hash:abc"):
        authenticator.origin = origin
        assert prove(ann, authenticator).status_code == 200
    for origin in ("http://app.example.com", "https://badexample.com", "https://example.com.evil.test", "null", 7):
        authenticator.origin = origin
        assert code_of(prove(ann, authenticator)) == (401, "invalid_credentials")


@pytest.mark.parametrize("rp_id", ["other.com", "com", "ample.com"])
def test_a_foreign_rp_id_stops_the_boot(auth_config, request, rp_id):
    from reactor_kernel.api import BootError

    auth_config["public_url"] = "https://api.example.com"
    auth_config["mfa"] = {"rp_id": rp_id}
    with pytest.raises(BootError, match=r"mfa.rp_id: must be the host of public_url, api.example.com, or a domain"):
        request.getfixturevalue("kernel")


def test_sign_ins_are_limited_by_address(auth_config, request, authenticator):
    auth_config["limits"] |= {"verify_per_address": 2, "login_per_address": 1}
    api = request.getfixturevalue("api")
    for _ in range(2):
        assert api.call("POST", "/webauthn/login/start").status_code == 200
    assert code_of(api.call("POST", "/webauthn/login/start")) == (429, "rate_limited")
    body = {"session_id": str(uuid.uuid4()), "credential": {}}
    assert code_of(api.call("POST", "/webauthn/login/finish", json=body)) == (400, "validation_error")
    assert code_of(api.call("POST", "/webauthn/login/finish", json=body)) == (429, "rate_limited")
