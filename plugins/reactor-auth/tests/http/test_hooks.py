"""Other plugins take part: who may sign up, which passwords are accepted, what tokens say."""

from __future__ import annotations

import pytest

from reactor_auth.plugin import AuthPlugin
from reactor_kernel.api import AuthClient, Deny, PluginInfo, hookimpl


class Doorkeeper:
    info = PluginInfo(name="doorkeeper", version="1.0", api=(1, 1), summary="Lets few people in", requires=("auth",))
    claims: object = None

    @hookimpl
    def reactor_auth_before_signup(self, ctx, signup):
        if signup.email is not None and signup.email.endswith("@evil.example"):
            return Deny("evil is not welcome")
        return Deny(f"no {signup.method}") if signup.metadata.get("refuse") else None

    @hookimpl
    def reactor_auth_password_check(self, ctx, password):
        if password == "explosive password":
            raise RuntimeError("the service is down")
        return Deny("appears in a list of stolen passwords") if "12345678" in password else None

    @hookimpl
    def reactor_auth_claims(self, ctx, user, org):
        yield {"plan": user.metadata.get("plan", "free"), "home": org}
        yield from user.metadata.get("claims", [])


@pytest.fixture
def reactor_plugins():
    return [AuthPlugin, Doorkeeper]


def sign_up(api, email="ann@example.com", password="correct horse", **metadata):
    return api.call("POST", "/signup", json={"email": email, "password": password, "metadata": metadata})


def test_a_plugin_refuses_sign_ups(api):
    for email in ("a@evil.example", "A@EVIL.example"):
        api.refused(sign_up(api, email), 403, "signup_refused", "evil is not welcome")
    api.refused(sign_up(api, refuse=True), 403, "signup_refused", "no password")
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]
    api.call("POST", "/otp", json={"email": "b@evil.example"})
    import re

    code = re.search(r"\d{6}", api.mails("b@evil.example")[0]["text"])
    assert code
    refusal = api.call("POST", "/token", json={"grant_type": "otp", "email": "b@evil.example", "token": code[0]})
    api.refused(refusal, 403, "signup_refused", "evil is not welcome")
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]


def test_a_plugin_refuses_passwords_wherever_one_is_set(api, caplog):
    stolen = "appears in a list of stolen passwords"
    expected = {"fields": {"password": [stolen]}}
    api.refused(sign_up(api, password="12345678"), 400, "weak_password", f"password {stolen}", **expected)
    unsure = "the doorkeeper plugin could not decide"
    answer = sign_up(api, password="explosive password")
    api.refused(answer, 400, "weak_password", f"password {unsure}", fields={"password": [unsure]})
    assert "reactor_auth_password_check of the plugin doorkeeper failed" in caplog.text
    assert "explosive password" not in caplog.text
    ann = api.sign_up("ann@example.com")
    api.refused(ann.patch("/user", {"password": "12345678"}), 400, "weak_password", f"password {stolen}", **expected)
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    api.call("POST", "/password-reset/request", json={"email": "ann@example.com"})
    token = api.link(api.mails("ann@example.com", "password_reset")[0]).split("token=")[1].split("&")[0]
    answer = api.call("POST", "/password-reset/confirm", json={"token": token, "new_password": "12345678"})
    api.refused(answer, 400, "weak_password", f"new_password {stolen}", fields={"new_password": [stolen]})
    answer = api.call("POST", "/password-reset/confirm", json={"token": token, "new_password": "another horse"})
    assert answer.status_code == 200


def test_a_plugin_adds_claims_that_follow_the_user(api):
    body = sign_up(api, plan="gold").json()
    client = api.kernel.service(AuthClient)
    claims = client.verify_token(body["session"]["access_token"]).raw
    assert (claims["plan"], claims["home"]) == ("gold", None)
    assert claims["email"] == "ann@example.com"
    person = api.sign_in("ann@example.com")
    org = person.make_org("acme")
    person.patch("/user", {"metadata": {"plan": "lead"}})
    fresh = client.verify_token(api.refresh(person.refresh_token).json()["access_token"]).raw
    assert (fresh["plan"], fresh["home"]) == ("lead", org["id"])


@pytest.mark.parametrize(
    "claims",
    [
        [{"sub": "user_x"}],
        [{"plan": "twice"}],
        ["text"],
        [{"big": "x" * 3000}],
        [{"permissions": ["*"]}],
        [{"client_org": "0198a000-0000-7000-8000-000000000000"}],
    ],
)
def test_claims_that_may_not_be_set_fail_the_sign_in_loudly(kernel, api, caplog, claims):
    import httpx

    transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        answer = client.post(
            "/auth/v1/signup",
            json={"email": "a@example.com", "password": "correct horse", "metadata": {"claims": claims}},
        )
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "plugin" in caplog.text
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]
