"""`/storage/v1/_admin` (contract storage.md §3.8, decision 29)."""

from __future__ import annotations

import os
from typing import Any

import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN

from ..conftest import Member


def test_buckets_are_administered_by_who_may(ann: Member) -> None:
    made = ann.call("POST", "_admin/buckets", body={"name": "docs", "public": True})
    assert (made.status_code, sorted(made.json())) == (201, ["created_at", "id", "name", "public"])
    ann.bucket("other")
    assert [one["name"] for one in ann.call("GET", "_admin/buckets").json()] == ["docs", "other"]
    assert ann.call("GET", "_admin/buckets/docs").json() == made.json()
    keeper = ann.colleague("storage:docs:admin")
    assert [one["name"] for one in keeper.call("GET", "_admin/buckets").json()] == ["docs"]
    refused = keeper.call("GET", "_admin/buckets/other")
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        403,
        "this needs the permission storage:other:admin",
    )
    assert keeper.call("DELETE", "_admin/buckets/other").status_code == 403
    ann.put("docs/a")
    assert ann.call("DELETE", "_admin/buckets/docs").json()["error"]["code"] == "bucket_not_empty"
    gone = ann.call("DELETE", "_admin/buckets/docs?cascade=true")
    assert (gone.status_code, gone.json()) == (200, {})
    assert ann.call("GET", "_admin/buckets/docs").status_code == 404
    assert keeper.call("GET", "_admin/buckets").json() == []


def test_policies_are_shown_as_the_statements_that_make_them(ann: Member, sql: Any) -> None:
    bucket = ann.bucket("docs")
    assert ann.call("GET", "_admin/buckets/docs/policies").json() == []
    sql("create policy own on storage.objects for select to reactor_authenticated using (owner_id = auth.user_id())")
    sql("create policy small on storage.objects as restrictive for all to public using (true) with check (size < 10)")
    found = ann.call("GET", "_admin/buckets/docs/policies").json()
    assert [(one["name"], one["bucket_id"], one["created_at"]) for one in found] == [
        ("own", bucket["id"], None),
        ("small", bucket["id"], None),
    ]
    assert [one["definition"] for one in found] == [
        "create policy own on storage.objects as permissive for select to reactor_authenticated"
        " using ((owner_id = auth.user_id()));",
        "create policy small on storage.objects as restrictive for all to public using (true) with check ((size < 10));",
    ]
    # The statements are ones that Postgres takes.
    sql("drop policy own on storage.objects")
    sql("drop policy small on storage.objects")
    for one in found:
        sql(one["definition"])
    assert ann.call("GET", "_admin/buckets/docs/policies").json() == found
    assert ann.colleague("storage:*:read").call("GET", "_admin/buckets/docs/policies").status_code == 403


def test_policies_are_not_made_over_http(ann: Member) -> None:
    ann.bucket("docs")
    for method, path in (("POST", "policies"), ("DELETE", "policies/0190")):
        answer = ann.call(method, f"_admin/buckets/docs/{path}", body={"name": "x", "definition": "true"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["hint"]) == (
            405,
            "policies_are_migrations",
            "Write `create policy … on storage.objects …` or `drop policy …` in a file of migrations/.",
        )


def test_the_sweep_runs_at_somebodys_word(client: Any, ann: Member, sql: Any, files: Any) -> None:
    ann.bucket("docs")
    ann.put("docs/a", b"kept")
    id = ann.call("POST", "upload/docs/b").json()["upload_id"]
    ann.call("PUT", f"upload/docs/b/part?upload_id={id}&part_number=1", body=b"left")
    sql("update _reactor_storage.multipart_uploads set expires_at = now()")
    # What a crash leaves: a content whose row nothing refers to.
    ann.put("docs/c", b"unreferenced")
    sql("delete from storage.objects where key = 'c'")
    sql("delete from _reactor_storage.versions where key = 'c'")

    def collect(query: str = "") -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = client.post(f"/storage/v1/_admin/gc{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert collect("?dry_run=true") == {
        "dry_run": True, "uploads": 1, "renditions": 0, "unreferenced": 1, "unknown": 0, "staged": 0, "failed": 0,
    }  # fmt: skip
    assert len(files()) == 3
    assert collect() == {
        "dry_run": False, "uploads": 1, "renditions": 0, "unreferenced": 1, "unknown": 0, "staged": 0, "failed": 0,
    }  # fmt: skip
    assert len(files()) == 1
    assert ann.get("docs/a").content == b"kept"
    assert ann.call("POST", "_admin/gc").status_code == 401


def test_a_content_that_stays_does_not_keep_the_others(
    client: Any, ann: Member, sql: Any, root: Any, stored_on: str
) -> None:
    if stored_on != "fs":
        pytest.skip("it makes files")
    ann.bucket("docs")
    # A directory is no file that could be removed.
    stays, goes = "00" * 32, "ff" * 32
    (root / "files/blobs/00/00" / stays).mkdir(parents=True)
    (root / "files/blobs/ff/ff").mkdir(parents=True)
    (root / "files/blobs/ff/ff" / goes).write_bytes(b"x")
    for locator in (stays, goes):
        sql("insert into _reactor_storage.blobs (locator, size, sha256) values ($1, 1, $1)", locator)
    swept = client.post("/storage/v1/_admin/gc", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert (swept.status_code, swept.json()) == (
        200,
        {"dry_run": False, "uploads": 0, "renditions": 0, "unreferenced": 1, "unknown": 0, "staged": 0, "failed": 1},
    )
    assert sql("select locator from _reactor_storage.blobs") == [(stays,)]
    assert not (root / "files/blobs/ff/ff" / goes).exists()


def test_what_was_staged_and_stays_is_not_told_as_removed(client: Any, ann: Member, root: Any, stored_on: str) -> None:
    if stored_on != "fs":
        pytest.skip("it makes files")
    ann.bucket("docs")
    # A directory is no file that could be removed.
    stays, goes = root / "files/staging/stays", root / "files/staging/goes"
    stays.mkdir(parents=True)
    goes.write_bytes(b"x")
    for place in (stays, goes):
        os.utime(place, (0, 0))
    swept = client.post("/storage/v1/_admin/gc", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert (swept.status_code, swept.json()["staged"]) == (200, 1)
    assert (stays.exists(), goes.exists()) == (True, False)


def test_nothing_is_left_of_many(client: Any, ann: Member, sql: Any) -> None:
    ann.bucket("docs")
    sql(
        """insert into _reactor_storage.blobs (locator, size, sha256)
          select encode(sha256(n::text::bytea), 'hex'), 1, '' from generate_series(1, 1001) n"""
    )
    # Those that became an object, and one that did not.
    sql(
        """insert into _reactor_storage.multipart_uploads (id, kind, org_id, bucket, key, facts, expires_at)
          select gen_random_uuid(), 'tus', $1, 'docs', n::text, json_build_object('done', n > 1), now() - make_interval(secs => n)
          from generate_series(1, 1002) n""",
        ann.org_id,
    )
    swept = client.post("/storage/v1/_admin/gc", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).json()
    assert (swept["uploads"], swept["unreferenced"]) == (1, 1001)
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]
