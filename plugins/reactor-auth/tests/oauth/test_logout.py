"""`POST /auth/v1/logout` by an application."""

from __future__ import annotations

import pytest

REFUSAL = (403, "permission_denied", "an application may end its own session only; leave scope out")


@pytest.mark.parametrize("scope", ["global", "others"])
def test_an_application_ends_its_own_session_and_no_other(api, ann, browser, register, sent_back, scope):
    app = register(scopes=["openid", "offline_access"])
    page = browser.sign_in(browser.get("/authorize", **app.request(scope="openid offline_access")))
    tokens = app.exchange(sent_back(browser.submit(page, "consent", decision="allow"))["code"]).json()
    access = tokens["access_token"]
    api.refused(api.call("POST", f"/logout?scope={scope}", token=access), *REFUSAL)
    assert ann.get("/user").status_code == 200
    assert api.call("GET", "/userinfo", token=access).status_code == 200
    assert api.call("POST", "/logout", token=access).status_code == 204
    assert api.call("GET", "/userinfo", token=access).json()["error"]["code"] == "session_revoked"
    assert ann.get("/user").status_code == 200
