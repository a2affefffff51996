"""Somebody signs up with an address of somebody else and prepares ways back in; its owner comes, and they are shut."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

NEW = "another horse entirely"


@pytest.fixture
def auth_config(auth_config):
    # Passkeys belong to a domain.
    auth_config["public_url"] = "http://localhost:8000"
    return auth_config


def change_token(api, email):
    [mail] = api.mails(email, "email_change")
    return parse_qs(urlsplit(api.link(mail)).query)["token"][0]


def confirm(api, token):
    return api.call("POST", "/verify", json={"token": token, "type": "email_change"})


def passkey_login(api, authenticator):
    begun = api.call("POST", "/webauthn/login/start").json()
    credential = authenticator.get(begun["options"])
    body = {"session_id": begun["session_id"], "credential": credential}
    return api.call("POST", "/webauthn/login/finish", json=body)


def test_no_way_back_in_is_left_to_a_squatter(api, ann, register, enrol, authenticator):
    org = ann.make_org("acme")
    key = ann.post("/api-keys", {"name": "back door"}).json()["key"]
    assert ann.patch("/user", {"email": "squatter@example.com"}).status_code == 200
    client = {"name": "Mine", "redirect_uris": ["https://a.example/b"], "scopes": ["openid"]}
    client_id = ann.post("/oauth/clients", client, org=org["id"]).json()["client_id"]
    api.sql(
        "INSERT INTO _reactor_auth.oauth_consents (user_id, client_id, scopes, granted_at) "
        "VALUES ($1, $2, '{openid}', now())",
        ann.id,
        client_id,
    )
    app = enrol(ann)
    ann.access_token = app.tokens["access_token"]
    register(ann, authenticator)
    api.sql(
        "INSERT INTO _reactor_auth.identities (id, user_id, provider, provider_uid, created_at, last_used_at) "
        "VALUES ($1, $1, 'acme', 'squatter', now(), now())",
        ann.id,
    )
    assert api.call("GET", "/me", token=key).status_code == 200
    assert passkey_login(api, authenticator).status_code == 200

    assert api.call("POST", "/otp", json={"email": "ann@example.com"}).status_code == 202
    code = re.search(r"\b\d{6}\b", api.mails("ann@example.com", "magic_link")[-1]["text"])[0]
    body = {"grant_type": "otp", "email": "ann@example.com", "token": code}
    owner = api.call("POST", "/token", json=body)
    assert owner.json()["user"]["id"] == ann.id

    assert api.call("GET", "/me", token=key).status_code == 401
    assert passkey_login(api, authenticator).status_code == 401
    for table in ("identities", "mfa_factors", "recovery_codes", "webauthn_credentials", "oauth_consents"):
        assert api.sql(f"SELECT count(*) FROM _reactor_auth.{table}") == [["0"]], table
    # Nobody asks the owner for the second factor of whoever was here before.
    assert "mfa_required" not in owner.json()
    assert confirm(api, change_token(api, "squatter@example.com")).status_code == 401
    [[details]] = api.sql("SELECT details FROM _reactor_auth.audit_events WHERE event_type = 'user.verified'")
    assert json.loads(details) == {
        "password": "removed",
        "removed": {
            "authenticator_apps": 1,
            "passkeys": 1,
            "recovery_codes": 10,
            "identities": 1,
            "consents": 1,
            "api_keys": 1,
        },
    }
    # Whoever owns the address may make all of this anew.
    token = owner.json()["access_token"]
    assert api.call("GET", "/factors", token=token).json() == {"factors": [], "recovery_codes_left": 0}
    assert api.call("GET", "/user", token=token).json()["email"] == "ann@example.com"
    assert api.call("GET", "/user/identities", token=token).json() == []


def test_a_new_password_ends_a_wish_for_another_address(api, ann):
    assert ann.patch("/user", {"email": "thief@example.com"}).status_code == 200
    token = change_token(api, "thief@example.com")
    assert ann.patch("/user", {"password": NEW}).status_code == 200
    assert confirm(api, token).status_code == 401
    # Both at once are one wish.
    assert ann.patch("/user", {"password": "yet another horse", "email": "new@example.com"}).status_code == 200
    assert confirm(api, change_token(api, "new@example.com")).status_code == 200


def test_what_an_administrator_sets_ends_a_wish_for_another_address(api, ann):
    from reactor_kernel.testing.project import ADMIN_TOKEN

    assert ann.patch("/user", {"email": "thief@example.com"}).status_code == 200
    token = change_token(api, "thief@example.com")
    answer = api.call("PATCH", f"/_admin/users/{ann.id}", token=ADMIN_TOKEN, json={"password": NEW})
    assert answer.status_code == 200, answer.text
    assert confirm(api, token).status_code == 401
