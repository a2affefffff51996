"""Signing in on a device without a browser (RFC 8628, contract auth.md §3.16)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
UNKNOWN = "There is no device waiting with this code. Check it, or let the device show a new one."


@pytest.fixture
def begin(api):
    def ask(**fields):
        return api.call("POST", "/device/code", data={"client_id": "reactor-cli", "scope": "openid ops:*", **fields})

    return ask


@pytest.fixture
def poll(cli):
    def ask(device_code, client_id="reactor-cli"):
        return cli.token(grant_type=GRANT, client_id=client_id, device_code=device_code)

    return ask


def pending(answer, error, description):
    assert (answer.status_code, answer.json()) == (400, {"error": error, "error_description": description})


def test_a_device_signs_in(frozen_clock, api, ann, browser, begin, poll, page_of):
    codes = begin().json()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes["user_code"])
    assert codes["verification_uri"] == "http://127.0.0.1:8000/auth/v1/device"
    assert codes["verification_uri_complete"] == f"{codes['verification_uri']}?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    waiting = ("authorization_pending", "Nobody has decided about the device yet.")
    pending(poll(codes["device_code"]), *waiting)
    pending(poll(codes["device_code"]), "slow_down", "The device asks too often; add five seconds to the interval.")
    frozen_clock.advance(seconds=9)
    # The interval has grown to ten seconds, and asking early makes it grow again.
    assert poll(codes["device_code"]).json()["error"] == "slow_down"
    frozen_clock.advance(seconds=15)
    pending(poll(codes["device_code"]), *waiting)

    page = browser.get("/device", user_code=codes["user_code"])
    assert "Sign in to connect a device." in page_of(page).text
    page = browser.sign_in(page)
    typed = codes["user_code"].lower().replace("-", " ")
    page = browser.submit(page, "code", user_code=typed)
    seen = page_of(page).text
    assert "Reactor command line asks to act for ann@example.com" in seen
    assert "from 127.0.0.1" in seen
    assert "python-httpx" in seen
    done = browser.submit(page, "decide", decision="allow")
    assert "You can return to your device now." in page_of(done).text
    assert browser.submit(page, "decide", decision="allow").status_code == 404

    frozen_clock.advance(seconds=15)
    tokens = poll(codes["device_code"])
    assert tokens.status_code == 200, tokens.text
    body = tokens.json()
    assert set(body) >= {"access_token", "refresh_token", "expires_in", "scope"}
    # Nobody holds platform scopes here, so none is given.
    assert body["scope"] == "openid"
    assert api.call("GET", "/me", token=body["access_token"]).json()["email"] == "ann@example.com"
    used = "the device code is unknown, used, or another client's"
    pending(poll(codes["device_code"]), "invalid_grant", used)
    [[codes_kept]] = api.sql("SELECT count(*) FROM _reactor_auth.device_codes WHERE status = 'used'")
    assert codes_kept == "1"
    trail = [row[0] for row in api.sql("SELECT event_type FROM _reactor_auth.audit_events ORDER BY ts, id")]
    assert trail[-4:] == ["oauth.device_requested", "session.created", "oauth.device_approved", "session.created"]


def test_a_device_is_denied_or_comes_too_late(frozen_clock, api, ann, browser, begin, poll, page_of):
    codes = begin().json()
    page = browser.sign_in(browser.get("/device", user_code=codes["user_code"]))
    page = browser.submit(page, "code")
    denied = browser.submit(page, "decide", decision="deny")
    assert "The device gets no access." in page_of(denied).text
    pending(poll(codes["device_code"]), "access_denied", "the user denied the request")
    late = begin().json()
    frozen_clock.advance(minutes=10)
    pending(poll(late["device_code"]), "expired_token", "The device code has expired.")
    page = browser.submit(browser.get("/device", user_code=late["user_code"]), "code")
    assert page.status_code == 404
    assert page_of(page).problem == UNKNOWN


def test_every_refusal_of_a_device_has_the_form_of_the_rfc(api, ann, begin, poll, cli, register):
    codes = begin().json()
    other = "the device code is unknown, used, or another client's"
    pending(poll(codes["device_code"], "reactor-web"), "invalid_grant", other)
    pending(poll("unknown"), "invalid_grant", other)
    pending(cli.token(grant_type=GRANT, client_id="reactor-cli"), "invalid_request", "device_code is required")
    nobody = cli.token(grant_type=GRANT, device_code="x")
    assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")
    assert poll("x", "unknown").json()["error"] == "invalid_client"
    assert begin(client_id="unknown").json()["error"] == "invalid_client"
    pending(begin(scope='"'), "invalid_scope", "scope is not a list of scopes")
    app = register(type="public")
    pending(
        begin(client_id=app.client_id),
        "unauthorized_client",
        "the client may not use the device grant",
    )
    device = register(type="public", grants=[GRANT], redirect_uris=[], scopes=["openid"])
    pending(begin(client_id=device.client_id, scope="email"), "invalid_scope", "the client may not have email")
    assert begin(client_id=device.client_id, scope="openid").status_code == 200


@pytest.fixture
def few_guesses(auth_config):
    auth_config["limits"].update(user_code_per_user=3, device_per_address=2)


def test_codes_cannot_be_guessed_at_leisure(few_guesses, ann, browser, other_browser, begin, page_of):
    codes = begin().json()
    page = browser.sign_in(browser.get("/device"))
    for guess in ("BBBB-BBBB", "x", "BBBB-BBBC"):
        answer = browser.submit(page, "code", user_code=guess)
        assert (answer.status_code, page_of(answer).problem) == (404, UNKNOWN)
    limited = browser.submit(page, "code", user_code=codes["user_code"])
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) > 0
    # Nobody tries codes without signing in.
    stranger = other_browser.get("/device", user_code=codes["user_code"])
    form = page_of(stranger).form("signin")
    asked = other_browser.http.post(form["action"], data={**form["fields"], "step": "code"})
    assert page_of(asked).form("signin")
    assert begin().status_code == 200
    assert begin().status_code == 429


def test_a_device_that_asks_many_times_at_once_signs_in_once(api, ann, browser, begin, poll):
    codes = begin(scope="ops:* cloud:*").json()
    page = browser.sign_in(browser.get("/device", user_code=codes["user_code"]))
    browser.submit(browser.submit(page, "code"), "decide", decision="allow")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: poll(codes["device_code"]), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert [answer.json()["scope"] for answer in answers if answer.status_code == 200] == [""]
    assert api.sql("SELECT count(*) FROM _reactor_auth.oauth_sessions") == [["1"]]
