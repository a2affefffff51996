"""A client ends its own session and no more; a delegated token ends nothing."""

from __future__ import annotations


def test_a_client_cannot_sign_its_user_out_everywhere(api, ann, browser, register, sent_back):
    app = register(scopes=["openid", "offline_access"])
    page = browser.sign_in(browser.get("/authorize", **app.request(scope="openid offline_access")))
    tokens = app.exchange(sent_back(browser.submit(page, "consent", decision="allow"))["code"]).json()
    for scope in ("global", "others"):
        answer = api.call("POST", f"/logout?scope={scope}", json={"refresh_token": tokens["refresh_token"]})
        api.refused(
            answer,
            403,
            "permission_denied",
            "an application may end its own session only; leave scope out",
        )
    assert ann.get("/user").status_code == 200
    assert api.call("POST", "/logout", json={"refresh_token": tokens["refresh_token"]}).status_code == 204
    assert ann.get("/user").status_code == 200
    assert api.call("GET", "/userinfo", token=tokens["access_token"]).status_code == 401


def test_an_ended_session_ends_no_other(api, ann):
    other = api.sign_in("ann@example.com")
    assert other.post("/logout").status_code == 204
    answer = api.call("POST", "/logout?scope=global", json={"refresh_token": other.refresh_token})
    assert answer.status_code == 204
    assert ann.get("/user").status_code == 200


def test_a_delegated_token_does_not_revoke_the_session_behind_it(api, ann):
    ann.make_org("acme")
    made = ann.post("/tokens/delegate", {"scopes": ["auth:members:read"], "org": "acme"})
    assert made.status_code == 200, made.text
    answer = api.call("POST", "/revoke", data={"client_id": "reactor-cli", "token": made.json()["access_token"]})
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert ann.get("/user").status_code == 200
