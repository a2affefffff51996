"""kill -9 of the server amid writes: a subscriber that resumes with its last event id has missed nothing."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

KILLS = int(os.environ.get("REACTOR_TEST_KILLS", "4"))
MIGRATION = """
create table entries (
  id     reactor_id primary key default reactor_id(),
  org_id uuid not null default auth.org_id(),
  title  text not null
);
policy entries_of_the_org on entries for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
"""

pytestmark = pytest.mark.faults


class Browser(threading.Thread):
    """Follows a stream as EventSource does: connects again with the last id, whatever ended the connection."""

    def __init__(self, url: str, token: str, table: str = "entries") -> None:
        super().__init__(daemon=True)
        self.url, self.params = f"{url}/data/v1/{table}", {"subscribe": "1", "access_token": token}
        self.last_id: str | None = None
        self.events: list[tuple[str, Any]] = []
        self.connected = threading.Event()
        self.connections = 0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            headers = {"Accept": "text/event-stream"}
            if self.last_id is not None:
                headers["Last-Event-ID"] = self.last_id
            try:
                with httpx.stream("GET", self.url, params=self.params, headers=headers, timeout=20) as answer:
                    if answer.status_code == 200:
                        self.connections += 1
                        self.follow(answer)
            except httpx.TransportError:
                pass  # killed; the next connection goes on
            time.sleep(0.05)

    def follow(self, answer: httpx.Response) -> None:
        event = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
                self.connected.set()
            elif name == "event":
                event = value
            elif name == "data":
                self.events.append((event, json.loads(value)))
            if self.stopped:
                return

    def titles(self) -> list[str]:
        """What was inserted, each change once."""
        once = {data["id"]: data["new"]["title"] for event, data in list(self.events) if event == "INSERT"}
        return list(once.values())


def member(client: httpx.Client, email: str, slug: str) -> tuple[str, dict[str, str]]:
    """Sign up and make an organisation; return a token of it as the default one, and headers."""
    credentials = {"email": email, "password": "correct horse battery"}
    made = client.post("/auth/v1/signup", json=credentials)
    assert made.status_code == 201, made.text
    bearer = {"Authorization": f"Bearer {made.json()['session']['access_token']}"}
    org = client.post("/auth/v1/orgs", json={"name": slug, "slug": slug}, headers=bearer)
    assert org.status_code == 201, org.text
    session = client.post("/auth/v1/login", json=credentials)
    assert session.status_code == 200, session.text
    token = session.json()["access_token"]
    return token, {"Authorization": f"Bearer {token}", "X-Reactor-Org": org.json().get("org", org.json())["id"]}


def eventually(check: Callable[[], bool], what: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def test_nothing_is_lost_and_nobody_else_sees_it(start_server: Callable[..., Any], reactor_tool: Any) -> None:
    dice = random.Random(int(os.environ.get("REACTOR_TEST_SEED", "11")))
    reactor_tool.environ["REACTOR_SERVER__WORKERS"] = "2"
    server = start_server(files={"migrations/001_entries.sql": MIGRATION}).wait()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        token, headers = member(client, "ann@example.com", "ann")
        strange, _ = member(client, "bob@example.com", "bob")
    browsers = [Browser(server.url, token), Browser(server.url, strange)]
    for browser in browsers:
        browser.start()
        assert browser.connected.wait(20), server.text()
    written: list[str] = []
    done = threading.Event()

    def write(name: str) -> None:
        number = 0
        with httpx.Client(base_url=server.url, headers=headers, timeout=10) as client:
            while not done.is_set():
                number += 1
                try:
                    answer = client.post("/data/v1/entries", json={"title": f"{name}-{number}"})
                except httpx.TransportError:
                    time.sleep(0.02)  # whether it was stored is unknown, and both are right
                    continue
                if answer.status_code == 201:
                    written.append(f"{name}-{number}")
                time.sleep(0.005)

    writers = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(3)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.3, 1.0))
        server.kill()
        server = start_server(port=server.port).wait()
    time.sleep(0.5)
    done.set()
    for writer in writers:
        writer.join(30)
    ann, bob = browsers
    eventually(lambda: set(written) <= set(ann.titles()), f"lost: {sorted(set(written) - set(ann.titles()))[:5]}")
    assert len(written) > 20 * KILLS
    assert ann.connections > KILLS
    assert {event for event, _ in ann.events} <= {"INSERT", "shutdown"}
    assert bob.titles() == []
    ann.stopped = bob.stopped = True
    assert token not in server.text(), "the token of an address is in the log"
    assert server.stop() == 0
