"""`POST /auth/v1/login` and the password grant."""

from __future__ import annotations

import re

WRONG = "The e-mail address or the password is wrong."


def test_login_answers_flat(api, ann):
    answer = api.call("POST", "/login", json={"email": "ANN@example.com", "password": "correct horse"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"user", "access_token", "refresh_token", "expires_at"}
    assert body["user"] == ann.user
    assert api.call("GET", "/user", token=body["access_token"]).json() == ann.user


def test_the_password_grant_answers_as_oauth_does(api, ann):
    answer = api.call(
        "POST", "/token", data={"grant_type": "password", "email": "ann@example.com", "password": "correct horse"}
    )
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "refresh_token", "expires_in", "expires_at", "user"}
    assert body["token_type"] == "Bearer"
    assert 3590 <= body["expires_in"] <= 3600
    assert body["user"] == ann.user


PASSWORD_REQUESTS = [
    {"data": {"grant_type": "password", "email": "ann@example.com", "password": "correct horse"}},
    {"data": {"grant_type": "password", "username": "ann@example.com", "password": "correct horse"}},
    {"json": {"grant_type": "password", "email": "ann@example.com", "password": "correct horse"}},
    {"json": {"email": "ann@example.com", "password": "correct horse"}, "params": {"grant_type": "password"}},
    # The body wins over the query.
    {
        "json": {"grant_type": "password", "email": "ann@example.com", "password": "correct horse"},
        "params": {"grant_type": "refresh_token"},
    },
]


def test_the_grant_type_may_stand_in_body_or_query(api, ann):
    for request_options in PASSWORD_REQUESTS:
        assert api.call("POST", "/token", **request_options).json()["user"] == ann.user


WRONG_CREDENTIALS = [
    ("ann@example.com", "wrong horse"),
    ("nobody@example.com", "correct horse"),
    ("not an address", "correct horse"),
    ("ann@example.com\x00", "correct horse"),
    ("x" * 100_000, "correct horse"),
    ("ann@example.com", "y" * 100_000),
]


def test_known_and_unknown_addresses_get_the_same_refusal(api, ann):
    for email, password in [*WRONG_CREDENTIALS, ("ann@example.com", ""), ("", "correct horse")]:
        answer = api.call("POST", "/login", json={"email": email, "password": password})
        api.refused(answer, 401, "invalid_credentials", WRONG)
    for email, password in WRONG_CREDENTIALS:
        answer = api.call("POST", "/token", json={"grant_type": "password", "email": email, "password": password})
        api.refused(answer, 401, "invalid_credentials", WRONG)


GRANTS_THERE_ARE = (
    "must be one of password, refresh_token, otp, urn:ietf:params:oauth:grant-type:token-exchange, "
    "authorization_code, client_credentials, urn:ietf:params:oauth:grant-type:device_code"
)
INCOMPLETE = [
    ({"json": {}}, "grant_type", "is required"),
    ({"data": {"email": "a@b.cd"}}, "grant_type", "is required"),
    # A form's parameters come from its body only.
    ({"data": {"email": "a@b.cd"}, "params": {"grant_type": "password"}}, "grant_type", "is required"),
    ({"json": {"grant_type": "magic"}}, "grant_type", GRANTS_THERE_ARE),
    ({"json": {"grant_type": 7}}, "grant_type", "must be a string or null, not a number"),
    ({"json": {"grant_type": "password"}}, "email", "is required"),
    ({"json": {"grant_type": "password", "email": "a@b.cd"}}, "password", "is required"),
    ({"data": {"grant_type": "refresh_token"}}, "refresh_token", "is required"),
    (
        {
            "content": "grant_type=password&grant_type=refresh_token",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        "grant_type",
        "must be given once",
    ),
]


def test_a_token_request_that_lacks_something_says_what(api):
    for options, field, problem in INCOMPLETE:
        answer = api.call("POST", "/token", **options)
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})


BAD_FORMS = [b"\xff\xfe=1", b"a", b"grant_type=%ff", b"a=1&" * 100]


def test_a_bad_form_is_refused(api):
    for form in BAD_FORMS:
        answer = api.call("POST", "/token", content=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
        api.refused(answer, 400, "validation_error", "the body is not a valid form")


def test_a_disabled_user_learns_so_only_with_the_right_password(api, ann):
    assert ann.delete("/user").status_code == 204
    wrong = api.call("POST", "/login", json={"email": "ann@example.com", "password": "wrong horse"})
    api.refused(wrong, 401, "invalid_credentials", WRONG)
    right = api.call("POST", "/login", json={"email": "ann@example.com", "password": "correct horse"})
    api.refused(right, 403, "user_disabled", "The user is disabled.")


def test_a_hash_of_other_parameters_is_renewed_at_sign_in(
    api, kernel_factory, reactor_config, reactor_database_url, ann
):
    [[before]] = api.sql("SELECT password_hash FROM _reactor_auth.users")
    assert before is not None
    assert before.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    import httpx

    from reactor_auth.plugin import AuthPlugin

    stronger = {"auth": {**reactor_config["auth"], "password": {"memory_kib": 9000, "iterations": 2}}}
    kernel = kernel_factory(AuthPlugin, config=stronger, database_url=reactor_database_url)
    with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as other:
        credentials = {"email": "ann@example.com", "password": "correct horse"}
        assert other.post("/auth/v1/login", json=credentials).status_code == 200
    [[after]] = api.sql("SELECT password_hash FROM _reactor_auth.users")
    assert after is not None
    assert re.match(r"\$argon2id\$v=19\$m=9000,t=2,p=1\$", after)
    assert api.sign_in("ann@example.com").user["id"] == ann.id


def test_owasps_parameters_are_the_default(auth_config, request):
    del auth_config["password"]
    api = request.getfixturevalue("api")
    api.sign_up("ann@example.com")
    [[stored]] = api.sql("SELECT password_hash FROM _reactor_auth.users")
    assert stored is not None
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
