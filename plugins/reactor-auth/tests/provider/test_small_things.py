"""Scopes that fit into a token, and a browser that changes its account."""

from __future__ import annotations

import pytest


@pytest.fixture
def auth_config(auth_config):
    auth_config["access_ttl_secs"] = 3600
    return auth_config


def test_a_client_has_no_more_scopes_than_a_token_carries(api, ann, register, browser, sent_back):
    many = [f"data:{'a' * 58}{number:02}:read" for number in range(28)]
    app = register(scopes=["openid", *many], grants=["authorization_code", "client_credentials"])
    own = app.token(grant_type="client_credentials", client_id=app.client_id, client_secret=app.secret)
    assert api.call("GET", "/permissions", token=own.json()["access_token"]).json()["error"]["code"] != "invalid_token"
    page = browser.sign_in(browser.get("/authorize", **app.request(scope=" ".join(["openid", *many]))))
    code = sent_back(browser.submit(page, "consent", decision="allow"))["code"]
    token = app.exchange(code).json()["access_token"]
    assert api.call("GET", "/userinfo", token=token).status_code == 200
    api.refused(
        ann.patch(f"/oauth/clients/{app.client_id}", {"scopes": [*many, *(f"{scope}x" for scope in many)]}),
        400,
        "validation_error",
        "scopes must not be longer than 2048 characters together",
        fields={"scopes": ["must not be longer than 2048 characters together"]},
    )
    asked = browser.get("/authorize", **app.request(scope=" ".join("a" * 120 for _ in range(1)) + " b" * 3))
    assert sent_back(asked)["error"] == "invalid_scope"


def test_a_new_account_takes_the_place_of_the_browsers_old_one(api, ann, browser, cli):
    browser.sign_in(browser.get("/authorize", **cli.request()))
    page = browser.get("/authorize", **cli.request(prompt="login"))
    page = browser.submit(page, "signup_page")
    browser.submit(page, "signup", email="new@example.com", password="correct horse")
    rows = api.sql(
        "SELECT u.email FROM _reactor_auth.browser_sessions b JOIN _reactor_auth.users u ON u.id = b.user_id"
    )
    assert rows == [["new@example.com"]]
