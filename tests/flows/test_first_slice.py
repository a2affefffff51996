"""From an empty directory to two people who each see their own organisation's rows; driven as a person drives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

MIGRATION = """
create table todos (
  id     reactor_id primary key default reactor_id(),
  org_id uuid not null default auth.org_id(),
  title  text not null,
  done   boolean not null default false
) with (rls = true);

policy todos_of_the_org on todos for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
"""


@dataclass
class Person:
    """Somebody who signed up and made an organisation."""

    client: httpx.Client
    token: str
    org: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "X-Reactor-Org": self.org["id"]}

    def titles(self, **headers: str) -> list[str]:
        answer = self.client.get("/data/v1/todos?select=title&order=title", headers={**self.headers, **headers})
        assert answer.status_code == 200, answer.text
        return [row["title"] for row in answer.json()]


def person(client: httpx.Client, name: str) -> Person:
    credentials = {"email": f"{name}@example.com", "password": f"correct horse {name}"}
    signed_up = client.post("/auth/v1/signup", json=credentials)
    assert signed_up.status_code == 201, signed_up.text
    token = signed_up.json()["session"]["access_token"]
    made = client.post(
        "/auth/v1/orgs", json={"name": f"{name}'s", "slug": name}, headers={"Authorization": f"Bearer {token}"}
    )
    assert made.status_code == 201, made.text
    return Person(client, token, made.json().get("org", made.json()))


@pytest.fixture
def people(start_server: Callable[..., Any]) -> Iterator[tuple[Person, Person]]:
    server = start_server(files={"migrations/001_todos.sql": MIGRATION}).wait()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield person(client, "ann"), person(client, "ben")


def test_two_people_each_see_their_own_organisations_rows(people: tuple[Person, Person]) -> None:
    ann, ben = people
    for owner, titles in ((ann, ["a1", "a2"]), (ben, ["b1"])):
        for title in titles:
            made = owner.client.post("/data/v1/todos", json={"title": title}, headers=owner.headers)
            assert made.status_code == 201, made.text
    assert ann.titles() == ["a1", "a2"]
    assert ben.titles() == ["b1"]

    # Nobody changes or deletes what they do not see.
    changed = ben.client.patch("/data/v1/todos?title=eq.a1", json={"title": "mine"}, headers=ben.headers)
    assert changed.status_code in (200, 204), changed.text
    deleted = ben.client.delete("/data/v1/todos?title=eq.a2", headers=ben.headers)
    assert deleted.status_code in (200, 204), deleted.text
    assert ann.titles() == ["a1", "a2"]

    # Nobody writes into somebody else's organisation.
    smuggled = {"title": "smuggled", "org_id": ann.org["id"]}
    answer = ben.client.post("/data/v1/todos", json=smuggled, headers=ben.headers)
    assert answer.status_code == 403, answer.text
    assert ann.titles() == ["a1", "a2"]

    # A forged organisation is refused, also by its slug, and also one that does not exist.
    for forged in (ann.org["id"], ann.org["slug"]):
        answer = ben.client.get("/data/v1/todos", headers={**ben.headers, "X-Reactor-Org": forged})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_org_member")
    answer = ben.client.get("/data/v1/todos", headers={**ben.headers, "X-Reactor-Org": "no-such-org"})
    assert answer.status_code == 404

    # No token and a bad token are 401.
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Bearer {ann.token}x"}):
        answer = ann.client.get("/data/v1/todos", headers=headers)
        assert answer.status_code == 401, answer.text
        assert answer.json()["ok"] is False
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_what_was_made_is_there_after_a_restart(
    people: tuple[Person, Person], start_server: Callable[..., Any], reactor_tool: Any
) -> None:
    ann, _ = people
    ann.client.post("/data/v1/todos", json={"title": "kept"}, headers=ann.headers)
    # The second server shares the embedded database with the first, as a second node would.
    second = start_server().wait()
    with httpx.Client(base_url=second.url, timeout=30) as client:
        assert Person(client, ann.token, ann.org).titles() == ["kept"]
    config = (reactor_tool.directory / "Reactor.toml").read_text()
    assert "[auth]" in config
    assert "[data]" in config


def test_the_start_screen_tells_what_a_newcomer_needs(start_server: Callable[..., Any]) -> None:
    server = start_server().wait()
    text = server.text()
    assert server.url in text
    for word in ("auth", "data", "curl", "token"):
        assert word in text, f"{word!r} is not on the start screen:\n{text}"
    assert server.stop() == 0
