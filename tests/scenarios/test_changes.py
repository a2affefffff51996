"""Changes over two servers: what one writes the other one's subscribers receive, as long as they are members."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

MIGRATION = """
create table entries (id int primary key, org_id uuid not null default auth.org_id(), title text not null);
policy entries_of_the_org on entries for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
"""


class Follower(threading.Thread):
    """Collects the events of one connection."""

    def __init__(self, server: str, token: str, org: str) -> None:
        super().__init__(daemon=True)
        self.url = f"{server}/data/v1/entries?subscribe=1"
        self.headers = {"Authorization": f"Bearer {token}", "X-Reactor-Org": org, "Accept": "text/event-stream"}
        self.began, self.over = threading.Event(), threading.Event()
        self.events: list[tuple[str, Any]] = []

    def run(self) -> None:
        event = ""
        with httpx.stream("GET", self.url, headers=self.headers, timeout=60) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                self.began.set()
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    self.events.append((event, json.loads(value)))
        self.over.set()

    def titles(self) -> list[str]:
        return [data["new"]["title"] for event, data in self.events if event == "INSERT"]


def test_changes_cross_servers_and_end_with_the_membership(
    start_pair: Callable[..., Any], reactor_tool: Any, eventually: Any
) -> None:
    folder: Path = reactor_tool.directory / "migrations"
    folder.mkdir()
    (folder / "001_entries.sql").write_text(MIGRATION)
    pair = start_pair()
    ann, eve = pair.one.sign_up("ann@example.com"), pair.one.sign_up("eve@example.com")
    made = pair.one.call("POST", "/orgs", ann["access_token"], json={"name": "Acme", "slug": "acme"}).json()
    org = made.get("org", made)["id"]
    pair.sql(
        "INSERT INTO _reactor_auth.memberships (user_id, org_id, role_id, joined_at, updated_at) "
        "SELECT %s, %s, id, now(), now() FROM _reactor_auth.roles WHERE org_id = %s AND name = 'member'",
        eve["id"],
        org,
        org,
    )
    followers = [Follower(pair.one.server.url, who["access_token"], org) for who in (ann, eve)]
    for follower in followers:
        follower.start()
        assert follower.began.wait(20)

    def write(number: int) -> None:
        answer = httpx.post(
            f"{pair.two.server.url}/data/v1/entries",
            json={"id": number, "title": str(number)},
            headers={"Authorization": f"Bearer {ann['access_token']}", "X-Reactor-Org": org},
            timeout=20,
        )
        assert answer.status_code == 201, answer.text

    write(1)
    eventually(lambda: all(follower.titles() == ["1"] for follower in followers))
    removed = pair.two.call("DELETE", f"/orgs/acme/members/{eve['id']}", ann["access_token"])
    assert removed.status_code == 204, removed.text
    # Node one has forgotten the membership when the notice has arrived there.
    eventually(lambda: pair.one.call("GET", "/orgs/acme", eve["access_token"]).status_code != 200)
    write(2)
    eventually(lambda: followers[0].titles() == ["1", "2"])
    assert followers[1].over.wait(20)
    assert followers[1].titles() == ["1"]
    last, facts = followers[1].events[-1]
    assert (last, facts["code"]) == ("error", "not_org_member")
