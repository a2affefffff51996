"""What somebody may make this server write or mail without end."""

from __future__ import annotations

import json

import httpx
import pytest


@pytest.fixture
def auth_config(auth_config, frozen_clock):
    auth_config["limits"] |= {
        "operator_refusals_per_address": 3,
        "mail_per_account": 2,
        "mail_per_address": 4,
        "invitations_per_account": 3,
        "invitations_per_user": 5,
    }
    return auth_config


def refused_from(kernel, address, times, path="/_ops/v1/operators/status"):
    transport = httpx.WSGITransport(app=kernel.app, remote_addr=address)
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        for _ in range(times):
            assert client.get(path).status_code == 401


def log(api):
    rows = api.sql("SELECT action, host(actor_ip), details FROM _reactor_auth.ops_audit_log ORDER BY id")
    return [(action, address, json.loads(details)) for action, address, details in rows]


def test_refused_operator_calls_do_not_fill_the_log(api, kernel, frozen_clock):
    refused_from(kernel, "127.0.0.1", 10)
    code = {"code": "authentication_required"}
    single = ("operators.status", "127.0.0.1", code)
    rest = ("operators.status", "127.0.0.1", {**code, "repeated": 7, "network": "127.0.0.1"})
    assert log(api) == [single, single, single, rest]
    refused_from(kernel, "127.0.0.1", 2, "/_ops/v1/audit")
    assert log(api)[4:] == [("audit.list", "127.0.0.1", {**code, "repeated": 2, "network": "127.0.0.1"})]
    frozen_clock.advance(seconds=180)
    refused_from(kernel, "127.0.0.1", 4)
    assert log(api)[5:] == [single, single, single, ("operators.status", "127.0.0.1", {**rest[2], "repeated": 1})]


def test_an_address_nobody_confirmed_is_not_flooded_with_notices(api, ann):
    for number in range(6):
        assert ann.patch("/user", {"password": f"battery staple {number}"}).status_code == 200
    assert len(api.mails("ann@example.com", "password_changed")) == 2
    body = {"email": "ann@example.com", "password": "battery staple 5"}
    for name in ("curl", "wget", "lynx"):
        assert api.call("POST", "/login", json=body, headers={"User-Agent": name}).status_code == 200
    assert api.mails("ann@example.com", "new_device") == []
    # Who confirmed the address hears of everything.
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    for number in range(6, 12):
        assert ann.patch("/user", {"password": f"battery staple {number}"}).status_code in (200, 401)
    assert len(api.mails("ann@example.com", "password_changed")) == 8


def test_nobody_mails_everybody_with_invitations(api, ann, bob):
    for number in range(6):
        ann.make_org(f"acme{number}")

    def invite(org, name):
        return ann.post(f"/orgs/{org}/invitations", {"email": f"{name}@example.com"}).status_code

    # One address, from one organisation and from many.
    assert [invite("acme0", "eve") for _ in range(3)] == [201, 201, 429]
    assert [invite(f"acme{number}", "eve") for number in (1, 2)] == [201, 429]
    # And everybody once.
    assert [invite("acme0", f"guest{number}") for number in range(4)] == [201, 201, 429, 429]
    assert bob.make_org("zoo")["slug"] == "zoo"
    assert bob.post("/orgs/zoo/invitations", {"email": "guest9@example.com"}).status_code == 201


def test_nobody_mails_everybody_with_wishes_for_an_address(api, ann):
    answers = [ann.patch("/user", {"email": f"guest{number}@example.com"}).status_code for number in range(6)]
    assert answers == [200, 200, 200, 200, 429, 429]
