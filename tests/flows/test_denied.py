"""Somebody who signed up is denied a row; the operator asks by that user's id, and is told what the user met."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

MIGRATION = """
create table todos (id reactor_id primary key default reactor_id(), org_id uuid not null default auth.org_id(), title text);
create index on todos (org_id);
policy todos_of_the_org on todos for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
"""


def test_what_a_user_meets_is_explained_by_its_id(start_server: Callable[..., Any], reactor_tool: Any) -> None:
    server = start_server(files={"migrations/001_todos.sql": MIGRATION}).wait()
    reactor_tool.environ["REACTOR_SERVER__BIND"] = f"127.0.0.1:{server.port}"

    def explain(*arguments: str) -> Any:
        done = reactor_tool.run("data", "explain-access", "todos", *arguments)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout)["data"]

    with httpx.Client(base_url=server.url, timeout=30) as client:
        people: dict[str, tuple[str, dict[str, str]]] = {}
        for name in ("ann", "ben"):
            signed_up = client.post(
                "/auth/v1/signup", json={"email": f"{name}@example.com", "password": f"correct horse {name}"}
            ).json()
            token = {"Authorization": f"Bearer {signed_up['session']['access_token']}"}
            client.post("/auth/v1/orgs", json={"name": name, "slug": name}, headers=token).raise_for_status()
            people[name] = client.get("/auth/v1/me", headers=token).json()["user_id"], {**token, "X-Reactor-Org": name}
        made = client.post(
            "/data/v1/todos", json={"title": "x"}, headers={**people["ann"][1], "Prefer": "return=representation"}
        )
        key = f"id={made.json()[0]['id']}"
        seen = {
            name: client.get(f"/data/v1/todos?id=eq.{key[3:]}", headers=headers).json()
            for name, (_, headers) in people.items()
        }
    assert {name: len(rows) for name, rows in seen.items()} == {"ann": 1, "ben": 0}
    ann, ben = (explain("select", "--key", key, "--user", people[name][0], "--org", name) for name in ("ann", "ben"))
    assert (ann["allowed"], ben["allowed"]) == (True, False)
    assert ben["reason"] == (
        'the row exists, but no policy shows it: policy "todos_of_the_org" (todos_of_the_org__select) fails at'
        " org_id = (select auth.org_id()), which is false"
    )
    stranger = explain("select", "--key", key, "--user", people["ben"][0], "--org", "ann")
    assert (stranger["allowed"], stranger["role"]) == (False, None)
    assert stranger["reason"].startswith("requests of this identity are refused with 403 not_org_member: ")
