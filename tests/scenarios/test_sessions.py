"""Sessions, keys and membership over two server processes on one database."""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.thorough]


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"]) if answer.status_code >= 400 else "ok"


def kid_of(token: str) -> str:
    head = token.split(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def test_a_replayed_refresh_token_ends_its_family_and_no_other(start_pair: Any, eventually: Any) -> None:
    pair = start_pair()
    ann = pair.one.sign_up("ann@example.com")
    phone, bob = pair.two.sign_in("ann@example.com"), pair.two.sign_up("bob@example.com")
    chain = [ann["refresh_token"]]
    for node in (pair.two, pair.one, pair.two):
        renewed = node.refresh(chain[-1]).json()
        chain.append(renewed["refresh_token"])
        for other in pair.nodes:
            assert other.call("GET", "/user", renewed["access_token"]).status_code == 200
    assert code(pair.one.refresh(chain[0])) == "refresh_token_reuse"
    for token in chain:
        assert [code(node.refresh(token)) for node in pair.nodes] == ["session_revoked"] * 2
    for node in pair.nodes:
        eventually(lambda node=node: code(node.call("GET", "/user", renewed["access_token"])) == "session_revoked", 5)
        assert node.call("GET", "/user", phone["access_token"]).status_code == 200
        assert node.call("GET", "/user", bob["access_token"]).status_code == 200
    assert pair.one.refresh(phone["refresh_token"]).status_code == 200
    assert pair.one.refresh(bob["refresh_token"]).status_code == 200


@pytest.mark.parametrize("grace", [0, 10])
def test_twenty_parallel_refreshes_never_make_two_live_successors(start_pair: Any, grace: int) -> None:
    pair = start_pair(AUTH__REFRESH_REUSE_GRACE_SECS=grace)
    ann = pair.one.sign_up("ann@example.com")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: pair.nodes[n % 2].refresh(ann["refresh_token"]), range(20)))
    successors = {answer.json()["refresh_token"] for answer in answers if answer.status_code == 200}
    assert len(successors) == 1
    [(live,)] = pair.sql(
        "SELECT count(*) FROM _reactor_auth.refresh_tokens t JOIN _reactor_auth.sessions s ON s.id = t.session_id "
        "WHERE t.used_at IS NULL AND s.revoked_at IS NULL"
    )
    if grace:
        assert [code(answer) for answer in answers] == ["ok"] * 20
        assert live == 1
    else:
        assert sorted(map(code, answers)) == ["ok", "refresh_token_reuse"] + ["session_revoked"] * 18
        assert live == 0


class Client(threading.Thread):
    """A front end: refreshes when its token is about to expire, and tries again what got no answer."""

    def __init__(self, nodes: list[Any], tokens: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.nodes, self.tokens = nodes, tokens
        self.refreshes = self.calls = 0
        self.signed_out: list[str] = []
        self.done = threading.Event()
        self._turn = 0

    def run(self) -> None:
        while not self.done.wait(0.05):
            claims = self.tokens["access_token"].split(".")[1]
            expires = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
            if time.time() > expires - 2:
                self.refresh()
            else:
                self.call("GET", "/user", self.tokens["access_token"])

    def refresh(self) -> None:
        body = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        answer = self.call("POST", "/token", None, json=body)
        if answer is not None and answer.status_code == 200:
            self.tokens = answer.json()
            self.refreshes += 1

    def call(self, method: str, path: str, token: str | None, **options: Any) -> httpx.Response | None:
        self._turn += 1
        try:
            answer: httpx.Response = self.nodes[self._turn % len(self.nodes)].call(method, path, token, **options)
        except httpx.TransportError:
            return None  # down; what a client does is to try again
        self.calls += answer.status_code == 200
        if 400 <= answer.status_code < 500:
            self.signed_out.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    def stop(self) -> None:
        self.done.set()
        self.join(60)
        assert not self.is_alive()


@pytest.mark.faults
def test_nobody_is_signed_out_by_restarts_and_outages(start_pair: Any) -> None:
    """Tokens of five seconds. The grace is longer than a busy test machine may take to start a server."""
    pair = start_pair(AUTH__ACCESS_TTL_SECS=5, AUTH__REFRESH_REUSE_GRACE_SECS=90)
    clients = [
        Client([pair.one], pair.one.sign_up("ann@example.com")),
        Client([pair.one, pair.two], pair.two.sign_up("bob@example.com")),
    ]
    for client in clients:
        client.start()
    time.sleep(4)
    pair.one.server.stop()
    pair.one.restart()
    pair.one.server.wait()
    time.sleep(3)
    for node in pair.nodes:
        node.kill()
    time.sleep(3)
    for node in pair.nodes:
        node.restart()
    for node in pair.nodes:
        node.server.wait()
    before = [(client.refreshes, client.calls) for client in clients]
    time.sleep(8)
    for client, (refreshes, calls) in zip(clients, before, strict=True):
        client.stop()
        assert client.signed_out == []
        assert client.refreshes > refreshes, "it did not refresh after the outage"
        assert client.calls > calls


def test_the_key_is_renewed_under_load_without_one_refusal(start_pair: Any, admin_token: str, eventually: Any) -> None:
    pair = start_pair(AUTH__ACCESS_TTL_SECS=5, AUTH__KEY_LEAD_SECS=2, AUTH__KEY_OVERLAP_SECS=36)
    clients = [Client(pair.nodes, pair.one.sign_up(f"user{number}@example.com")) for number in range(4)]
    old = kid_of(clients[0].tokens["access_token"])
    for client in clients:
        client.start()
    answer = pair.two.call("POST", "/_admin/rotate-keys", admin_token)
    assert answer.status_code == 200, answer.text
    new = answer.json()["kid"]

    def published(node: Any) -> set[str]:
        return {key["kid"] for key in node.call("GET", "/keys").json()["keys"]}

    for node in pair.nodes:
        eventually(lambda node=node: published(node) == {old, new}, 5)
    eventually(lambda: all(kid_of(client.tokens["access_token"]) == new for client in clients), 30)
    # A restart in the middle of the overlap changes nothing.
    pair.one.server.stop()
    pair.one.restart()
    pair.one.server.wait()
    assert published(pair.one) == {old, new}
    # The overlap of 36 s, without waiting for it.
    pair.sql("UPDATE _reactor_auth.signing_keys SET rotated_at = now() - interval '37 seconds' WHERE kid = %s", old)
    for node in pair.nodes:
        eventually(lambda node=node: published(node) == {new}, 30)
    for client in clients:
        # However slow the machine is, enough was asked to tell.
        eventually(lambda client=client: client.calls > 20 or client.signed_out, 60)
        client.stop()
        assert client.signed_out == []
    assert pair.sql("SELECT private_key_pem FROM _reactor_auth.signing_keys WHERE kid = %s", old) == [("",)]


def test_membership_and_sessions_end_and_begin_at_once_on_both(start_pair: Any, eventually: Any) -> None:
    """Five seconds at most, where what is cached lives for thirty."""
    pair = start_pair()
    ann, bob = pair.one.sign_up("ann@example.com"), pair.two.sign_up("bob@example.com")
    org = pair.one.call("POST", "/orgs", ann["access_token"], json={"name": "Acme", "slug": "acme"}).json()
    roles = {name: str(role) for name, role in pair.sql("SELECT name, id FROM _reactor_auth.roles")}

    def standing(node: Any) -> str:
        answer = node.call("GET", "/permissions/ctx", bob["access_token"], headers={"X-Reactor-Org": "acme"})
        return answer.json()["org"]["role_id"] if answer.status_code == 200 else code(answer)

    for _ in range(2):
        assert [standing(node) for node in pair.nodes] == ["not_org_member"] * 2
        pair.sql(
            "INSERT INTO _reactor_auth.memberships (user_id, org_id, role_id, joined_at, updated_at) "
            "VALUES (%s, %s, %s, now(), now())",
            bob["id"],
            org["id"],
            roles["member"],
        )
        assert [standing(node) for node in pair.nodes] == [roles["member"]] * 2
        changed = pair.one.call(
            "PATCH", f"/orgs/acme/members/{bob['id']}", ann["access_token"], json={"role_id": roles["admin"]}
        )
        assert changed.status_code == 200, changed.text
        for node in pair.nodes:
            eventually(lambda node=node: standing(node) == roles["admin"], 5)
        removed = pair.two.call("DELETE", f"/orgs/acme/members/{bob['id']}", ann["access_token"])
        assert removed.status_code == 204, removed.text
        for node in pair.nodes:
            eventually(lambda node=node: standing(node) == "not_org_member", 5)
    for node in pair.nodes:
        assert node.call("GET", "/user", bob["access_token"]).status_code == 200
    assert pair.two.call("DELETE", "/user/sessions?scope=all", bob["access_token"]).status_code == 204
    for node in pair.nodes:
        eventually(lambda node=node: code(node.call("GET", "/user", bob["access_token"])) == "session_revoked", 5)
