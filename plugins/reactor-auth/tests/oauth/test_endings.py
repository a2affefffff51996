"""What ends a user's sessions ends what is on its way to become one; a removed factor counts nowhere."""

from __future__ import annotations

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
NEW = "another horse entirely"


def approve_device(api, browser):
    asked = api.call("POST", "/device/code", data={"client_id": "reactor-cli", "scope": "openid"}).json()
    page = browser.get("/device", user_code=asked["user_code"])
    page = browser.submit(page, "code", user_code=asked["user_code"])
    assert "return to your device" in browser.submit(page, "decide", decision="allow").text
    return asked["device_code"]


def test_a_new_password_ends_codes_and_approved_devices_that_wait(api, ann, browser, cli, sent_back):
    code = sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))["code"]
    device_code = approve_device(api, browser)
    assert ann.patch("/user", {"password": NEW}).status_code == 200
    api.refused(
        cli.exchange(code),
        401,
        "invalid_token",
        "The authorization code is unknown, used, expired, or belongs to another request.",
        hint="Start over at /auth/v1/authorize.",
    )
    polled = cli.token(grant_type=DEVICE, client_id="reactor-cli", device_code=device_code)
    assert (polled.status_code, polled.json()["error"]) == (400, "invalid_grant")
    assert sent_back(browser.get("/authorize", **cli.request(prompt="none")))["error"] == "login_required"
    assert ann.get("/user").status_code == 200


def test_ending_all_sessions_ends_a_code_that_waits(api, ann, browser, cli, sent_back):
    code = sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))["code"]
    assert ann.post("/logout?scope=global").status_code == 204
    assert cli.exchange(code).status_code in (400, 401)
    assert api.sql("SELECT count(*) FROM _reactor_auth.sessions WHERE revoked_at IS NULL") == [["0"]]


def test_a_browser_must_not_live_on_a_factor_that_was_removed(api, ann, enrol, browser, cli, sent_back):
    app = enrol(ann)
    page = browser.sign_in(browser.get("/authorize", **cli.request()))
    assert "code" in sent_back(browser.submit(page, "factor", code=app.code()))
    waiting = sent_back(browser.get("/authorize", **cli.request(prompt="none")))["code"]
    assert ann.delete(f"/factors/{app.id}").status_code == 204
    enrol(ann)
    # The phone is lost: neither its browser nor a code from there passes for somebody who proved the new one.
    assert sent_back(browser.get("/authorize", **cli.request(prompt="none")))["error"] in (
        "login_required",
        "interaction_required",
    )
    assert cli.exchange(waiting).status_code in (400, 401)
