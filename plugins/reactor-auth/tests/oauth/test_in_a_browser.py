"""The pages in a real browser: its cookies, its Content-Security-Policy, its forms without script."""

from __future__ import annotations

import importlib.util
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

_SPEC = importlib.util.spec_from_file_location("reactor_auth_chromium", Path(__file__).with_name("chromium.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
chromium = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(chromium)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed"),
]
PICTURES = os.environ.get("REACTOR_TEST_PICTURES")


@pytest.fixture
def tab(tmp_path):
    found = chromium.Chromium(tmp_path / "profile")
    yield found
    found.close()


@pytest.fixture
def callback():
    """An application's own server, which notes what it is called with."""
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>Back</h1>")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, calls
    server.shutdown()
    thread.join()
    server.server_close()


def pictures(tab, name):
    """Keep what the page looks like, where somebody wants to see it."""
    for shape, width, height, dark in (
        ("phone", 390, 844, False),
        ("desktop", 1280, 800, False),
        ("dark", 390, 844, True),
    ):
        tab.size(width, height, dark=dark)
        # Nothing may have to be scrolled sideways.
        assert tab.run("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide for {shape}"
        if PICTURES:
            tab.picture(Path(PICTURES) / f"{name}-{shape}.png")


def submit(tab, step, decision=None, **filled):
    for name, value in filled.items():
        tab.run(f"document.getElementById({name!r}).value = {value!r}")
    button = "button" if decision is None else f"button[value={decision}]"
    tab.run(f"document.querySelector('input[name=step][value={step}]').form.querySelector('{button}').click()")


def at(step):
    return f"document.querySelector('input[name=step][value={step}]')"


def test_a_person_signs_in_agrees_connects_a_device_and_signs_out(live_server, api, ann, register, callback, tab):
    port, calls = callback
    uri = f"http://127.0.0.1:{port}/callback"
    app = register(redirect_uris=["http://127.0.0.1/callback"], scopes=["openid", "profile", "email", "data:*:read"])
    app.redirect_uri = uri
    base = f"{live_server.url}/auth/v1"
    tab.open(f"{base}/authorize?{urlencode(app.request(scope='openid profile email data:notes:read'))}")
    tab.wait(at("signin"))
    assert tab.run("document.activeElement.id") == "email"
    pictures(tab, "sign-in")
    submit(tab, "signin", email="ann@example.com", password="wrong password")
    tab.wait("document.getElementById('problem')")
    assert tab.run("document.activeElement.id") == "password"
    pictures(tab, "sign-in-wrong")
    submit(tab, "signup_page")
    tab.wait(at("signup"))
    pictures(tab, "sign-up")
    submit(tab, "signin_page")
    tab.wait(at("signin"))
    submit(tab, "signin", email="ann@example.com", password="correct horse")
    tab.wait(at("consent"))
    pictures(tab, "consent")
    submit(tab, "consent", "allow")
    # Chromium holds redirects of forms against form-action too.
    tab.wait("document.body.textContent.includes('Back')")
    query = parse_qs(urlsplit(calls[0]).query)
    assert query["state"] == ["st&te=1 é"]
    tokens = app.exchange(query["code"][0])
    assert tokens.status_code == 200, tokens.text

    codes = httpx.post(f"{base}/device/code", data={"client_id": "reactor-cli", "scope": "openid"}).json()
    tab.open(f"{base}/device?user_code={codes['user_code']}")
    tab.wait(at("code"))
    pictures(tab, "device-code")
    submit(tab, "code")
    tab.wait(at("decide"))
    pictures(tab, "device-decision")
    submit(tab, "decide", "allow")
    tab.wait("document.body.textContent.includes('return to your device')")
    pictures(tab, "device-done")

    tab.open(f"{base}/authorize?client_id=nobody")
    tab.wait("document.body.textContent.includes('This link does not work')")
    pictures(tab, "error")
    tab.open(f"{base}/logout")
    tab.wait(at("sign_out"))
    pictures(tab, "sign-out")
    submit(tab, "sign_out")
    tab.wait("document.body.textContent.includes('You are signed out.')")
