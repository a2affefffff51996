"""Requests that looked at an upload before another one changed it."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN

WAITING = """select count(*) from pg_locks where not granted and pid in (
  select pid from pg_stat_activity where datname = current_database())"""


@pytest.fixture
def at_once(kernel):
    """Let requests begin one after the other, each past its look at the upload, before the first one may write."""

    def run(path, *requests):
        with (
            psycopg.connect(kernel.database.dsn) as held,
            psycopg.connect(kernel.database.dsn, autocommit=True) as watch,
        ):
            row = "select from _reactor_storage.multipart_uploads where id = %s for update"
            held.execute(row, (path.rpartition("/")[2],))
            with ThreadPoolExecutor(len(requests)) as threads:
                asked = []
                for number, request in enumerate(requests, 1):
                    asked.append(threads.submit(request))
                    until = time.monotonic() + 20
                    while watch.execute(WAITING).fetchone() != (number,):
                        assert time.monotonic() < until, "it does not wait"
                        time.sleep(0.02)
                held.rollback()
                return [one.result() for one in asked]

    return run


def test_the_end_is_told_twice_and_the_object_stays_as_it_was_sent(tus, ann, at_once, files):
    path = tus.begin(None, X_Upsert="true")
    assert tus.patch(path, 0, b"1234").status_code == 204

    def end():
        return tus.patch(path, 4, b"", Upload_Length="4")

    answers = at_once(path, end, end)
    assert [(one.status_code, one.headers["Upload-Offset"]) for one in answers] == [(204, "4")] * 2
    assert ann.get("docs/a/b.bin").content == b"1234"
    assert len(files()) == 1


def test_a_length_that_was_told_meanwhile_stays(tus, ann, at_once):
    path = tus.begin(None)
    told, more = at_once(
        path,
        lambda: tus.patch(path, 0, b"", Upload_Length="4"),
        lambda: tus.patch(path, 0, b"12"),
    )
    assert (told.status_code, more.status_code, more.headers["Upload-Offset"]) == (204, 204, "2")
    assert tus.call("HEAD", path).headers["Upload-Length"] == "4"
    assert tus.patch(path, 2, b"34").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"1234"


def test_bytes_beyond_a_length_that_was_told_meanwhile_are_refused(tus, at_once):
    path = tus.begin(None)
    told, more = at_once(
        path,
        lambda: tus.patch(path, 0, b"", Upload_Length="1"),
        lambda: tus.patch(path, 0, b"12"),
    )
    assert told.status_code == 204
    assert (more.status_code, more.json()["error"]["message"]) == (
        413,
        "2 more bytes do not fit into 1, of which 0 are there",
    )
    assert tus.offset(path) == 0


def test_an_upload_that_is_written_to_while_it_is_swept_stays(tus, ann, kernel, sql):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    id = path.rpartition("/")[2]
    sql("update _reactor_storage.multipart_uploads set expires_at = now() where id = $1", id)
    with psycopg.connect(kernel.database.dsn) as writing:
        # As a request does that began before and now commits what it received.
        writing.execute(
            "update _reactor_storage.multipart_uploads set expires_at = now() + interval '1 day' where id = %s", (id,)
        )
        with ThreadPoolExecutor(1) as threads:
            swept = threads.submit(collect, ann)
            with contextlib.suppress(TimeoutError):
                swept.result(2)
            writing.commit()
            assert swept.result()["uploads"] == 0
    assert tus.offset(path) == 2
    assert tus.patch(path, 2, b"34").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"1234"


def test_an_upload_that_is_being_written_to_is_not_swept(tus, ann, sql):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    lease = """update _reactor_storage.multipart_uploads set expires_at = now(),
      facts = facts || jsonb_build_object('writer', 'x', 'until', extract(epoch from now()) + $2::float8) where id = $1"""
    sql(lease, path.rpartition("/")[2], "60")
    assert collect(ann)["uploads"] == 0
    sql(lease, path.rpartition("/")[2], "-1")
    assert collect(ann)["uploads"] == 1


def collect(member):
    answer = member.client.post("/storage/v1/_admin/gc", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json()
