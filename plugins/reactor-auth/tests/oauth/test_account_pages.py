"""`/account`: second factors on a page, by the rules of the JSON routes; passkeys at the sign-in form."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import pytest
from fakes.second_factors import App, authenticator, make_authenticator

__all__ = ["authenticator", "make_authenticator"]

STALE = "For this, show a second factor again: the last time was more than five minutes ago."
WRONG_PASSKEY = (
    "The passkey was not accepted: it does not belong to an account here, or the page was open for too long."
)
NO_PASSKEY = "The browser gave no passkey; they need JavaScript."


@pytest.fixture
def auth_config(auth_config):
    # A name, because passkeys do not work under an IP address.
    auth_config["public_url"] = "http://localhost:8000"
    return auth_config


@pytest.fixture
def told(api):
    """Return the events since the last call, with what they are about."""
    seen = 0

    def since():
        nonlocal seen
        rows = api.sql(
            "SELECT event_type, split_part(resource, ':', 1) FROM _reactor_auth.audit_events ORDER BY ts, id"
        )
        fresh, seen = [tuple(row) for row in rows[seen:]], len(rows)
        return fresh

    return since


def options_of(page):
    """What the page's script gives to the browser."""
    found = re.search(r'data-options="([^"]*)"', page.text)
    assert found, page.text
    return {"publicKey": json.loads(html.unescape(found[1]))}


def scan(page, clock):
    """Type the secret that the page shows into an authenticator app."""
    found = re.search(r'id="secret">([^<]+)<', page.text)
    assert found, page.text
    return App("", found[1].replace(" ", ""), clock)


def codes_of(page_of, page):
    return re.findall(r"<li>([^<]+)</li>", page.text.split('id="codes">')[1])


def add_app(browser, page, frozen_clock):
    """Add an authenticator app on the account page; the clock moves on to a fresh code."""
    page = browser.submit(page, "app")
    app = scan(page, frozen_clock)
    page = browser.submit(page, "app_code", code=app.code())
    assert page.status_code == 200, page.text
    frozen_clock.advance(seconds=30)
    return app, page


def add_passkey(browser, page, authenticator, name=""):
    page = browser.submit(page, "new_passkey")
    credential = json.dumps(authenticator.create(options_of(page)))
    return browser.submit(page, "new_passkey_done", credential=credential, name=name)


def amr_of_browser(api):
    return api.sql("SELECT amr::text, mfa_at IS NOT NULL FROM _reactor_auth.browser_sessions")


def test_an_app_is_added_with_recovery_codes_and_asked_for_from_then_on(
    frozen_clock, api, ann, browser, other_browser, page_of, told
):
    page = browser.sign_in(browser.get("/account"))
    assert "Signed in as ann@example.com. Your e-mail address is not confirmed yet" in page_of(page).text
    assert "None yet." in page_of(page).text
    told()
    page = browser.submit(page, "app")
    assert told() == [("mfa.enrolled", "factor")]
    app = scan(page, frozen_clock)
    assert f"secret={app.secret}" in page.text
    assert "<svg role=" in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    # Nothing counts before a code was shown.
    assert "None yet." in page_of(browser.get("/account")).text
    wrong = browser.submit(page, "app_code", code="000000")
    assert (wrong.status_code, page_of(wrong).problem) == (401, "The code is wrong, or was used before.")
    assert app.secret not in wrong.text
    assert told() == [("login.failed", "browser_session")]
    done = browser.submit(wrong, "app_code", code=f" {app.code()} ")
    assert done.status_code == 200
    codes = codes_of(page_of, done)
    assert len(set(codes)) == 10
    assert told() == [("mfa.verified", "factor")]
    assert amr_of_browser(api) == [["{pwd,totp}", "t"]]
    assert "Authenticator app" in page_of(browser.get("/account")).text
    assert [factor["verified"] for factor in ann.get("/factors").json()["factors"]] == [True]

    # Another browser owes it, and a code counts once.
    page = other_browser.sign_in(other_browser.get("/account"))
    assert "Enter the code of your authenticator app, or one of your recovery codes." in page_of(page).text
    assert other_browser.submit(page, "factor", code=app.code()).status_code == 401
    assert "10 left." in page_of(browser.get("/account")).text
    assert "9 left." in page_of(other_browser.submit(page, "factor", code=codes[0])).text


def test_a_passkey_is_added_named_and_serves_as_both_factors(
    frozen_clock, api, ann, browser, other_browser, authenticator, cli, sent_back, page_of, told
):
    page = browser.sign_in(browser.get("/account"))
    told()
    page = browser.submit(page, "new_passkey")
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"; script-src 'sha256-{digest}'; form-action 'self';" in page.headers["Content-Security-Policy"]
    assert "Passkeys need JavaScript" in page.text
    credential = json.dumps(authenticator.create(options_of(page)))
    done = browser.submit(page, "new_passkey_done", credential=credential, name=" Key <1> ")
    assert len(codes_of(page_of, done)) == 10
    assert told() == [("mfa.enrolled", "factor")]
    # As in a session, a new passkey has to be used before it counts.
    page = browser.get("/account")
    assert "Use your passkey, or enter one of your recovery codes." in page_of(page).text
    page = browser.submit(page, "factor_passkey")
    assert told() == []
    used = json.dumps(authenticator.get(options_of(page)))
    account = browser.submit(page, "factor_passkey_done", credential=used)
    assert "Passkey: Key <1>" in page_of(account).text
    assert told() == [("mfa.verified", "factor")]
    assert amr_of_browser(api) == [["{pwd,hwk}", "t"]]
    # The answer was for this one question.
    again = browser.submit(page, "factor_passkey_done", credential=used)
    assert (again.status_code, page_of(again).problem) == (401, WRONG_PASSKEY)

    # No password: the passkey alone signs in, with both factors, also where an application asks.
    page = other_browser.submit(other_browser.get("/authorize", **cli.request()), "passkey")
    told()
    answer = other_browser.submit(page, "passkey_done", credential=json.dumps(authenticator.get(options_of(page))))
    assert cli.exchange(sent_back(answer)["code"]).status_code == 200
    assert told()[0] == ("session.created", "browser_session")
    [[amr]] = api.sql("SELECT amr::text FROM _reactor_auth.oauth_sessions")
    assert amr == "{hwk}"


def test_a_passkey_that_does_not_hold_signs_nobody_in(
    frozen_clock, api, ann, browser, other_browser, make_authenticator, page_of, told
):
    ours, foreign, careless = make_authenticator(), make_authenticator(), make_authenticator(verifies_user=False)
    account = browser.sign_in(browser.get("/account"))
    add_passkey(browser, account, ours)
    page = other_browser.submit(other_browser.get("/account"), "passkey")
    for answer in ("", "{", "[]", "{}", json.dumps({"id": "x"}), "[" * 20_000):
        refused = other_browser.submit(page, "passkey_done", credential=answer)
        assert refused.status_code == 401
        assert page_of(refused).problem == (WRONG_PASSKEY if answer else NO_PASSKEY)
    for ceremony in ("", "x", "00000000-0000-0000-0000-000000000000"):
        refused = other_browser.submit(page, "passkey_done", credential="{}", ceremony=ceremony)
        assert (refused.status_code, page_of(refused).problem) == (401, WRONG_PASSKEY)

    def sign_in(authenticator, **changed):
        page = other_browser.submit(other_browser.get("/account"), "passkey")
        credential = json.dumps(authenticator.get(options_of(page), **changed))
        refused = other_browser.submit(page, "passkey_done", credential=credential)
        assert (refused.status_code, page_of(refused).problem) == (401, WRONG_PASSKEY)

    foreign.keys, careless.keys = {b"unknown": next(iter(ours.keys.values()))}, dict(ours.keys)
    told()
    sign_in(foreign)
    sign_in(careless)
    sign_in(ours, origin="https://evil.example")
    sign_in(ours, challenge="AAAA")
    assert [event for event, _ in told()] == ["login.failed"] * 4
    [[browsers]] = api.sql("SELECT count(*) FROM _reactor_auth.browser_sessions")
    assert browsers == "1"


def test_a_ceremony_belongs_to_the_browser_that_began_it(
    frozen_clock, api, ann, browser, other_browser, authenticator, page_of
):
    page = browser.submit(browser.sign_in(browser.get("/account")), "new_passkey")
    form = page_of(page).form("new_passkey_done")["fields"]
    credential = json.dumps(authenticator.create(options_of(page)))
    # The same user in another browser, and the same user's token.
    other = other_browser.sign_in(other_browser.get("/account"))
    mine = page_of(other).form("new_passkey")["fields"]
    sent = {**form, "csrf": mine["csrf"], "credential": credential, "name": ""}
    refused = other_browser.http.post("/auth/v1/account", data=sent)
    assert (refused.status_code, page_of(refused).problem) == (403, "Another session began this ceremony.")
    body = {"session_id": form["ceremony"], "credential": json.loads(credential)}
    api.refused(
        ann.post("/webauthn/register/finish", body), 403, "permission_denied", "another session began this ceremony"
    )
    assert browser.submit(page, "new_passkey_done", credential=credential, name="").status_code == 200


def test_changes_need_a_factor_shown_in_the_last_five_minutes(
    frozen_clock, api, ann, browser, other_browser, authenticator, page_of, told
):
    app, page = add_app(browser, browser.sign_in(browser.get("/account")), frozen_clock)
    page = add_passkey(browser, browser.get("/account"), authenticator)
    assert "The passkey is added." in page_of(page).text
    frozen_clock.advance(seconds=300)
    [factors] = [form for form in page_of(page).forms if form["fields"]["step"] == "remove"][:1]
    told()
    for step in ("app", "new_passkey", "codes", "remove"):
        asked = browser.http.post("/auth/v1/account", data={**factors["fields"], "step": step})
        assert (asked.status_code, page_of(asked).problem) == (403, STALE)
    assert told() == []
    page = browser.submit(asked, "factor", code=app.code())
    assert page.status_code == 200
    renewed = browser.submit(page, "codes")
    assert len(codes_of(page_of, renewed)) == 10
    assert told() == [("mfa.verified", "browser_session"), ("mfa.recovery_codes_renewed", "user")]

    # A removal signs every browser out, and what is left is asked for at once.
    other_browser.sign_in(other_browser.get("/account"))
    answer = browser.http.post("/auth/v1/account", data=factors["fields"])
    assert "The second factor is removed. Sign in again." in page_of(answer).text
    assert told()[-1] == ("mfa.removed", "factor")
    assert page_of(other_browser.get("/account")).form("signin")
    page = browser.sign_in(answer)
    assert "Use your passkey, or enter one of your recovery codes." in page_of(page).text
    kinds = [factor["type"] for factor in ann.get("/factors").json()["factors"]]
    assert kinds == ["webauthn"]


def test_forms_of_other_pages_and_of_strangers_change_nothing(frozen_clock, api, ann, bob, browser, page_of):
    steps = ("app", "app_code", "new_passkey", "new_passkey_done", "codes", "remove", "factor_passkey", "nonsense", "")
    for step in steps:
        answer = browser.http.post("/auth/v1/account", data={"step": step})
        assert (answer.status_code, page_of(answer).problem) == (
            403,
            "This form was open for too long, or came from another page. Please try again.",
        )
    page = browser.get("/account")
    csrf = {"csrf": page_of(page).form("signin")["fields"]["csrf"]}
    for step in steps:
        answer = browser.http.post("/auth/v1/account", data={**csrf, "step": step})
        assert page_of(answer).form("signin"), step
    [factor] = [bob.post("/factors", {"factor_type": "totp"}).json()]
    browser.sign_in(page)
    for factor_id in (factor["id"], "x", ""):
        for step, status in (("remove", 404), ("app_code", 404)):
            answer = browser.http.post("/auth/v1/account", data={**csrf, "step": step, "factor_id": factor_id})
            assert (answer.status_code, page_of(answer).problem) == (status, "There is no such second factor.")
    answer = browser.http.post("/auth/v1/account", content=b"{}", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "This page expects a form." in page_of(answer).text
    long_name = browser.submit(
        browser.submit(browser.get("/account"), "new_passkey"), "new_passkey_done", name="x" * 101
    )
    assert (long_name.status_code, page_of(long_name).problem) == (400, NO_PASSKEY)
    assert len(bob.get("/factors").json()["factors"]) == 1
    assert ann.get("/factors").json() == {"factors": [], "recovery_codes_left": 0}


def test_an_account_holds_ten_factors(frozen_clock, api, ann, browser, page_of):
    page = browser.sign_in(browser.get("/account"))
    for _ in range(10):
        assert browser.submit(page, "app").status_code == 200
    full = browser.submit(page, "app")
    assert (full.status_code, page_of(full).problem) == (409, "An account may have at most 10 second factors.")
