"""Two changes that meet at the worst moment."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reactor_kernel.testing import FrozenClock
from reactor_storage.backends.fs import FileSystemBackend
from reactor_storage.remains import Remains


class Later(threading.Thread):
    """Something that runs beside the test; `result()` waits for it."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__()
        self._act = act
        self._found: Any = None
        self.start()

    def run(self) -> None:
        self._found = self._act()

    def result(self) -> Any:
        self.join(30)
        assert not self.is_alive()
        return self._found


@pytest.fixture
def hold(kernel: Any) -> Callable[[str, str], psycopg.Connection[Any]]:
    """Hold the lock that writers of a key take, until the connection is closed."""

    def take(org_id: str, place: str) -> psycopg.Connection[Any]:
        connection = psycopg.connect(kernel.database.dsn, autocommit=True)
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 7153))", (f"storage/{org_id}/{place}",))
        return connection

    return take


def somebody_waits(connection: psycopg.Connection[Any]) -> None:
    until = time.monotonic() + 20
    waiting = """select from pg_locks join pg_database on pg_database.oid = database
      where locktype = 'advisory' and not granted and datname = current_database()"""
    while not connection.execute(waiting).fetchall():
        assert time.monotonic() < until, "nobody waits"
        time.sleep(0.02)


def sleepers(connection: psycopg.Connection[Any], number: int) -> None:
    """Wait until so many transactions wait for others."""
    until = time.monotonic() + 20
    waiting = """select count(distinct pid) from pg_locks join pg_stat_activity using (pid)
      where not granted and datname = current_database()"""
    while connection.execute(waiting).fetchall() != [(number,)]:
        assert time.monotonic() < until, "not so many wait"
        time.sleep(0.02)


def test_a_content_stored_while_its_object_is_moved_is_not_lost(ann: Any, hold: Any, files: Any) -> None:
    ann.bucket()
    ann.put("docs/z", b"first")
    body = {"bucketId": "docs", "sourceKey": "z", "destinationKey": "a"}
    with hold(ann.org_id, "docs/a") as held:
        move = Later(lambda: ann.call("POST", "object/move", body=body))
        somebody_waits(held)
        ann.put("docs/z", b"second")
    assert move.result().status_code == 200
    assert ann.get("docs/z").status_code == 404
    assert ann.get("docs/a").content == b"second"
    assert len(files()) == 1


def test_a_source_that_is_replaced_while_it_is_copied(ann: Any, hold: Any) -> None:
    ann.bucket()
    ann.put("docs/z", b"first")
    body = {"bucketId": "docs", "sourceKey": "z", "destinationKey": "a"}
    with hold(ann.org_id, "docs/a") as held:
        copy = Later(lambda: ann.call("POST", "object/copy", body=body))
        somebody_waits(held)
        ann.put("docs/z", b"second")
    assert copy.result().status_code == 200, copy.result().text
    assert ann.get("docs/a").content == ann.get("docs/z").content == b"second"


def test_a_source_that_is_removed_while_it_is_moved(ann: Any, hold: Any) -> None:
    ann.bucket()
    ann.put("docs/z", b"first")
    body = {"bucketId": "docs", "sourceKey": "z", "destinationKey": "a"}
    with hold(ann.org_id, "docs/a") as held:
        move = Later(lambda: ann.call("POST", "object/move", body=body))
        somebody_waits(held)
        assert ann.call("DELETE", "object/docs/z").status_code == 204
    assert (move.result().status_code, move.result().json()["error"]["code"]) == (404, "object_not_found")
    assert ann.get("docs/a").status_code == 404


def test_a_content_stored_while_it_is_swept(ann: Any, kernel: Any, root: Path) -> None:
    """Nobody knew the content when the sweep looked, and it is stored before the sweep removes it."""
    ann.bucket()
    content = b"left by a crash, and stored again"
    digest = hashlib.sha256(content).hexdigest()
    orphan = root / "files" / "blobs" / digest[:2] / digest[2:4] / digest
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(content)
    os.utime(orphan, (0, 0))
    puts: list[Later] = []

    class Meddler(FileSystemBackend):
        def remove(self, locator: str) -> None:
            puts.append(Later(lambda: ann.put("docs/a", content)))
            puts[-1].join(1)
            super().remove(locator)

    log = logging.getLogger("test")
    swept = Remains(kernel.database, Meddler(root / "files", log), FrozenClock(), log).sweep()
    assert (swept.unreferenced, swept.unknown, swept.staged) == (0, 1, 0)
    [put] = puts
    assert put.result()["size"] == len(content)
    assert ann.get("docs/a").content == content


def multipart(ann: Any) -> tuple[str, Callable[[str, str], Any], dict[str, Any]]:
    """Begin an upload of `docs/a` with one part; return its id, how to go on, and what completes it."""
    ann.bucket()
    upload = ann.call("POST", "upload/docs/a", body={}).json()["upload_id"]

    def step(method: str, name: str, **options: Any) -> Any:
        number = "&part_number=1" if name == "part" else ""
        return ann.call(method, f"upload/docs/a/{name}?upload_id={upload}{number}", **options)

    tag = step("PUT", "part", body=b"content").json()["etag"]
    return upload, step, {"parts": [{"part_number": 1, "etag": tag}]}


def test_an_upload_is_completed_once(ann: Any, hold: Any, files: Any) -> None:
    """A client that gave up waiting and asks again must not put the old content over what was stored meanwhile."""
    _, step, parts = multipart(ann)
    with hold(ann.org_id, "docs/a") as held:
        first = Later(lambda: step("POST", "complete", body=parts))
        somebody_waits(held)
        second = Later(lambda: step("POST", "complete", body=parts))
        aborting = Later(lambda: step("DELETE", "abort"))
        sleepers(held, 3)
    answers = [first.result(), second.result(), aborting.result()]
    assert [one.status_code for one in answers] == [200, 404, 404]
    assert {one.json()["error"]["code"] for one in answers[1:]} == {"multipart_not_found"}
    assert ann.get("docs/a").content == b"content"
    assert len(files()) == 1


def test_an_upload_that_is_aborted_while_a_part_arrives(ann: Any, hold: Any, files: Any) -> None:
    upload, step, _ = multipart(ann)
    with hold("part", f"{upload}/1") as held:
        part = Later(lambda: step("PUT", "part", body=b"another"))
        somebody_waits(held)
        aborting = Later(lambda: step("DELETE", "abort"))
        sleepers(held, 2)
    assert (part.result().status_code, aborting.result().status_code) == (200, 204), part.result().text
    assert files() == []


@pytest.mark.parametrize("way", ["put", "copy", "parts"])
@pytest.mark.parametrize(
    ("meanwhile", "refusal"),
    [
        ({"file_size_limit": 5}, (413, "object_too_large", "the bucket 'docs' accepts objects of up to 5 bytes")),
        (
            {"allowed_mime_types": ["image/*"]},
            (415, "mime_type_not_allowed", "the bucket 'docs' does not accept text/plain"),
        ),
    ],
)
def test_what_a_bucket_accepts_counts_when_the_object_is_stored(
    ann: Any, hold: Any, files: Any, way: str, meanwhile: Any, refusal: Any
) -> None:
    ann.bucket("other")
    ann.put("other/z", b"content", Content_Type="text/plain")
    ann.bucket()
    upload = ann.call("POST", "upload/docs/a", body={"content_type": "text/plain"}).json()["upload_id"]
    part = ann.call("PUT", f"upload/docs/a/part?upload_id={upload}&part_number=1", body=b"content").json()["etag"]
    before = files()
    transfer = {"bucketId": "other", "sourceKey": "z", "destinationBucket": "docs", "destinationKey": "a"}
    parts = {"parts": [{"part_number": 1, "etag": part}]}
    store = {
        "put": lambda: ann.call("PUT", "object/docs/a", body=b"content", Content_Type="text/plain"),
        "copy": lambda: ann.call("POST", "object/copy", body=transfer),
        "parts": lambda: ann.call("POST", f"upload/docs/a/complete?upload_id={upload}", body=parts),
    }[way]
    with hold(ann.org_id, "docs/a") as held:
        storing = Later(store)
        somebody_waits(held)
        assert ann.call("PATCH", "buckets/docs", body=meanwhile).status_code == 200
    answer = storing.result()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == refusal
    assert (ann.get("docs/a").status_code, files()) == (404, before)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_bucket_that_keeps_versions_when_an_object_is_replaced(ann: Any, hold: Any, method: str) -> None:
    """The upload may have begun hours before; what was there is kept from the moment on that the bucket says so."""
    ann.bucket()
    ann.put("docs/a", b"old")
    with hold(ann.org_id, "docs/a") as held:
        changing = Later(lambda: ann.call(method, "object/docs/a", body=b"new"))
        somebody_waits(held)
        ann.call("PATCH", "buckets/docs", body={"versioning": True})
    assert changing.result().status_code < 300
    versions = ann.call("GET", "versions/docs/a").json()["versions"]
    assert ann.get(f"docs/a?version_id={versions[-1]['version_id']}").content == b"old"


@pytest.mark.parametrize("again", [False, True])
def test_a_bucket_that_is_removed_while_an_object_arrives(ann: Any, hold: Any, files: Any, again: bool) -> None:
    """One made again under its name is another one, which may be public, or of other limits."""
    ann.bucket()
    with hold(ann.org_id, "docs/a") as held:
        storing = Later(lambda: ann.call("PUT", "object/docs/a", body=b"content"))
        somebody_waits(held)
        assert ann.call("DELETE", "buckets/docs").status_code == 204
        if again:
            ann.bucket(public=True)
    error = storing.result().json()["error"]
    assert (error["status"], error["code"], error["message"]) == (404, "bucket_not_found", "there is no bucket 'docs'")
    assert files() == []


def test_a_large_removal_holds_few_locks(ann: Any, hold: Any) -> None:
    """Each key is a lock. A thousand in each of some transactions are more than Postgres has room for, for anybody."""
    ann.bucket()
    ann.put("docs/z")
    with hold(ann.org_id, "docs/z") as held:
        keys = {"prefixes": [str(n) for n in range(999)] + ["z"]}
        removal = Later(lambda: ann.call("DELETE", "object/docs", body=keys))
        somebody_waits(held)
        granted = """select count(*) from pg_locks join pg_database d on d.oid = database
          where locktype = 'advisory' and granted and pid <> pg_backend_pid() and datname = current_database()"""
        [(locks,)] = held.execute(granted).fetchall()
    assert [one["key"] for one in removal.result().json()] == ["z"]
    assert locks <= 100


def test_a_bucket_that_is_removed_while_an_upload_is_completed(ann: Any, hold: Any) -> None:
    """Both hold the upload and the bucket; who takes them in another order ends in a deadlock."""
    _, step, parts = multipart(ann)
    with hold(ann.org_id, "docs/a") as held:
        completing = Later(lambda: step("POST", "complete", body=parts))
        somebody_waits(held)
        removing = Later(lambda: ann.call("DELETE", "buckets/docs"))
        sleepers(held, 2)
    assert (completing.result().status_code, removing.result().status_code) == (200, 409), completing.result().text
    assert removing.result().json()["error"]["message"] == "the bucket 'docs' still holds objects"
    assert ann.get("docs/a").content == b"content"
