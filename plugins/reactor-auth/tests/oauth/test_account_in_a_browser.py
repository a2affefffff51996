"""A person's whole life on the pages, in a real browser with a virtual authenticator and a real mail server."""

from __future__ import annotations

import email
import email.policy
import re
import threading
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiosmtpd.controller import Controller
from fakes.chromium import PROGRAM
from fakes.second_factors import App

from reactor_kernel.testing import free_port, live

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed"),
]
EVE = {"email": "eve@example.com", "password": "correct horse"}


class Mailbox:
    """A mail server that keeps what arrives."""

    def __init__(self):
        self.arrived = []
        self._came = threading.Condition()

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with self._came:
            self.arrived.append((envelope.rcpt_tos, message.get_body(("plain",)).get_content()))
            self._came.notify_all()
        return "250 OK"

    def link(self, to, within):
        """Wait for a mail that has a link to a page; return the link."""
        found = []

        def look():
            found[:] = [
                link[0]
                for recipients, text in self.arrived
                if recipients == [to] and (link := re.search(rf"http://\S+{within}\S+", text))
            ]
            return bool(found)

        with self._came:
            assert self._came.wait_for(look, 30), self.arrived
        return found[-1]


@pytest.fixture
def mailbox():
    found = Mailbox()
    controller = Controller(found, hostname="127.0.0.1", port=free_port())
    controller.start()
    found.port = controller.port
    yield found
    controller.stop()


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def auth_config(auth_config, mailbox, port):
    auth_config["public_url"] = f"http://localhost:{port}"
    auth_config["smtp"] = {"host": "127.0.0.1", "port": mailbox.port, "from": "no-reply@acme.example", "tls": "none"}
    return auth_config


@pytest.fixture
def base(kernel, port):
    """Where the browser finds the pages: passkeys want the name, not the number, of this machine."""
    with live(kernel, port=port):
        yield f"http://localhost:{port}/auth/v1"


def add_authenticator(tab):
    """Plug a security key in that is touched whenever it asks and knows its owner."""
    tab.call("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return tab.call("WebAuthn.addVirtualAuthenticator", options=options)["authenticatorId"]


def sign_out(tab, base):
    tab.open(f"{base}/logout")
    tab.step("sign_out")
    tab.submit("sign_out")
    tab.says("You are signed out.")


def sign_in_at(tab, base):
    tab.open(f"{base}/account")
    tab.step("signin")
    tab.submit("signin", **EVE)


def test_a_person_signs_up_confirms_enrols_two_factors_signs_in_with_each_and_consents(
    frozen_clock, base, api, ann, register, callback, mailbox, tab
):
    callback_port, calls = callback
    client = register(redirect_uris=["http://127.0.0.1/callback"], scopes=["openid", "email"])
    client.redirect_uri = f"http://127.0.0.1:{callback_port}/callback"

    # All of this without script.
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(f"{base}/account")
    tab.step("signin")
    tab.submit("signup_page")
    tab.step("signup")
    tab.submit("signup", **EVE)
    tab.says("Your e-mail address is not confirmed yet")
    tab.fits("account-new")
    tab.open(mailbox.link(EVE["email"], "/verify"))
    tab.says("Press the button to confirm")
    tab.fits("confirm")
    tab.run("document.querySelector('form button').click()")
    tab.says("Your e-mail address is confirmed.")
    sign_out(tab, base)
    sign_in_at(tab, base)
    tab.step("app")
    assert not tab.run("document.body.textContent.includes('not confirmed')")
    tab.submit("app")
    tab.step("app_code")
    tab.fits("new-app")
    # Not cut off, and dark on light: an app's camera can read it.
    assert tab.run("document.querySelector('svg').getBoundingClientRect().width") >= 200
    app = App("", tab.run("document.getElementById('secret').textContent").replace(" ", ""), frozen_clock)
    tab.submit("app_code", code=app.code())
    tab.says("Keep these recovery codes")
    tab.fits("recovery-codes")
    codes = tab.run("[...document.querySelectorAll('#codes li')].map(item => item.textContent)")
    assert len(set(codes)) == 10
    tab.run("document.querySelector('main a').click()")
    tab.step("new_passkey")
    tab.submit("new_passkey")
    tab.says("Passkeys need JavaScript, which is switched off in this browser.")
    tab.fits("no-script")

    # From here on the browser runs the one script there is, under the page's policy.
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    authenticator = add_authenticator(tab)
    tab.open(f"{base}/account")
    tab.step("new_passkey")
    tab.submit("new_passkey")
    tab.step("new_passkey_done")
    tab.fits("new-passkey")
    tab.submit("new_passkey_done", name="Blue key")
    tab.says("Passkey: Blue key")
    tab.fits("account")
    [credential] = tab.call("WebAuthn.getCredentials", authenticatorId=authenticator)["credentials"]
    assert credential["rpId"] == "localhost"

    # The password with a code, and the password with the passkey.
    frozen_clock.advance(seconds=30)
    sign_out(tab, base)
    sign_in_at(tab, base)
    tab.step("factor")
    tab.fits("second-factor")
    tab.submit("factor", code=app.code())
    tab.says("Passkey: Blue key")
    sign_out(tab, base)
    sign_in_at(tab, base)
    tab.step("factor_passkey")
    tab.submit("factor_passkey")
    tab.step("factor_passkey_done")
    tab.submit("factor_passkey_done")
    tab.says("Passkey: Blue key")
    sign_out(tab, base)

    # An application asks; the passkey alone signs in.
    tab.open(f"{base}/authorize?{urlencode(client.request(scope='openid email'))}")
    tab.step("passkey")
    tab.fits("sign-in-with-passkey")
    tab.submit("passkey")
    tab.step("passkey_done")
    # Whoever closes the browser's dialog is told, and may try again.
    tab.call("WebAuthn.removeVirtualAuthenticator", authenticatorId=authenticator)
    tab.run("document.querySelector('form[data-options]').dataset.options = '{}'")
    tab.submit("passkey_done")
    tab.wait("!document.getElementById('problem').hidden")
    assert tab.run("document.getElementById('problem').textContent").startswith("The browser gave no passkey (")
    assert tab.run("document.activeElement.id") == "problem"
    tab.fits("passkey-refused")
    authenticator = add_authenticator(tab)
    tab.call("WebAuthn.addCredential", authenticatorId=authenticator, credential=credential | {"signCount": 100})
    tab.open(f"{base}/authorize?{urlencode(client.request(scope='openid email'))}")
    tab.step("passkey")
    tab.submit("passkey")
    tab.step("passkey_done")
    tab.submit("passkey_done")
    tab.step("consent")
    tab.submit("consent", "allow")
    tab.says("Back")
    query = parse_qs(urlsplit(calls[0]).query)
    assert query["state"] == ["st&te=1 é"]
    tokens = client.exchange(query["code"][0])
    assert tokens.status_code == 200, tokens.text
    told = api.call("GET", "/userinfo", token=tokens.json()["access_token"])
    assert told.json() | {"sub": ""} == {"sub": "", "email": EVE["email"], "email_verified": True}

    rows = api.sql(
        "SELECT e.event_type FROM _reactor_auth.audit_events e JOIN _reactor_auth.users u ON u.id = e.actor_user_id "
        "WHERE u.email = $1 AND e.event_type LIKE 'mfa.%' ORDER BY e.ts, e.id",
        EVE["email"],
    )
    assert [row[0] for row in rows] == ["mfa.enrolled", "mfa.verified", "mfa.enrolled", "mfa.verified", "mfa.verified"]
