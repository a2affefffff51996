"""Consents and decisions of a browser while something else happens to it."""

from __future__ import annotations

import json

import pytest

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
END_BROWSERS = "DELETE FROM _reactor_auth.browser_sessions WHERE user_id = $1"
GONE = "the user signed out, or withdrew the consent, meanwhile"


def consents(api):
    """How the codes were come by, in order."""
    rows = api.sql(
        "SELECT details FROM _reactor_auth.audit_events WHERE event_type = 'oauth.authorized' ORDER BY ts, id"
    )
    return [json.loads(row[0])["consented"] for row in rows]


def codes(api):
    return api.sql("SELECT count(*) FROM _reactor_auth.authorization_codes")[0][0]


@pytest.fixture
def asked(browser):
    """A signed-in browser's page that asks for consent."""

    def ask(app, scope):
        page = browser.get("/authorize", **app.request(scope=scope))
        if 'value="signin"' in page.text:
            page = browser.sign_in(page)
        assert page.status_code == 200, page.text
        return page

    return ask


def test_a_form_sent_twice_at_once_is_one_consent(api, ann, browser, register, asked, parallel, sent_back):
    app = register(scopes=["openid"])
    page = asked(app, "openid")

    def allow():
        return browser.submit(page, "consent", decision="allow")

    answers = parallel(allow, allow)
    assert all("code" in sent_back(answer) for answer in answers)
    assert sorted(consents(api)) == [False, True]
    assert [found["scopes"] for found in ann.get("/user/consents").json()] == [["openid"]]


def test_two_consents_at_once_are_both_kept(api, ann, browser, register, asked, parallel):
    app = register(scopes=["openid", "email", "profile"])
    asked(app, "openid")
    for _ in range(8):
        pages = [asked(app, scope) for scope in ("openid email", "openid profile")]
        answers = parallel(*(lambda page=page: browser.submit(page, "consent", decision="allow") for page in pages))
        assert [answer.status_code for answer in answers] == [303, 303]
        [found] = ann.get("/user/consents").json()
        assert set(found["scopes"]) == {"openid", "email", "profile"}
        assert ann.delete(f"/user/consents/{app.client_id}").status_code == 204


def test_a_browser_that_is_signed_out_meanwhile_gets_no_code(
    api, ann, browser, cli, register, asked, parallel, sent_back
):
    app = register(scopes=["openid"])
    page = asked(app, "openid")
    with parallel.behind(END_BROWSERS, ann.id) as ending:
        answer = ending.begin(lambda: browser.submit(page, "consent", decision="allow"))
    assert sent_back(answer.result())["error_description"] == GONE
    assert (codes(api), ann.get("/user/consents").json()) == ("0", [])
    # The built-in client, which asks for no consent.
    browser.sign_in(browser.get("/authorize", **cli.request()))
    made = codes(api)
    with parallel.behind(END_BROWSERS, ann.id) as ending:
        answer = ending.begin(lambda: browser.get("/authorize", **cli.request()))
    assert sent_back(answer.result())["error"] == "access_denied"
    assert codes(api) == made


def test_a_consent_that_is_withdrawn_meanwhile_gives_no_code(api, ann, browser, register, asked, parallel, sent_back):
    app = register(scopes=["openid"])
    sent_back(browser.submit(asked(app, "openid"), "consent", decision="allow"))
    made = codes(api)
    with parallel.behind("DELETE FROM _reactor_auth.oauth_consents WHERE user_id = $1", ann.id) as ending:
        answer = ending.begin(lambda: browser.get("/authorize", **app.request(scope="openid")))
    assert sent_back(answer.result())["error_description"] == GONE
    assert codes(api) == made


def test_two_decisions_at_once_are_one(api, ann, browser, page_of, parallel):
    for _ in range(5):
        begun = api.call("POST", "/device/code", data={"client_id": "reactor-cli"}).json()
        page = browser.get("/device", user_code=begun["user_code"])
        if 'value="signin"' in page.text:
            page = browser.sign_in(page)
        page = browser.submit(page, "code", user_code=begun["user_code"])
        answers = parallel(
            lambda page=page: browser.submit(page, "decide", decision="allow"),
            lambda page=page: browser.submit(page, "decide", decision="deny"),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 404]
        said = next(page_of(answer).text for answer in answers if answer.status_code == 200)
        [[event]] = api.sql(
            "SELECT event_type FROM _reactor_auth.audit_events WHERE event_type LIKE 'oauth.device_%' "
            "AND event_type <> 'oauth.device_requested' ORDER BY ts DESC, id DESC LIMIT 1"
        )
        assert ("You can return to your device now." in said) is (event == "oauth.device_approved")
    decided = api.sql("SELECT count(*) FROM _reactor_auth.device_codes WHERE status IN ('approved', 'denied')")
    rows = api.sql(
        "SELECT count(*) FROM _reactor_auth.audit_events "
        "WHERE event_type IN ('oauth.device_approved', 'oauth.device_denied')"
    )
    assert (decided, rows) == ([["5"]], [["5"]])


def test_a_browser_that_is_signed_out_meanwhile_approves_no_device(api, ann, browser, cli, parallel):
    begun = api.call("POST", "/device/code", data={"client_id": "reactor-cli"}).json()
    page = browser.sign_in(browser.get("/device", user_code=begun["user_code"]))
    page = browser.submit(page, "code", user_code=begun["user_code"])
    with parallel.behind(END_BROWSERS, ann.id) as ending:
        answer = ending.begin(lambda: browser.submit(page, "decide", decision="allow"))
    assert answer.result().status_code == 404
    polled = cli.token(grant_type=DEVICE_GRANT, client_id="reactor-cli", device_code=begun["device_code"])
    assert polled.json()["error"] == "authorization_pending"
