"""The rehearsal of the sweep: it counts exactly what the sweep then removes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from reactor_kernel.api import uuid7
from reactor_kernel.testing.project import ADMIN_TOKEN

from ..conftest import Member

TUS = {"Tus_Resumable": "1.0.0", "Content_Type": "application/offset+octet-stream"}


@pytest.fixture
def kernel(boot, frozen_clock):
    # What is made now has been there for more than a day.
    frozen_clock.set(datetime.now(UTC) + timedelta(hours=25))
    return boot()


@pytest.fixture
def collect(client):
    def run(**query):
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = client.post("/storage/v1/_admin/gc", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return run


class Mess:
    """Makes what the sweep removes, and what it must leave."""

    def __init__(self, ann: Member, sql) -> None:
        self.ann = ann
        self.sql = sql

    def content(self, key: str) -> str:
        """Store an object; return the locator of its content."""
        self.ann.put(f"docs/{key}", f"the content of {key}".encode())
        [(locator,)] = self.sql("select locator from _reactor_storage.versions where key = $1", key)
        return locator

    def unreferenced(self, key: str) -> str:
        """Leave a content whose row nothing refers to."""
        locator = self.content(key)
        self.sql("delete from storage.objects where key = $1", key)
        self.sql("delete from _reactor_storage.versions where key = $1", key)
        return locator

    def unknown(self, key: str) -> None:
        """Leave a content that no row knows."""
        self.sql("delete from _reactor_storage.blobs where locator = $1", self.unreferenced(key))

    def rendition(self, source: str, locator: str, days: int) -> None:
        """Say that a content was rendered from another, and last used some days ago."""
        self.sql(
            """insert into _reactor_storage.renditions (source, transform, locator, size, etag, content_type, used_at)
              values ($1, $2, $3, 1, '"x"', 'image/webp', now() - make_interval(days => $4))""",
            source, f"width={days}", locator, str(days),
        )  # fmt: skip

    def parts(self, key: str) -> str:
        """Leave an upload in parts, with one part, that nobody goes on with; return the locator of that."""
        id = self.ann.call("POST", f"upload/docs/{key}").json()["upload_id"]
        sent = f"a part of {key}".encode()
        self.ann.call("PUT", f"upload/docs/{key}/part?upload_id={id}&part_number=1", body=sent)
        self.expire(id)
        [(locator,)] = self.sql("select locator from _reactor_storage.multipart_parts where upload_id = $1", id)
        return locator

    def resumable(self, key: str, *, finished: bool) -> None:
        """Leave a resumable upload that was finished, or of which all but the last byte came."""
        content = f"the content of {key}".encode()
        named = f"bucketName {base64.b64encode(b'docs').decode()},objectName {base64.b64encode(key.encode()).decode()}"
        size = str(len(content))
        headers = {**TUS, "Upload_Metadata": named, "Upload_Length": size}
        sent = content if finished else content[:-1]
        answer = self.ann.call("POST", "upload/resumable", body=sent, **headers)
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(sent)))
        self.expire(answer.headers["Location"].rpartition("/")[2])

    def expire(self, id: str) -> None:
        self.sql("update _reactor_storage.multipart_uploads set expires_at = now() where id = $1", id)


@pytest.fixture
def staged(root, stored_on, request):
    """Leave what a process had staged when it died, once."""
    if stored_on == "fs":
        (root / "files/staging").mkdir(parents=True, exist_ok=True)
        return lambda: (root / "files/staging" / str(uuid7())).write_bytes(b"received")
    server, settings = request.getfixturevalue("s3_server"), request.getfixturevalue("s3_settings")

    def begin():
        folder = server.listed(settings["s3_bucket"])[0].rpartition("/")[0]
        server.client.create_multipart_upload(Bucket=settings["s3_bucket"], Key=f"{folder}/{uuid7()}")

    return begin


def test_what_is_counted_is_what_is_removed(ann, sql, files, staged, stored_on, collect):
    if stored_on == "memory":
        pytest.skip("a process that dies takes the contents along")
    ann.bucket()
    mess = Mess(ann, sql)
    stays = mess.content("stays")
    mess.resumable("finished", finished=True)
    before = files()
    staged()
    staged()
    # Of uploads: one that was finished is not given up.
    part = mess.parts("parts")
    mess.resumable("interrupted", finished=False)
    # Contents without a reference, one with what was rendered from it, one that is its own rendition.
    mess.unreferenced("lost")
    source = mess.unreferenced("source")
    mess.rendition(source, mess.unreferenced("of the source"), days=1)
    own = mess.unreferenced("own")
    mess.rendition(own, own, days=100)
    for number in range(3):
        mess.unknown(f"unknown {number}")
    # Renditions of what stays and of what goes, too old and not.
    mess.rendition(stays, mess.unreferenced("old"), days=101)
    mess.rendition(part, mess.unreferenced("old, of a part"), days=102)
    mess.rendition(stays, mess.unreferenced("used"), days=2)
    rehearsed = collect(dry_run="true")
    counted = {"uploads": 2, "renditions": 3, "unreferenced": 3, "unknown": 3, "staged": 2, "failed": 0}
    assert rehearsed == {"dry_run": True, **counted}
    assert collect(dry_run="true") == rehearsed
    assert collect() == {"dry_run": False, **counted}
    assert collect(dry_run="true") == {"dry_run": True, **dict.fromkeys(counted, 0)}
    assert len(files()) == len(before) + 1
    assert set(before) <= set(files())
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]
    assert sql("select transform from _reactor_storage.renditions") == [("width=2",)]
    assert ann.get("docs/finished").content == b"the content of finished"


def test_many_finished_uploads_do_not_hide_the_others(ann, sql, collect):
    ann.bucket()
    sql(
        """insert into _reactor_storage.multipart_uploads (id, kind, org_id, bucket, key, facts, expires_at)
          select gen_random_uuid(), 'tus', $1, 'docs', 'a', jsonb_build_object('done', i <= 1100), now() - interval '1 hour'
            + make_interval(secs => i / 1000.0) from generate_series(1, 1103) i""",
        ann.org_id,
    )
    assert collect(dry_run="true")["uploads"] == 3
    assert collect()["uploads"] == 3
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]
