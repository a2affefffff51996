"""Changing, emptying and naming buckets."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def keys(member: Any, bucket: str = "docs") -> list[str]:
    return [one["key"] for one in member.call("GET", f"buckets/{bucket}/objects?limit=1000").json()["objects"]]


def policy(kernel: Any, statement: str) -> None:
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(statement)


def test_two_changes_of_different_fields_at_once_both_hold(ann: Any, kernel: Any) -> None:
    """Else who made a bucket private could find it public again, because somebody changed another field of it."""
    ann.bucket(public=True)
    changes = ({"public": False}, {"versioning": True}, {"file_size_limit": 5})
    with psycopg.connect(kernel.database.dsn) as other:
        other.execute("select from storage.buckets for update")
        threads = [
            threading.Thread(target=lambda body=body: ann.call("PATCH", "buckets/docs", body=body)) for body in changes
        ]
        for one in threads:
            one.start()
        until = time.monotonic() + 20
        waiting = "select count(distinct pid) from pg_locks join pg_stat_activity using (pid) where not granted and datname = %s"
        with psycopg.connect(kernel.database.dsn, autocommit=True) as watcher:
            while watcher.execute(waiting, (watcher.info.dbname,)).fetchall() != [(len(changes),)]:
                assert time.monotonic() < until, "not so many wait"
                time.sleep(0.02)
    for one in threads:
        one.join(20)
    found = ann.call("GET", "buckets/docs").json()
    assert (found["public"], found["versioning"], found["file_size_limit"]) == (False, True, 5)


def test_who_administers_a_bucket_empties_it(ann: Any, files: Any) -> None:
    ann.bucket(versioning=True)
    ann.put("docs/a", b"1")
    ann.put("docs/a", b"12")
    ann.put("docs/b", b"123")
    ann.call("DELETE", "object/docs/b")
    admin = ann.colleague("storage:docs:admin")
    assert admin.call("POST", "bucket/docs/empty").json() == {"message": "Successfully emptied"}
    assert (keys(ann), files()) == ([], [])
    ann.put("docs/c")
    assert admin.call("DELETE", "buckets/docs?cascade=true").status_code == 204
    assert files() == []


def test_each_object_of_a_bucket_that_is_emptied_is_told_as_removed(
    ann: Any, captured_events: Any, kernel: Any
) -> None:
    ann.bucket()
    versions = {key: ann.put(f"docs/{key}")["version_id"] for key in ("a", "b", "keep")}
    policy(kernel, "create policy d on storage.objects for delete to reactor_authenticated using (key <> 'keep')")
    captured_events.__init__()
    ann.call("POST", "bucket/docs/empty")
    told = [(one.topic, one.payload.key, one.payload.version_id, one.payload.org_id) for one in captured_events.all()]
    assert told == [("storage.object.removed", key, versions[key], ann.org_id) for key in ("a", "b")]
    policy(kernel, "drop policy d on storage.objects")
    ann.call("DELETE", "buckets/docs?cascade=true")
    assert captured_events.all()[-1].payload.key == "keep"


def test_what_policies_keep_from_being_removed_stays_with_its_versions(ann: Any, kernel: Any) -> None:
    ann.bucket(versioning=True)
    for key in ("a", "keep", "z"):
        ann.put(f"docs/{key}", b"old")
        ann.put(f"docs/{key}", b"new")
    policy(kernel, "create policy d on storage.objects for delete to reactor_authenticated using (key <> 'keep')")
    for method, path in (("POST", "bucket/docs/empty"), ("DELETE", "buckets/docs?cascade=true")):
        refused = ann.call(method, path)
        assert code(refused) == (403, "policy_denied")
        assert (
            refused.json()["error"]["message"]
            == "a policy refuses to remove all objects of the bucket 'docs'; some are left"
        )
        assert keys(ann) == ["keep"]
    versions = ann.call("GET", "versions/docs/keep").json()["versions"]
    assert [ann.get(f"docs/keep?version_id={one['version_id']}").content for one in versions] == [b"new", b"old"]
    policy(kernel, "drop policy d on storage.objects")
    policy(kernel, "create policy r on storage.objects for select to reactor_authenticated using (false)")
    assert code(ann.call("POST", "bucket/docs/empty")) == (403, "policy_denied")


def test_objects_behind_a_thousand_that_a_policy_keeps_are_removed(ann: Any, kernel: Any, sql: Any) -> None:
    ann.bucket()
    ann.put("docs/z")
    sql(
        """insert into storage.objects (id, org_id, bucket, key, size, etag, version_id)
          select gen_random_uuid(), org_id, bucket, 'keep/' || n, size, etag, version_id
          from storage.objects, generate_series(1, 1500) n"""
    )
    policy(
        kernel,
        "create policy d on storage.objects for delete to reactor_authenticated using (not starts_with(key, 'keep/'))",
    )
    assert code(ann.call("POST", "bucket/docs/empty")) == (403, "policy_denied")
    assert sql("select count(*) filter (where key = 'z'), count(*) from storage.objects") == [("0", "1500")]


def test_an_id_is_that_of_its_bucket_though_another_is_called_so(ann: Any) -> None:
    """Names may look like ids; so somebody could put a bucket of its own in the place of one that is named by its id."""
    named = ann.bucket("later")["id"]
    ann.call("DELETE", "buckets/later")
    first = ann.bucket("docs")
    for name in (first["id"], named):
        ann.bucket(name)
        ann.put(f"{name}/a" if name == named else "docs/a", name.encode())
    assert ann.call("GET", f"buckets/{first['id']}").json()["name"] == "docs"
    assert ann.get(f"{first['id']}/a").content == first["id"].encode()
    assert ann.call("PATCH", f"buckets/{first['id']}", body={"public": True}).json()["name"] == "docs"
    assert ann.get(f"{named}/a").content == named.encode()
    assert ann.call("GET", f"buckets/{first['id'].upper()}").json()["name"] == "docs"
