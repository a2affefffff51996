"""Providers that are down, slow or answer nonsense."""

from __future__ import annotations

import httpx
import pytest

APP = "https://app.example.com"
DOWN = ("provider_unavailable", "Acme does not answer at the moment")
DISCOVERY = "/.well-known/openid-configuration"


def begin_error(browser):
    answer = browser.client.get("/auth/v1/authorize", params={"provider": "acme", "redirect_to": f"{APP}/welcome"})
    assert answer.status_code == 303
    return httpx.URL(answer.headers["Location"]).params["error"], answer


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        (DISCOVERY, 503, "provider_unavailable"),
        (DISCOVERY, 404, "provider_error"),
        (DISCOVERY, 302, "provider_error"),
        (DISCOVERY, 429, "provider_unavailable"),
    ],
)
def test_discovery_that_fails_is_told_to_the_front_end(browser, acme, path, status, error):
    acme.knobs.status[path] = status
    code, answer = begin_error(browser)
    assert code == error
    assert "Set-Cookie" not in answer.headers
    acme.knobs.status.clear()
    assert browser.sign_in().token


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"<html>", "Acme answered something that is not JSON"),
        (b"[]", "the discovery document of Acme is not valid: Expected `object`, got `array`"),
        (b"{}", "the discovery document of Acme is not valid: Object missing required field `issuer`"),
        (b" " * (1 << 20) + b"{}", "Acme answered with more than 1048576 bytes"),
    ],
)
def test_discovery_that_is_nonsense(browser, acme, document, message):
    acme.knobs.body[DISCOVERY] = document
    code, answer = begin_error(browser)
    assert (code, httpx.URL(answer.headers["Location"]).params["error_description"]) == ("provider_error", message)


def test_discovery_of_somebody_else(browser, acme):
    acme.knobs.discovered_issuer = "https://evil.example.com"
    assert begin_error(browser)[0] == "provider_error"
    acme.knobs.discovered_issuer, acme.knobs.token_endpoint = None, "http://evil.example.com/token"
    assert begin_error(browser)[0] == "provider_error"


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/token", 500, DOWN),
        ("/token", 429, DOWN),
        ("/token", 403, ("provider_error", "Acme refused the code with status 403")),
        ("/jwks", 500, DOWN),
        ("/userinfo", 500, DOWN),
        ("/userinfo", 403, ("provider_error", "Acme answered with status 403")),
    ],
)
def test_endpoints_that_fail(api, browser, acme, path, status, error):
    acme.knobs.email_in = "userinfo"
    acme.knobs.status[path] = status
    assert browser.sign_in().error == error
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]


def test_a_provider_that_is_slow_is_given_up(monkeypatch, browser, acme):
    from reactor_auth.social import web

    monkeypatch.setattr(web, "ANSWER_SECS", 0.2)
    acme.knobs.delay["/token"] = 1.0
    assert browser.sign_in().error == DOWN


def test_a_provider_that_is_gone(kernel_factory, reactor_config, reactor_database_url, browser):
    from reactor_auth.plugin import AuthPlugin

    gone = {"acme": {"client_id": "x", "issuer": "http://127.0.0.1:1"}}
    config = {"auth": {**reactor_config["auth"], "social": gone}}
    kernel = kernel_factory(AuthPlugin, config=config, database_url=reactor_database_url)
    assert begin_error(type(browser)(kernel))[0] == "provider_unavailable"


def test_a_new_key_of_the_provider_is_found(browser, acme, frozen_clock):
    from joserfc.jwk import RSAKey

    assert browser.sign_in().token
    old = acme.key
    acme.key = RSAKey.generate_key(2048, {"kid": "next", "use": "sig", "alg": "RS256"})
    try:
        # At most one look every five seconds, whatever is presented.
        before = acme.seen["/jwks"]
        assert browser.sign_in().error[0] == "provider_error"
        assert acme.seen["/jwks"] == before
        frozen_clock.advance(seconds=5)
        assert browser.sign_in().token
        assert acme.seen["/jwks"] == before + 1
    finally:
        acme.key = old


def test_the_secret_travels_as_the_provider_wishes(browser, acme, frozen_clock):
    acme.knobs.auth_methods = ("client_secret_post",)
    assert browser.sign_in().token
    acme.knobs.auth_methods = ("client_secret_basic",)
    frozen_clock.advance(seconds=3600)
    assert browser.sign_in().token
