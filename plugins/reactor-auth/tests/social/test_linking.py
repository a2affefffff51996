"""Linking further providers to an account, and taking them away."""

from __future__ import annotations

import httpx
import pytest

APP = "https://app.example.com"


def link(api, browser, person, provider="acme"):
    """Link a provider in this browser; return where it ends."""
    answer = browser.client.post(
        f"/auth/v1/user/identities/{provider}/link",
        json={"redirect_to": f"{APP}/welcome"},
        headers={"Authorization": f"Bearer {person.access_token}"},
    )
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"url"}
    return browser.arrive(browser.approve(answer.json()["url"]))


def names(person):
    return [found["provider"] for found in person.get("/user/identities").json()]


def test_a_user_links_a_provider_whatever_its_address(api, browser, acme, ann):
    acme.knobs.email, acme.knobs.email_verified = "other@example.com", False
    landing = link(api, browser, ann)
    assert (landing.url, names(ann)) == (f"{APP}/welcome?linked=acme", ["acme"])
    assert api.call("GET", "/user", token=browser.sign_in().token).json() == ann.user
    assert link(api, browser, ann).query == {"linked": "acme"}
    assert names(ann) == ["acme"]


def test_somebody_elses_identity_is_not_taken(api, browser, acme, ann, bob):
    link(api, browser, ann)
    assert link(api, browser, bob).error == (
        "identity_exists",
        "This account at the provider belongs to another user.",
    )
    assert (names(ann), names(bob)) == (["acme"], [])


def test_a_link_completes_only_in_the_browser_and_session_that_asked(api, browser, new_browser, acme, ann):
    asked = new_browser()
    answer = asked.client.post(
        "/auth/v1/user/identities/acme/link", headers={"Authorization": f"Bearer {ann.access_token}"}
    )
    path = asked.approve(answer.json()["url"])
    assert browser.client.get(path).json()["error"]["code"] == "invalid_state"

    answer = asked.client.post(
        "/auth/v1/user/identities/acme/link", headers={"Authorization": f"Bearer {ann.access_token}"}
    )
    path = asked.approve(answer.json()["url"])
    ann.post("/logout")
    assert asked.arrive(path).error[0] == "session_revoked"
    assert api.sql("SELECT count(*) FROM _reactor_auth.identities") == [["0"]]


def test_linking_refuses_what_it_must(api, ann):
    answer = ann.post("/user/identities/nobody/link")
    assert answer.json()["error"]["code"] == "provider_not_found"
    answer = ann.post("/user/identities/acme/link", {"redirect_to": "https://evil.example.com"})
    assert answer.json()["error"]["fields"] == {
        "redirect_to": ["is not an allowed place; see [auth] site_url and redirect_allow_list"]
    }
    answer = api.call("POST", "/user/identities/acme/link")
    api.refused(answer, 401, "unauthorized", "A credential is required.")


@pytest.fixture
def without_mail(reactor_config):
    """Nobody can read a mail of this server."""
    reactor_config["project"] = {"env": "production"}


@pytest.mark.usefixtures("without_mail")
def test_the_last_way_in_stays(api, browser, acme):
    landing = browser.sign_in("acme")
    token = landing.token
    [acme_identity] = api.call("GET", "/user/identities", token=token).json()
    refused = api.call("DELETE", f"/user/identities/{acme_identity['id']}", token=token)
    api.refused(
        refused,
        403,
        "last_sign_in_method",
        "Without this identity the caller could not sign in any more.",
        hint="Set a password with PATCH /auth/v1/user, register a passkey, or link another provider first.",
    )
    browser.sign_in("github")
    assert api.call("DELETE", f"/user/identities/{acme_identity['id']}", token=token).status_code == 204
    [github_identity] = api.call("GET", "/user/identities", token=token).json()
    again = api.call("DELETE", f"/user/identities/{github_identity['id']}", token=token)
    assert again.json()["error"]["code"] == "last_sign_in_method"
    assert api.call("PATCH", "/user", token=token, json={"password": "correct horse"}).status_code == 200
    assert api.call("DELETE", f"/user/identities/{github_identity['id']}", token=token).status_code == 204
    rows = api.sql(
        "SELECT event_type, resource FROM _reactor_auth.audit_events WHERE event_type = 'identity.unlinked' ORDER BY ts"
    )
    assert rows == [["identity.unlinked", f"identity:{found['id']}"] for found in (acme_identity, github_identity)]


@pytest.fixture
def on_localhost(auth_config):
    """Passkeys need a name, not an IP address; the provider does not mind."""
    auth_config["public_url"] = "http://localhost:8000"


@pytest.mark.usefixtures("without_mail", "on_localhost")
def test_a_passkey_is_another_way_in(api, browser, register, prove, authenticator, bearer):
    token = browser.sign_in("acme").token
    [identity] = api.call("GET", "/user/identities", token=token).json()
    assert api.call("DELETE", f"/user/identities/{identity['id']}", token=token).status_code == 403
    register(bearer(token), authenticator)
    assert prove(bearer(token), authenticator).status_code == 200
    assert api.call("DELETE", f"/user/identities/{identity['id']}", token=token).status_code == 204


def test_a_code_by_mail_is_another_way_in(api, browser):
    token = browser.sign_in("acme").token
    [identity] = api.call("GET", "/user/identities", token=token).json()
    api.sql("UPDATE _reactor_auth.users SET email_verified = false")
    assert api.call("DELETE", f"/user/identities/{identity['id']}", token=token).status_code == 403
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    assert api.call("DELETE", f"/user/identities/{identity['id']}", token=token).status_code == 204


@pytest.mark.usefixtures("without_mail")
def test_two_removals_at_once_leave_one_way_in(api, browser):
    from concurrent.futures import ThreadPoolExecutor

    token = browser.sign_in("acme").token
    browser.sign_in("github")
    ids = [found["id"] for found in api.call("GET", "/user/identities", token=token).json()]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda one: api.call("DELETE", f"/user/identities/{one}", token=token), ids))
    assert sorted(answer.status_code for answer in answers) == [204, 403]


def test_identities_that_are_not_the_callers(api, browser, ann, bob):
    link(api, browser, ann)
    [found] = ann.get("/user/identities").json()
    for identity in (found["id"], "019213f5-0000-7000-8000-000000000001"):
        api.refused(
            bob.delete(f"/user/identities/{identity}"), 404, "identity_not_found", "The caller has no such identity."
        )
    answer = bob.delete("/user/identities/nonsense")
    api.refused(answer, 400, "validation_error", "identity is not a UUID", fields={"identity": ["is not a UUID"]})


def test_sign_ins_nobody_finished_are_swept(kernel, browser, frozen_clock, api):
    import threading

    from reactor_auth.assembly import Auth
    from reactor_auth.sweeping import Sweeper

    browser.begin()
    sweeper = Sweeper(Auth(kernel.hooks.context("auth")))
    assert sweeper.sweep(threading.Event()) == 0
    frozen_clock.advance(seconds=600)
    assert sweeper.sweep(threading.Event()) == 1
    assert api.sql("SELECT count(*) FROM _reactor_auth.oauth_states") == [["0"]]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"client_id": "x"}, "auth.social.acme: needs an issuer, or authorize_url, token_url, userinfo_url"),
        ({"client_id": "", "issuer": "https://a.example"}, "auth.social.acme.client_id: must not be empty"),
        ({"client_id": "x", "issuer": "http://a.example"}, "auth.social.acme.issuer: must be an https URL"),
        ({"issuer": "https://a.example"}, "auth.social.acme.client_id: required"),
        (
            {"client_id": "x", "client_secret": "env:NOT_THERE", "issuer": "https://a.example"},
            "env:NOT_THERE is not set",
        ),
    ],
)
def test_bad_configuration_stops_the_boot(kernel_factory, reactor_config, section, problem):
    from reactor_auth.plugin import AuthPlugin
    from reactor_kernel.api import BootError
    from reactor_kernel.kernel import Stage

    config = {"auth": {**reactor_config["auth"], "social": {"acme": section}}}
    with pytest.raises(BootError) as caught:
        kernel_factory(AuthPlugin, config=config, until=Stage.CONFIGURED)
    assert problem in str(caught.value)


def test_limits_hold_for_strangers(kernel_factory, reactor_config, reactor_database_url):
    from reactor_auth.plugin import AuthPlugin

    limited = {**reactor_config["auth"], "limits": {"social_per_address": 2}}
    kernel = kernel_factory(AuthPlugin, config={"auth": limited}, database_url=reactor_database_url)
    transport = httpx.WSGITransport(app=kernel.app, remote_addr="192.0.2.7")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        seen = [client.get("/auth/v1/callback?state=x").status_code for _ in range(3)]
    assert seen == [400, 400, 429]


def test_a_further_way_in_wants_the_second_factor(api, browser, acme, ann, enrol, frozen_clock):
    link(api, browser, ann)
    [found] = ann.get("/user/identities").json()
    enrol(ann)
    thief = api.sign_in("ann@example.com")
    for answer in (
        thief.post("/user/identities/github/link", {}),
        thief.delete(f"/user/identities/{found['id']}"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "mfa_required")
    assert names(ann) == ["acme"]
    assert ann.post("/user/identities/github/link", {}).status_code == 200
    assert ann.delete(f"/user/identities/{found['id']}").status_code == 204
