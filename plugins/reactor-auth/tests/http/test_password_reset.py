"""`/password-reset/*`, `/recover`, and the page for projects without a front end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

REFUSED = "The link or code is wrong, was used before or has expired."
HINT = "Have a new one sent."
NEW = "a new battery"


def token_of(api, mail):
    return parse_qs(urlsplit(api.link(mail)).query)["token"][0]


@pytest.fixture
def ann(api, ann):
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    return ann


def ask(api, email="ann@example.com", path="/password-reset/request"):
    return api.call("POST", path, json={"email": email})


def reset_token(api):
    ask(api)
    return token_of(api, api.mails("ann@example.com", "password_reset")[-1])


def confirm(api, token, password=NEW, field="new_password"):
    return api.call("POST", "/password-reset/confirm", json={"token": token, field: password})


def test_a_new_password_ends_every_session(api, ann):
    other = api.sign_in("ann@example.com")
    unused, token = reset_token(api), reset_token(api)
    assert api.link(api.mails("ann@example.com", "password_reset")[0]).startswith(
        "http://127.0.0.1:8000/auth/v1/reset?token="
    )
    answer = confirm(api, token)
    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "message": "the password is changed and all sessions are ended"},
    )
    for person in (ann, other):
        assert person.get("/user").status_code == 401
        assert api.refresh(person.refresh_token).status_code == 401
    wrong = api.call("POST", "/login", json={"email": "ann@example.com", "password": "correct horse"})
    assert wrong.status_code == 401
    api.sign_in("ann@example.com", NEW)
    for spent in (token, unused):
        api.refused(confirm(api, spent), 401, "invalid_token", REFUSED, hint=HINT)
    [mail] = api.mails("ann@example.com", "password_changed")
    assert "was changed at" in mail["text"]
    rows = api.sql(
        "SELECT event_type FROM _reactor_auth.audit_events WHERE resource = $1 ORDER BY ts, id", f"user:{ann.id}"
    )
    assert [name for [name] in rows] == ["user.signup", "user.password_reset"]


def test_a_refused_password_leaves_the_token(api, ann):
    token = reset_token(api)
    api.refused(confirm(api, "x" * 43, "short"), 401, "invalid_token", REFUSED, hint=HINT)
    problem = "must have at least 8 characters"
    refusal = confirm(api, token, "short")
    api.refused(refusal, 400, "weak_password", f"new_password {problem}", fields={"new_password": [problem]})
    refusal = confirm(api, token, "short", "password")
    api.refused(refusal, 400, "weak_password", f"password {problem}", fields={"password": [problem]})
    missing = api.call("POST", "/password-reset/confirm", json={"token": token})
    api.refused(missing, 400, "validation_error", "new_password is required", fields={"new_password": ["is required"]})
    assert confirm(api, token, NEW, "password").status_code == 200


def test_a_token_works_for_an_hour_and_not_for_the_disabled(frozen_clock, api, ann):
    first = reset_token(api)
    frozen_clock.advance(hours=1)
    api.refused(confirm(api, first), 401, "invalid_token", REFUSED, hint=HINT)
    second = reset_token(api)
    api.sql("UPDATE _reactor_auth.users SET disabled_at = now()")
    api.refused(confirm(api, second), 403, "user_disabled", "The user is disabled.")


def test_only_confirmed_addresses_of_enabled_users_get_a_mail_and_nobody_can_tell(api, ann, bob):
    api.sign_up("eve@example.com")
    api.sql("UPDATE _reactor_auth.users SET email_verified = true, disabled_at = now() WHERE email LIKE 'eve%'")
    answers = [ask(api, f"{name}@example.com") for name in ("ann", "bob", "eve", "nobody")]
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (202, '{"message":"if the address belongs to an account, a mail is on its way"}')
    }
    assert len(api.mails("ann@example.com", "password_reset")) == 1
    for name in ("bob", "eve", "nobody"):
        assert api.mails(f"{name}@example.com", "password_reset") == []
    recover = ask(api, path="/recover")
    assert (recover.status_code, recover.content) == (204, b"")
    assert len(api.mails("ann@example.com", "password_reset")) == 2


def test_a_known_and_an_unknown_address_cost_the_same_statements(api, ann):
    def statements(email):
        seen = []
        begin = api.kernel.database.begin
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        def note(connection, cursor, statement, parameters, context, many):
            seen.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            ask(api, email)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        assert begin
        return seen

    known, unknown = statements("ann@example.com"), statements("nobody@example.com")
    assert known == unknown
    assert known != []


def test_a_token_is_used_once_by_ten_at_once(api, ann):
    token = reset_token(api)
    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(lambda number: confirm(api, token, f"{NEW} {number}").status_code, range(10)))
    assert statuses == [200] + [401] * 9


def test_a_recovery_link_signs_in_programs_too(api, ann):
    token = reset_token(api)
    body = api.call("POST", "/verify", json={"type": "recovery", "token": token}).json()
    access = body["session"]["access_token"]
    changed = api.call("PATCH", "/user", token=access, json={"password": NEW})
    assert changed.status_code == 200
    api.sign_in("ann@example.com", NEW)
    assert ann.get("/user").status_code == 401


def test_the_page_sets_a_password_without_script(api, ann):
    token = reset_token(api)
    page = api.call("GET", "/reset", params={"token": token, "type": "password_reset"})
    assert page.status_code == 200
    assert 'autocomplete="new-password" required' in page.text
    assert '<label for="new_password">' in page.text
    assert "<script" not in page.text
    weak = api.call("POST", "/reset", data={"token": token, "new_password": "short"})
    assert weak.status_code == 400
    assert '<a href="#new_password">The new password must have at least 8 characters</a>' in weak.text
    assert 'aria-invalid="true"' in weak.text
    done = api.call("POST", "/reset", data={"token": token, "new_password": NEW})
    assert done.status_code == 200
    assert "Password changed" in done.text
    api.sign_in("ann@example.com", NEW)
    spent = api.call("POST", "/reset", data={"token": token, "new_password": NEW})
    assert spent.status_code == 400
    assert REFUSED in spent.text

    asking = api.call("GET", "/reset")
    assert '<input type="email" id="email" name="email" autocomplete="email" required>' in asking.text
    for email in ("ann@example.com", "nobody@example.com"):
        assert "Look into your mailbox" in api.call("POST", "/reset", data={"email": email}).text
    assert len(api.mails("ann@example.com", "password_reset")) == 2


def test_with_a_front_end_the_link_leads_there(auth_config, request):
    auth_config["site_url"] = "https://app.example.com"
    api = request.getfixturevalue("api")
    api.sign_up("ann@example.com")
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    ask(api)
    [mail] = api.mails("ann@example.com", "password_reset")
    link = urlsplit(api.link(mail))
    assert (link.netloc, link.path, parse_qs(link.query)["type"]) == ("app.example.com", "/reset", ["password_reset"])


class TestLimits:
    @pytest.fixture(autouse=True)
    def _frozen(self, frozen_clock):
        """The test decides when an hour is over."""

    @pytest.fixture
    def auth_config(self, auth_config):
        auth_config["limits"] |= {"mail_per_account": 3, "mail_per_address": 5, "verify_per_address": 4}
        return auth_config

    def test_mails_are_limited_alike_for_known_and_unknown_addresses(self, api, ann, frozen_clock):
        def until_refused(email):
            for path in ("/password-reset/request", "/resend", "/otp"):
                assert ask(api, email, path).status_code in (200, 202)
            refusal = ask(api, email)
            return refusal.status_code, refusal.json()["error"]["message"], refusal.headers["Retry-After"]

        known = until_refused("ann@example.com")
        frozen_clock.advance(hours=3)
        assert until_refused("nobody@example.com") == known
        assert known[0] == 429
        assert int(known[2]) <= 3600 * 2

    def test_one_client_cannot_mail_everybody(self, api):
        statuses = [ask(api, f"user{number}@example.com").status_code for number in range(6)]
        assert statuses == [202] * 5 + [429]

    def test_guessing_links_is_limited(self, api):
        statuses = [confirm(api, "x" * 43).status_code for _ in range(2)]
        statuses += [api.call("POST", "/verify", json={"token": "x"}).status_code for _ in range(2)]
        statuses.append(api.call("GET", "/verify?token=x").status_code)
        assert statuses == [401, 401, 401, 401, 429]


def test_two_links_of_one_account_at_once_do_not_wait_for_each_other(api, ann):
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    with ThreadPoolExecutor(2) as pool:
        for attempt in range(8):
            for _ in range(2):
                api.call("POST", "/password-reset/request", json={"email": "ann@example.com"})
            mails = api.mails("ann@example.com", "password_reset")[-2:]
            tokens = [api.link(mail).partition("token=")[2].partition("&")[0] for mail in mails]
            start = Barrier(2)

            def reset(token, attempt=attempt, start=start):
                start.wait(10)
                body = {"token": token, "new_password": f"battery staple {attempt}"}
                return api.call("POST", "/password-reset/confirm", json=body).status_code

            # The first one ends all links of the account; without an order of locks Postgres ended one with an error.
            assert sorted(pool.map(reset, tokens)) == [200, 401]
