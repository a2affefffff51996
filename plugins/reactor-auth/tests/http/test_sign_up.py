"""`POST /auth/v1/signup`."""

from __future__ import annotations

import re

import pytest

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00\Z")


def test_it_makes_a_user_with_a_session(api):
    answer = api.call(
        "POST",
        "/signup",
        json={"email": "  Ann.Lee@Example.COM ", "password": "correct horse", "metadata": {"plan": ["a", 1, None]}},
    )

    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"user", "session"}
    user = body["user"]
    assert UUID7.match(user["id"])
    assert INSTANT.match(user["created_at"])
    assert user == {
        "id": user["id"],
        "email": "ann.lee@example.com",
        "email_verified": False,
        "metadata": {"plan": ["a", 1, None]},
        "default_org_id": None,
        "created_at": user["created_at"],
    }
    session = body["session"]
    assert set(session) == {"access_token", "refresh_token", "expires_at"}
    assert re.match(r"rrf_[A-Za-z0-9_-]{43}\Z", session["refresh_token"])
    assert INSTANT.match(session["expires_at"])
    assert api.call("GET", "/user", token=session["access_token"]).json() == user


@pytest.mark.parametrize("metadata", [None, {}])
def test_absent_metadata_is_an_empty_object(api, metadata):
    answer = api.call("POST", "/signup", json={"email": "a@b.cd", "password": "correct horse", "metadata": metadata})
    assert answer.json()["user"]["metadata"] == {}


def test_a_taken_address_is_refused_in_any_spelling(api, ann):
    for email in ("ann@example.com", "ANN@EXAMPLE.COM", " Ann@example.com"):
        answer = api.call("POST", "/signup", json={"email": email, "password": "another password"})
        api.refused(answer, 409, "email_exists", "A user with this e-mail address exists already.")


NO_ADDRESSES = [
    "",
    " ",
    "ann",
    "@example.com",
    "ann@",
    "a@b..com",
    "a b@example.com",
    "a@exam ple.com",
    "ann@example.com\x00",
    "a\x00nn@example.com",
    "Ann <ann@example.com>",
    "ann@example.com, bob@example.com",
    "x" * 65 + "@example.com",
    "a@" + "b" * 250 + ".com",
    "a@" + ("b" * 60 + ".") * 5 + "com",
    "ann@example.com\r\nBcc: eve@example.com",
    "\u202eann@example.com",
]


def test_what_is_no_address_is_refused(api):
    for email in NO_ADDRESSES:
        answer = api.call("POST", "/signup", json={"email": email, "password": "correct horse"})
        api.refused(
            answer,
            400,
            "validation_error",
            "email is not a valid e-mail address",
            fields={"email": ["is not a valid e-mail address"]},
        )


@pytest.mark.parametrize(
    "email", ["o'brien+tag@example.com", "ü@exämple.de", "ann@intranet.local", "a_b-c.d@sub.example.io"]
)
def test_odd_but_valid_addresses_are_accepted_and_sign_in(api, email):
    person = api.sign_up(email)
    assert api.sign_in(email.upper()).user == person.user


WEAK_PASSWORDS = [
    ("", "must have at least 8 characters"),
    ("1234567", "must have at least 8 characters"),
    ("x" * 129, "must have at most 128 characters"),
]


def test_a_weak_password_is_refused(api):
    for password, problem in WEAK_PASSWORDS:
        answer = api.call("POST", "/signup", json={"email": "a@example.com", "password": password})
        api.refused(answer, 400, "weak_password", f"password {problem}", fields={"password": [problem]})


@pytest.mark.parametrize("password", ["12345678", "ü" * 128, "a\x00bcdefgh", " leading and trailing "])
def test_passwords_are_counted_in_characters_and_kept_exactly(api, password):
    api.sign_up("a@example.com", password)
    api.sign_in("a@example.com", password)
    answer = api.call("POST", "/login", json={"email": "a@example.com", "password": password.strip() + "x"})
    assert answer.status_code == 401


BAD_BODIES = [
    (b"", "the request needs a JSON body", None),
    (b"{", "the body is not valid JSON", None),
    (b'{"email": "\xff"}', "the body is not valid JSON", None),
    (b'{"email": "\\ud800", "password": "correct horse"}', "the body is not valid JSON", None),
    (b'{"metadata": {"a": ' + b"[" * 50_000, "the body is not valid JSON", None),
    (b"[]", "the body must be an object, not a list", None),
    (b'{"password": "correct horse"}', "email is required", {"email": ["is required"]}),
    (b'{"email": "a@b.cd"}', "password is required", {"password": ["is required"]}),
    (
        b'{"email": 7, "password": "x"}',
        "email must be a string or null, not a number",
        {"email": ["must be a string or null, not a number"]},
    ),
    (
        b'{"email": "a@b.cd", "password": "correct horse", "metadata": []}',
        "metadata must be an object or null, not a list",
        {"metadata": ["must be an object or null, not a list"]},
    ),
    (
        b'{"email": "a@b.cd", "password": "correct horse", "metadata": {"a": "\\u0000"}}',
        "metadata must not contain NUL characters",
        {"metadata": ["must not contain NUL characters"]},
    ),
    (
        b'{"email": "a@b.cd", "password": "correct horse", "metadata": {"\\u0000": 1}}',
        "metadata must not contain NUL characters",
        {"metadata": ["must not contain NUL characters"]},
    ),
    (
        b'{"email": "a@b.cd", "password": "correct horse", "metadata": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}",
        "metadata must not be nested deeper than 32 levels",
        {"metadata": ["must not be nested deeper than 32 levels"]},
    ),
    (
        b'{"email": "a@b.cd", "password": "correct horse", "metadata": {"a": "' + b"x" * 65536 + b'"}}',
        "metadata must not be larger than 65536 bytes",
        {"metadata": ["must not be larger than 65536 bytes"]},
    ),
    (
        b'{"email": "a@b.cd", "password": "correct horse", "metadata": {"a": ' + b"9" * 301 + b"}}",
        "metadata must not contain numbers of more than 300 digits",
        {"metadata": ["must not contain numbers of more than 300 digits"]},
    ),
]


def test_a_bad_body_says_what_is_wrong(api):
    for body, message, fields in BAD_BODIES:
        answer = api.call("POST", "/signup", content=body, headers={"Content-Type": "application/json"})
        api.refused(answer, 400, "validation_error", message, **({"fields": fields} if fields else {}))


def test_another_kind_of_body_is_refused(api):
    answer = api.call("POST", "/signup", data={"email": "a@b.cd", "password": "correct horse"})
    api.refused(
        answer,
        415,
        "unsupported_media_type",
        "the body is application/x-www-form-urlencoded, but this route reads application/json",
        hint="Send Content-Type: application/json.",
    )


def test_it_may_be_switched_off(auth_config, request):
    auth_config["signup_enabled"] = False
    api = request.getfixturevalue("api")
    answer = api.call("POST", "/signup", json={"email": "a@b.cd", "password": "correct horse"})
    api.refused(answer, 403, "signup_disabled", "Signing up is switched off on this server.")


def test_twenty_at_once_make_one_user(api):
    from concurrent.futures import ThreadPoolExecutor

    def attempt(_: int) -> int:
        return api.call("POST", "/signup", json={"email": "a@b.cd", "password": "correct horse"}).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(attempt, range(20)))
    assert statuses == [201] + [409] * 19
