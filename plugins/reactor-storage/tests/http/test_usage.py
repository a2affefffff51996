"""What buckets hold: exact after every change, at once or in the past."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import httpx

from ..conftest import Member

NOTHING = {"objects": 0, "bytes": 0, "versions": 0, "noncurrent_bytes": 0, "open_uploads": 0, "upload_bytes": 0}
COUNTED = """select count(*) filter (where superseded_at is null), coalesce(sum(size) filter (where superseded_at is null), 0),
  count(*) filter (where superseded_at is not null), coalesce(sum(size) filter (where superseded_at is not null), 0)
  from _reactor_storage.versions where not delete_marker"""


def usage(member):
    answer = member.call("GET", "usage")
    assert answer.status_code == 200, answer.text
    return answer.json()


def total(member, **expected):
    found = usage(member)
    return {name: found[name] for name in NOTHING} == NOTHING | expected


def test_it_follows_each_change(ann, sql):
    assert usage(ann) == {"org_id": ann.org_id, **NOTHING, "buckets": []}
    made = ann.bucket(versioning=True)
    assert usage(ann)["buckets"] == [{"id": made["id"], "name": "docs", **NOTHING}]
    first = ann.put("docs/a", b"12345")["version_id"]
    assert total(ann, objects=1, bytes=5)
    ann.put("docs/a", b"123")
    assert total(ann, objects=1, bytes=3, versions=1, noncurrent_bytes=5)
    ann.call("DELETE", "object/docs/a")
    assert total(ann, versions=2, noncurrent_bytes=8)
    ann.call("POST", "restore/docs/a", body={"version_id": first})
    assert total(ann, objects=1, bytes=5, versions=2, noncurrent_bytes=8)
    ann.call("DELETE", f"object/docs/a?version_id={first}")
    assert total(ann, objects=1, bytes=5, versions=1, noncurrent_bytes=3)
    ann.bucket("plain")
    ann.put("plain/a", b"1")
    ann.put("plain/a", b"12")
    ann.call("POST", "object/copy", body={"bucketId": "plain", "sourceKey": "a", "destinationKey": "b"})
    ann.call("POST", "object/move", body={"bucketId": "plain", "sourceKey": "a", "destinationKey": "c"})
    found = usage(ann)
    assert found["buckets"][1] | {"id": ""} == {"id": "", "name": "plain", **NOTHING, "objects": 2, "bytes": 4}
    assert (found["objects"], found["bytes"], found["versions"], found["noncurrent_bytes"]) == (3, 9, 1, 3)
    ann.call("POST", "bucket/docs/empty")
    assert total(ann, objects=2, bytes=4)
    ann.call("DELETE", "buckets/plain?cascade=true")
    assert total(ann)


def test_open_uploads(ann):
    ann.bucket()
    upload = ann.call("POST", "upload/docs/a", body={"content_type": "text/plain"}).json()["upload_id"]
    assert total(ann, open_uploads=1)
    answer = ann.call("PUT", f"upload/docs/a/part?upload_id={upload}&part_number=1", body=b"12345")
    assert total(ann, open_uploads=1, upload_bytes=5)
    other = ann.call("POST", "upload/docs/b", body={}).json()["upload_id"]
    assert total(ann, open_uploads=2, upload_bytes=5)
    parts = [{"part_number": 1, "etag": answer.headers["ETag"]}]
    assert ann.call("POST", f"upload/docs/a/complete?upload_id={upload}", body={"parts": parts}).status_code == 200
    assert total(ann, open_uploads=1, objects=1, bytes=5)
    assert ann.call("DELETE", f"upload/docs/b/abort?upload_id={other}").status_code == 204
    assert total(ann, objects=1, bytes=5)


def test_a_resumable_upload_is_open_until_its_object_is_there(ann):
    ann.bucket()
    named = {"Upload_Metadata": "bucketName ZG9jcw==,objectName YQ=="}
    one = resumable(ann, Upload_Length="4", **named)
    send(ann, one, b"12")
    assert total(ann, open_uploads=1, upload_bytes=2)
    send(ann, one, b"34", at=2)
    assert total(ann, objects=1, bytes=4)
    assert usage(ann)["buckets"][0]["open_uploads"] == 0


def test_partial_uploads_that_name_no_bucket_count_in_all(ann, bob):
    ann.bucket()
    bob.bucket()
    send(ann, resumable(ann, Upload_Length="4", Upload_Concat="partial"), b"123")
    assert total(ann, open_uploads=1, upload_bytes=3)
    assert usage(ann)["buckets"][0]["upload_bytes"] == 0
    assert total(bob)


def resumable(member, **headers):
    answer = member.call("POST", "upload/resumable", Tus_Resumable="1.0.0", **headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].removeprefix("/storage/v1/")


def send(member, path, content, at=0):
    sent = {"Tus_Resumable": "1.0.0", "Upload_Offset": str(at), "Content_Type": "application/offset+octet-stream"}
    assert member.call("PATCH", path, body=content, **sent).status_code == 204


def test_who_may_see_it(ann, bob):
    ann.bucket()
    ann.put("docs/a")
    assert total(bob)
    assert ann.colleague("storage:*:read").call("GET", "usage").json()["objects"] == 1
    for permissions in (("storage:docs:read",), ("storage:*:write",)):
        answer = ann.colleague(*permissions).call("GET", "usage")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert ann.client.get("/storage/v1/usage").status_code == 401


def test_what_is_refused_counts_for_nothing(ann, sql):
    ann.bucket(file_size_limit=4)
    ann.put("docs/a", b"1")
    assert ann.call("PUT", "object/docs/b", body=b"12345").status_code == 413
    sql("create policy none on storage.objects for insert to reactor_authenticated with check (false)")
    assert ann.call("PUT", "object/docs/b", body=b"12").status_code == 403
    assert total(ann, objects=1, bytes=1)


def test_folding_changes_no_sum(kernel, ann, sql):
    from reactor_storage.usage import Usage

    usages = Usage(kernel.database)
    ann.bucket(versioning=True)
    ann.bucket("gone")
    for n in range(5):
        ann.put(f"docs/{n % 2}", b"x" * n)
        ann.put("gone/a", b"12")
    before = usage(ann)
    usages.fold()
    assert usage(ann) == before
    assert sql("select count(*) from _reactor_storage.usage_changes") == [("2",)]
    ann.call("DELETE", "buckets/gone?cascade=true")
    usages.fold()
    # Of what comes to nothing no row stays.
    left = sql("select bucket, objects, bytes, versions, noncurrent_bytes from _reactor_storage.usage_changes")
    assert left == [("docs", "2", "7", "3", "3")]


def test_it_is_exact_while_many_write(kernel, live_server, sql):
    from reactor_storage.usage import Usage

    usages = Usage(kernel.database)
    with httpx.Client(base_url=live_server.url, timeout=60) as wire:
        ann = Member(wire)
        ann.bucket(versioning=True)
        ann.bucket("plain")

        def work(seed):
            dice = random.Random(seed)
            for _ in range(25):
                path = f"object/{dice.choice(('docs', 'plain'))}/{dice.randrange(4)}"
                if dice.random() < 0.3:
                    ann.call("DELETE", path)
                else:
                    ann.call("PUT", path, body=b"x" * dice.randrange(9))
                if dice.random() < 0.2:
                    usages.fold()

        with ThreadPoolExecutor(4) as pool:
            for run in [pool.submit(work, seed) for seed in range(4)]:
                run.result()
        found = usage(ann)
        assert sql(COUNTED) == [
            tuple(str(found[name]) for name in ("objects", "bytes", "versions", "noncurrent_bytes"))
        ]
        rows = sql("select count(*), coalesce(sum(size), 0) from storage.objects")
        assert rows == [(str(found["objects"]), str(found["bytes"]))]
        assert found["versions"] > 0
