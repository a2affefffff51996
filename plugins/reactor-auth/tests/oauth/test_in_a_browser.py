"""The pages in a real browser: its cookies, its Content-Security-Policy, its forms without script."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fakes.chromium import PROGRAM

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed"),
]


def test_a_person_signs_in_agrees_connects_a_device_and_signs_out(live_server, api, ann, register, callback, tab):
    port, calls = callback
    uri = f"http://127.0.0.1:{port}/callback"
    app = register(redirect_uris=["http://127.0.0.1/callback"], scopes=["openid", "profile", "email", "data:*:read"])
    app.redirect_uri = uri
    base = f"{live_server.url}/auth/v1"
    tab.open(f"{base}/authorize?{urlencode(app.request(scope='openid profile email data:notes:read'))}")
    tab.step("signin")
    tab.wait("document.activeElement.id === 'email'")
    tab.fits("sign-in")
    tab.submit("signin", email="ann@example.com", password="wrong password")
    tab.wait("document.getElementById('problem')")
    tab.wait("document.activeElement.id === 'password'")
    tab.fits("sign-in-wrong")
    tab.submit("signup_page")
    tab.step("signup")
    tab.fits("sign-up")
    tab.submit("signin_page")
    tab.step("signin")
    tab.submit("signin", email="ann@example.com", password="correct horse")
    tab.step("consent")
    tab.fits("consent")
    tab.submit("consent", "allow")
    # Chromium holds redirects of forms against form-action too.
    tab.says("Back")
    query = parse_qs(urlsplit(calls[0]).query)
    assert query["state"] == ["st&te=1 é"]
    tokens = app.exchange(query["code"][0])
    assert tokens.status_code == 200, tokens.text

    codes = httpx.post(f"{base}/device/code", data={"client_id": "reactor-cli", "scope": "openid"}).json()
    tab.open(f"{base}/device?user_code={codes['user_code']}")
    tab.step("code")
    tab.fits("device-code")
    tab.submit("code")
    tab.step("decide")
    tab.fits("device-decision")
    tab.submit("decide", "allow")
    tab.says("return to your device")
    tab.fits("device-done")

    tab.open(f"{base}/authorize?client_id=nobody")
    tab.says("This link does not work")
    tab.fits("error")
    tab.open(f"{base}/logout")
    tab.step("sign_out")
    tab.fits("sign-out")
    tab.submit("sign_out")
    tab.says("You are signed out.")
