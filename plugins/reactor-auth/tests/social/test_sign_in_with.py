"""Signing in with another provider, from the button to the front end with tokens."""

from __future__ import annotations

import base64
import json

import pytest

from reactor_kernel.api import Deny, PluginInfo, hookimpl

APP = "https://app.example.com"


def identities(api):
    return api.sql(
        "SELECT u.email, i.provider, i.provider_uid, i.email FROM _reactor_auth.identities i "
        "JOIN _reactor_auth.users u ON u.id = i.user_id ORDER BY i.created_at"
    )


def test_a_new_person_gets_an_account_and_the_same_one_again(api, browser, acme, captured_events):
    landing = browser.sign_in()
    assert landing.place == f"{APP}/welcome"
    assert landing.answer.headers["Cache-Control"] == "no-store"
    assert landing.answer.headers["Referrer-Policy"] == "no-referrer"
    user = api.call("GET", "/user", token=landing.token).json()
    assert (user["email"], user["email_verified"], user["metadata"]) == ("ann@example.com", True, {"name": "Ann"})
    assert api.refresh(landing.fragment["refresh_token"]).status_code == 200

    acme.knobs.email = "ann@elsewhere.example"
    again = api.call("GET", "/user", token=browser.sign_in().token).json()
    assert again == user
    assert identities(api) == [["ann@example.com", "acme", "acme-1", "ann@elsewhere.example"]]
    assert [event.topic for event in captured_events.all()] == ["auth.user.created"]
    rows = api.sql("SELECT event_type, details::text FROM _reactor_auth.audit_events ORDER BY ts, id")
    assert [(kind, json.loads(details or "")) for kind, details in rows] == [
        ("user.signup", {}),
        ("identity.linked", {"provider": "acme"}),
        ("session.created", {"amr": ["oauth:acme"]}),
        ("session.refreshed", {}),
        ("session.created", {"amr": ["oauth:acme"]}),
    ]


def test_the_token_says_how_the_user_signed_in(browser):
    payload = browser.sign_in().token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims["amr"] == ["oauth:acme"]


def test_a_second_factor_is_still_owed(api, browser, bearer, enrol):
    token = browser.sign_in().token
    enrol(bearer(token))
    landing = browser.sign_in()
    assert landing.fragment["mfa_required"] == "true"
    assert set(landing.fragment) == {"access_token", "refresh_token", "expires_at", "mfa_required"}


def test_github_tells_the_address_by_its_mail_api(api, browser, github):
    user = api.call("GET", "/user", token=browser.sign_in("github").token).json()
    assert (user["email"], user["email_verified"]) == ("ann@example.com", True)
    assert identities(api) == [["ann@example.com", "github", "583231", "ann@example.com"]]

    github.user["id"], github.emails = 2, [{"email": "bob@example.com", "primary": True, "verified": False}]
    assert browser.sign_in("github").error == (
        "provider_email_unverified",
        "The sign-in provider has not verified the e-mail address.",
    )
    github.emails = [{"email": "bob@example.com", "primary": False, "verified": True}]
    assert browser.sign_in("github").error == ("email_required", "The sign-in provider tells no e-mail address.")
    github.emails = {"message": "nope"}
    assert browser.sign_in("github").error == ("provider_error", "GitHub does not list e-mail addresses")


def test_both_providers_lead_to_one_account_by_the_verified_address(api, browser):
    first = api.call("GET", "/user", token=browser.sign_in("acme").token).json()
    second = api.call("GET", "/user", token=browser.sign_in("github").token).json()
    assert first == second
    listed = api.call("GET", "/user/identities", token=browser.sign_in().token).json()
    assert [(found["provider"], found["email"]) for found in listed] == [
        ("acme", "ann@example.com"),
        ("github", "ann@example.com"),
    ]
    assert all(set(found) == {"id", "provider", "email", "created_at", "last_used_at"} for found in listed)


def test_nobody_takes_an_account_over_by_registering_its_address_first(api, browser, ann):
    """`ann@example.com` was signed up with a password and never confirmed: perhaps not by its owner."""
    assert browser.sign_in().error == (
        "email_exists",
        "An account with this e-mail address exists already, and the address was never confirmed here.",
    )
    assert identities(api) == []
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    assert api.call("GET", "/user", token=browser.sign_in().token).json()["id"] == ann.id
    assert api.sign_in("ann@example.com").id == ann.id


def test_an_address_the_provider_does_not_vouch_for_opens_nothing(api, browser, acme, ann):
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    for vouched in (False, None, "false", 1, "yes"):
        acme.knobs.email_verified = vouched
        assert browser.sign_in().error[0] == "provider_email_unverified", vouched
    acme.knobs.email = None
    assert browser.sign_in().error[0] == "email_required"
    acme.knobs.email, acme.knobs.email_verified = "not an address", True
    assert browser.sign_in().error[0] == "email_required"
    assert identities(api) == []
    reasons = api.sql("SELECT DISTINCT details->>'reason' FROM _reactor_auth.audit_events WHERE event_type = $1",
                      "login.failed")  # fmt: skip
    assert sorted(reasons) == [["email_required"], ["provider_email_unverified"]]


def test_an_address_may_come_from_userinfo_of_the_same_person_only(api, browser, acme):
    acme.knobs.email_in = "userinfo"
    acme.knobs.userinfo_sub = "somebody-else"
    assert browser.sign_in().error == ("provider_error", "Acme describes another person than its ID token")
    acme.knobs.userinfo_sub = None
    assert api.call("GET", "/user", token=browser.sign_in().token).json()["email"] == "ann@example.com"


def test_disabled_users_and_closed_doors(api, browser, acme, kernel_factory, reactor_config, reactor_database_url):
    token = browser.sign_in().token
    assert api.call("DELETE", "/user", token=token).status_code == 204
    assert browser.sign_in().error == ("user_disabled", "The user is disabled.")
    from reactor_auth.plugin import AuthPlugin

    closed = {"auth": {**reactor_config["auth"], "signup_enabled": False}}
    kernel = kernel_factory(AuthPlugin, config=closed, database_url=reactor_database_url)
    acme.knobs.sub, acme.knobs.email = "acme-2", "new@example.com"
    assert type(browser)(kernel).sign_in().error == ("signup_disabled", "Signing up is switched off on this server.")
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["1"]]


class Doorkeeper:
    info = PluginInfo(name="doorkeeper", version="1.0", api=(1, 1), summary="Lets few people in", requires=("auth",))

    @hookimpl
    def reactor_auth_before_signup(self, ctx, signup):
        asked = (signup.email, signup.email_verified, signup.metadata, signup.method)
        return (
            Deny("nobody by this door") if asked == ("ann@example.com", True, {"name": "Ann"}, "oauth:acme") else None
        )


class TestWithADoorkeeper:
    @pytest.fixture
    def reactor_plugins(self):
        from reactor_auth.plugin import AuthPlugin

        return [AuthPlugin, Doorkeeper]

    def test_other_plugins_refuse_new_people(self, api, browser, acme):
        assert browser.sign_in().error == ("signup_refused", "nobody by this door")
        assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]
        acme.knobs.email = "bob@example.com"
        assert browser.sign_in().token


def test_front_ends_learn_the_providers(api):
    assert api.call("GET", "/providers").json() == {
        "providers": [
            {
                "name": "acme",
                "label": "Acme",
                "authorize_url": "http://127.0.0.1:8000/auth/v1/authorize?provider=acme",
            },
            {
                "name": "github",
                "label": "GitHub",
                "authorize_url": "http://127.0.0.1:8000/auth/v1/authorize?provider=github",
            },
        ]
    }


def test_what_is_asked_of_the_provider(api, browser, acme):
    from urllib.parse import parse_qs, urlsplit

    parts = urlsplit(browser.begin())
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{acme.url}/authorize"
    state, nonce, challenge = (asked.pop(name) for name in ("state", "nonce", "code_challenge"))
    assert (len(state), len(nonce), len(challenge)) == (43, 32, 43)
    assert asked == {
        "client_id": "reactor-at-acme",
        "response_type": "code",
        "redirect_uri": "http://127.0.0.1:8000/auth/v1/callback/acme",
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }
    stored = str(api.sql("SELECT to_jsonb(s)::text FROM _reactor_auth.oauth_states s"))
    assert state not in stored
    assert nonce not in stored


def test_simultaneous_callbacks_make_one_account(api, new_browser, acme):
    from concurrent.futures import ThreadPoolExecutor

    browsers = [new_browser() for _ in range(6)]
    paths = [found.approve(found.begin()) for found in browsers]
    with ThreadPoolExecutor(6) as pool:
        landings = list(pool.map(lambda pair: pair[0].arrive(pair[1]), zip(browsers, paths, strict=True)))
    assert len({api.call("GET", "/user", token=landing.token).json()["id"] for landing in landings}) == 1
    assert len(identities(api)) == 1
