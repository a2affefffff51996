"""API keys, delegated tokens and invitations over two server processes on one database."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"]) if answer.status_code >= 400 else "ok"


class Acme:
    """An organisation of Ann's in which Bob is an admin."""

    def __init__(self, pair: Any) -> None:
        self.pair = pair
        self.ann, self.bob = pair.one.sign_up("ann@example.com"), pair.one.sign_up("bob@example.com")
        self.verify(self.bob)
        made = pair.one.call("POST", "/orgs", self.ann["access_token"], json={"name": "Acme", "slug": "acme"})
        assert made.status_code == 201, made.text
        self.roles = {
            role["name"]: role["id"]
            for role in pair.one.call("GET", "/orgs/acme/roles", self.ann["access_token"]).json()
        }
        assert code(self.join(self.bob, self.invite(self.ann, "bob@example.com", "admin"))) == "ok"

    def verify(self, person: dict[str, Any]) -> None:
        self.pair.sql("UPDATE _reactor_auth.users SET email_verified = true WHERE id = %s", person["id"])

    def invite(self, inviter: dict[str, Any], email: str, role: str) -> str:
        answer = self.try_to_invite(inviter, email, role)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["invite_link"].partition("invite_token=")[2])

    def try_to_invite(self, inviter: dict[str, Any], email: str, role: str) -> httpx.Response:
        body = {"email": email, "role_id": self.roles[role]}
        return self.pair.two.call("POST", "/orgs/acme/invitations", inviter["access_token"], json=body)

    def join(self, person: dict[str, Any], token: str) -> httpx.Response:
        return self.pair.two.call("POST", "/invitations/accept", person["access_token"], json={"token": token})

    def set_role(self, person: dict[str, Any], role: str, by: dict[str, Any] | None = None) -> httpx.Response:
        path, token = f"/orgs/acme/members/{person['id']}", (by or self.ann)["access_token"]
        return self.pair.one.call("PATCH", path, token, json={"role_id": self.roles[role]})

    def key(self, scopes: list[str] | None) -> dict[str, Any]:
        body = {"name": "robot", "scopes": scopes}
        answer = self.pair.one.call(
            "POST", "/api-keys", self.bob["access_token"], json=body, headers={"X-Reactor-Org": "acme"}
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@pytest.fixture
def acme(start_pair: Any) -> Acme:
    return Acme(start_pair())


def held(node: Any, credential: str) -> list[str]:
    answer = node.call("GET", "/permissions", credential)
    return list(answer.json()["permissions"]) if answer.status_code == 200 else [code(answer)]


def test_a_key_is_narrowed_with_its_owner_and_dead_at_once_everywhere(acme: Acme, eventually: Any) -> None:
    """`eventually` waits less than anything is cached, so that only notifications make it true."""
    pair, key = acme.pair, acme.key(["data:*", "functions:*"])
    delegated = pair.one.call(
        "POST", "/tokens/delegate", acme.bob["access_token"], json={"scopes": ["data:*"], "org": "acme"}
    ).json()["access_token"]
    for node in pair.nodes:
        assert held(node, key["key"]) == ["data:*", "functions:*"]
        assert held(node, delegated) == ["data:*"]

    assert code(acme.set_role(acme.bob, "member")) == "ok"
    for node in pair.nodes:
        eventually(lambda node=node: held(node, key["key"]) == ["data:*:read", "functions:*:invoke"])
        eventually(lambda node=node: held(node, delegated) == ["data:*:read"])

    # A role of one's own that changes while it is used reaches both as well.
    body = {"name": "robots", "permissions": ["data:a:write"]}
    role = pair.one.call("POST", "/orgs/acme/roles", acme.ann["access_token"], json=body).json()
    acme.roles["robots"] = role["id"]
    assert code(acme.set_role(acme.bob, "robots")) == "ok"
    for node in pair.nodes:
        eventually(lambda node=node: held(node, key["key"]) == ["data:a:write"])
    body = {"permissions": ["data:b:write", "jobs:a:invoke"]}
    assert code(pair.two.call("PATCH", f"/orgs/acme/roles/{role['id']}", acme.ann["access_token"], json=body)) == "ok"
    for node in pair.nodes:
        eventually(lambda node=node: held(node, key["key"]) == ["data:b:write"])

    for node in pair.nodes:
        for method, path, sent in (
            ("GET", "/api-keys", None),
            ("POST", "/api-keys", {"name": "more"}),
            ("DELETE", f"/api-keys/{key['id']}", None),
            ("POST", "/tokens/delegate", {"scopes": ["data:b:write"]}),
            ("PATCH", "/user", {"password": "battery staple horse"}),
            ("POST", "/logout?scope=global", None),
            ("DELETE", "/user", None),
        ):
            for credential in (key["key"], delegated):
                assert code(node.call(method, path, credential, json=sent)) == "permission_denied", path

    assert code(pair.one.call("DELETE", f"/api-keys/{key['id']}", acme.bob["access_token"])) == "ok"
    # A request that is sent a second after the answer finds the key dead, at whichever process.
    revoked = time.monotonic()
    assert code(pair.one.call("GET", "/user", key["key"])) == "invalid_token"
    sent = revoked
    while code(pair.two.call("GET", "/user", key["key"])) != "invalid_token":
        assert sent - revoked < 1.0, "the key still opens doors a second after it was revoked"
        time.sleep(0.02)
        sent = time.monotonic()
    assert held(pair.two, delegated) == ["data:b:write"]

    assert code(pair.one.call("POST", "/logout", acme.bob["access_token"])) == "ok"
    for node in pair.nodes:
        eventually(lambda node=node: code(node.call("GET", "/user", delegated)) == "session_revoked")


def test_a_keys_use_is_noted_by_the_process_it_was_used_on(acme: Acme, eventually: Any) -> None:
    pair, key = acme.pair, acme.key(None)

    def noted() -> object:
        return pair.one.call("GET", "/api-keys", acme.bob["access_token"]).json()["keys"][0]["last_used_at"]

    assert noted() is None
    assert code(pair.two.call("GET", "/user", key["key"])) == "ok"
    eventually(noted, 30)


def test_an_invitation_brings_in_its_addressee_only_and_nobody_above_the_inviter(acme: Acme) -> None:
    pair = acme.pair
    assert code(acme.try_to_invite(acme.bob, "carl@example.com", "owner")) == "permission_denied"
    token = acme.invite(acme.bob, "carl@example.com", "member")
    eve = pair.one.sign_up("eve@example.com")
    acme.verify(eve)
    assert code(acme.join(eve, token)) == "invitation_email_mismatch"
    carl = pair.two.call(
        "POST", "/signup", json={"email": "carl@example.com", "password": "correct horse", "invite_token": token}
    ).json()
    for node in pair.nodes:
        [org] = node.call("GET", "/me", carl["session"]["access_token"]).json()["orgs"]
        assert (org["org_slug"], org["role"]) == ("acme", "member")
    assert code(acme.join(eve, token)) == "invitation_used"


def test_two_owners_demoting_each_other_a_hundred_times_always_leave_one(acme: Acme) -> None:
    pair = acme.pair
    people = {acme.ann["id"]: acme.ann, acme.bob["id"]: acme.bob}
    assert code(acme.set_role(acme.bob, "owner")) == "ok"

    def demote(pairing: tuple[Any, dict[str, Any], dict[str, Any]]) -> httpx.Response:
        node, by, target = pairing
        path, body = f"/orgs/acme/members/{target['id']}", {"role_id": acme.roles["member"]}
        answer: httpx.Response = node.call("PATCH", path, by["access_token"], json=body)
        return answer

    with ThreadPoolExecutor(2) as pool:
        for _ in range(100):
            tries = ((pair.one, acme.ann, acme.bob), (pair.two, acme.bob, acme.ann))
            statuses = sorted(answer.status_code for answer in pool.map(demote, tries))
            owners = pair.sql(
                "SELECT user_id::text FROM _reactor_auth.memberships WHERE role_id = %s", acme.roles["owner"]
            )
            assert len(owners) == 1
            assert statuses == [200, 403]
            [(owner,)] = owners
            loser = next(person for user_id, person in people.items() if user_id != owner)
            assert code(acme.set_role(loser, "owner", by=people[owner])) == "ok"
