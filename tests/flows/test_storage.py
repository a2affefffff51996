"""Storage with the other capabilities: why an object is hidden, buckets as files, and the organisation in the path."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

POLICIES = """
create policy own_folder on storage.objects for select to reactor_authenticated
  using ((storage.foldername(key))[1] = (select auth.user_id())::text);
create policy small on storage.objects for insert to reactor_authenticated with check (size < 10 and org_id = (select auth.org_id()));
"""


@pytest.fixture
def person() -> Callable[..., tuple[str, dict[str, str]]]:
    """Sign up with an organisation; returns the user's id and headers."""

    def sign_up(client: httpx.Client, name: str) -> tuple[str, dict[str, str]]:
        body = {"email": f"{name}@example.com", "password": f"correct horse {name}"}
        session = client.post("/auth/v1/signup", json=body).json()["session"]
        token = {"Authorization": f"Bearer {session['access_token']}"}
        client.post("/auth/v1/orgs", json={"name": name, "slug": name}, headers=token).raise_for_status()
        return client.get("/auth/v1/me", headers=token).json()["user_id"], {**token, "X-Reactor-Org": name}

    return sign_up


def test_the_policy_that_hides_an_object_is_named(
    start_server: Callable[..., Any], reactor_tool: Any, person: Any
) -> None:
    server = start_server(files={"migrations/001_storage.sql": POLICIES}).wait()
    reactor_tool.environ["REACTOR_SERVER__BIND"] = f"127.0.0.1:{server.port}"

    def explain(*arguments: str) -> Any:
        done = reactor_tool.run("data", "explain-access", "storage.objects", *arguments)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout)["data"]

    with httpx.Client(base_url=f"{server.url}", timeout=30) as client:
        ann, headers = person(client, "ann")
        client.post("/storage/v1/buckets", json={"name": "docs"}, headers=headers).raise_for_status()
        made = client.put(f"/storage/v1/object/docs/{ann}/mine.txt", content=b"x", headers=headers)
        assert made.status_code == 200, made.text
        # Postgres lets nobody store a row that they could not read; the admin token is past that.
        admin = (reactor_tool.directory / ".reactor" / "admin-token").read_text().strip()
        org = client.get("/auth/v1/orgs", headers=headers).json()[0]["id"]
        platform = {"Authorization": f"Bearer {admin}", "X-Reactor-Org": org}
        made = client.put("/storage/v1/object/docs/other/theirs.txt", content=b"x", headers=platform)
        assert made.status_code == 200, made.text
        ids = {one["key"]: one["id"] for one in _all(client, reactor_tool)}
        assert [client.get(f"/storage/v1/object/docs/{key}", headers=headers).status_code for key in ids] == [200, 404]
        too_long = client.put(f"/storage/v1/object/docs/{ann}/long", content=b"x" * 10, headers=headers)
        assert (too_long.status_code, too_long.json()["error"]["code"]) == (403, "policy_denied")
    mine, theirs = (explain("select", "--key", f"id={id}", "--user", ann, "--org", "ann") for id in ids.values())
    assert (mine["allowed"], theirs["allowed"]) == (True, False)
    assert theirs["reason"].startswith(
        'the row exists, but no policy shows it: policy "own_folder" fails at'
        " (storage.foldername(key))[1] = ((select auth.user_id()))::text, which is false"
    )
    values = {"id": ids["other/theirs.txt"], "bucket": "docs", "key": "k", "size": 10, "etag": "", "version_id": ann}
    denied = explain("insert", "--values", json.dumps(values), "--user", ann, "--org", "ann")
    assert denied["allowed"] is False
    assert 'policy "small" fails at size < 10, which is false' in denied["reason"]


def _all(client: httpx.Client, tool: Any) -> list[dict[str, Any]]:
    """Return all objects, past row-level security."""
    done = tool.run("data", "query", "--sql", "select id, key from storage.objects order by key")
    assert done.returncode == 0, done.stdout
    return [dict(zip(("id", "key"), row, strict=True)) for row in json.loads(done.stdout)["data"]["rows"]]


def test_bucket_files_are_applied_at_a_start_in_the_organisation_that_is_named(
    start_server: Callable[..., Any], reactor_tool: Any, person: Any
) -> None:
    reactor_tool.environ["REACTOR_STORAGE__BUCKET_FILES_ORG"] = "ann"
    server = start_server(files={"storage/avatars.toml": "public = true\n"}).wait()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        _, headers = person(client, "ann")
        assert client.get("/storage/v1/buckets", headers=headers).json() == {"buckets": []}
    assert "the organisation ann is not there yet; storage/avatars.toml wait for it" in server.text()
    server.stop()
    planned = json.loads(reactor_tool.run("migrate", "--dry-run").stdout)["data"]
    assert planned["applied"] == ["storage:storage/avatars.toml"]
    server = start_server().wait()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        [made] = client.get("/storage/v1/buckets", headers=headers).json()["buckets"]
        assert (made["name"], made["public"], made["owner"]) == ("avatars", True, None)
        # An object whose organisation is in the path, by its slug, for somebody with another active one.
        other = {"Authorization": headers["Authorization"]}
        path = "/storage/v1/orgs/ann/buckets/avatars/objects/a/b.csv"
        stored = client.put(path, content=b"1,2\n", headers={**other, "Content-Type": "text/csv"})
        assert (stored.status_code, stored.json()["key"]) == (200, "a/b.csv")
        assert client.get(path, headers=other).content == b"1,2\n"
        _, stranger = person(client, "ben")
        refused = client.put(path, content=b"x", headers=stranger)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_org_member")
    server.stop()
    (reactor_tool.directory / "storage" / "avatars.toml").write_text("public = yes\n")
    broken = start_server()
    assert broken.process.wait(60) == 1
    assert "storage/avatars.toml:1: " in broken.text()


def test_an_api_key_makes_no_credential_that_would_outlive_it(start_server: Callable[..., Any], person: Any) -> None:
    server = start_server().wait()
    with httpx.Client(base_url=f"{server.url}", timeout=30) as client:
        _, headers = person(client, "ann")
        org = client.get("/auth/v1/orgs", headers=headers).json()[0]["id"]
        made = client.post("/auth/v1/api-keys", json={"name": "ci", "org_id": org}, headers=headers)
        assert made.status_code == 201, made.text
        key = {"X-Reactor-Api-Key": made.json()["key"]}
        assert client.get("/storage/v1/buckets", headers=key).status_code == 200
        refused = client.post("/storage/v1/s3-credentials", json={"name": "for ever"}, headers=key)
        assert (refused.status_code, refused.json()["error"]["message"]) == (
            403,
            "only a signed-in user makes S3 credentials",
        )
        assert client.post("/storage/v1/s3-credentials", json={"name": "mine"}, headers=headers).status_code == 201
