"""Platform scopes of operators that sign in through OAuth clients."""

from __future__ import annotations

import base64
import json

import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN


@pytest.fixture
def auth_config(auth_config, frozen_clock):
    auth_config["browser_session_secs"] = 7200
    return auth_config


@pytest.fixture
def operator(api, client, ann):
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    answer = client.post("/_ops/v1/operators/bootstrap", json={"email": "ann@example.com"}, headers=headers)
    assert answer.status_code == 200, answer.text
    return ann


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def life(token):
    found = claims(token)
    return found["exp"] - found["iat"]


def enter(browser, cli, sent_back, scope):
    page = browser.get("/authorize", **cli.request(scope=scope))
    if page.status_code == 200:
        page = browser.sign_in(page)
    answer = cli.exchange(sent_back(page)["code"])
    assert answer.status_code == 200, answer.text
    return answer.json()


def refresh(cli, tokens):
    answer = cli.token(grant_type="refresh_token", client_id="reactor-cli", refresh_token=tokens["refresh_token"])
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_client_gets_those_it_asked_for_and_no_others(api, client, operator, browser, cli, sent_back):
    assert "ops:*" in claims(api.sign_in("ann@example.com").access_token)["scopes"]
    plain = enter(browser, cli, sent_back, "openid")
    for tokens in (plain, refresh(cli, plain)):
        assert "scopes" not in claims(tokens["access_token"])
        assert life(tokens["access_token"]) == 3600
        answer = client.get("/_ops/v1/audit", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        api.refused(answer, 403, "missing_scope", answer.json()["error"]["message"])
    one = enter(browser, cli, sent_back, "openid ops:read")
    for tokens in (one, refresh(cli, one)):
        assert claims(tokens["access_token"])["scopes"] == ["ops:read"]
        assert tokens["scope"] == "openid ops:read"
        answer = client.get("/_ops/v1/audit", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        assert answer.status_code == 200, answer.text


def test_they_end_with_the_sign_in_in_the_browser_not_with_the_code(
    api, operator, browser, cli, sent_back, frozen_clock
):
    first = enter(browser, cli, sent_back, "openid ops:read")
    assert life(first["access_token"]) == 1800
    frozen_clock.advance(seconds=1200)
    refreshed = refresh(cli, first)
    assert (claims(refreshed["access_token"])["scopes"], life(refreshed["access_token"])) == (["ops:read"], 600)
    # The browser is still signed in; a new code is no new sign-in.
    second = enter(browser, cli, sent_back, "openid ops:read")
    assert (claims(second["access_token"])["scopes"], life(second["access_token"])) == (["ops:read"], 600)
    frozen_clock.advance(seconds=600)
    for tokens in (refresh(cli, refreshed), enter(browser, cli, sent_back, "openid ops:read")):
        assert "scopes" not in claims(tokens["access_token"])
        assert tokens["scope"] == "openid"
        assert life(tokens["access_token"]) == 3600


def test_a_second_factor_adds_none(api, operator, browser, cli, sent_back, frozen_clock):
    """Tokens of a stepped-up session say of its client what they said before."""
    import pyotp

    tokens = enter(browser, cli, sent_back, "openid ops:read")
    bearer = tokens["access_token"]
    made = api.call("POST", "/factors", token=bearer, json={"factor_type": "totp"}).json()
    code = pyotp.TOTP(made["totp"]["secret"]).at(frozen_clock.now())
    answer = api.call("POST", f"/factors/{made['id']}/verify", token=bearer, json={"code": code})
    assert answer.status_code == 200, answer.text
    strong = claims(answer.json()["access_token"])
    assert (strong["client_id"], strong["scopes"], "mfa_at" in strong) == ("reactor-cli", ["ops:read"], True)


def test_neither_delegated_nor_service_tokens_carry_them(api, kernel, operator):
    from reactor_kernel.api import AuthClient

    person, client = api.sign_in("ann@example.com"), kernel.service(AuthClient)
    person.make_org("acme")
    assert "ops:*" in client.resolve(person.access_token).scopes
    made = person.post("/tokens/delegate", {"scopes": ["*"]}, org="acme")
    assert made.status_code == 200, made.text
    assert client.resolve(made.json()["access_token"]).scopes == frozenset()
    assert client.resolve(client.mint_service_identity("acme", "jobs", ["*"])).scopes == frozenset()
    key = person.post("/api-keys", {"name": "robot"}, org="acme").json()["key"]
    assert client.resolve(key).scopes == frozenset()
