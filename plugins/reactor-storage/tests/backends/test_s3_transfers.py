"""The backend s3 over a connection that breaks: what can be done again is, and what is left is found."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from reactor_kernel.api import uuid7
from reactor_storage.backends.contract import BackendFailed, BackendUnavailable

pytestmark = pytest.mark.thorough

MIB = 1024 * 1024
LONG = bytes(range(256)) * (20 * MIB // 256)


@pytest.fixture
def backend(s3_backend, proxy):
    return s3_backend(endpoint=proxy.url, timeout=1)


def kept(backend, content):
    staged = backend.stage([content[at : at + 256 * 1024] for at in range(0, len(content), 256 * 1024)], limit=1 << 40)
    backend.keep(staged)
    return staged.locator


@pytest.mark.parametrize("after", [100, 5 * MIB, 7 * MIB])
def test_an_upload_that_breaks_once_succeeds(backend, proxy, in_bucket, after):
    proxy.cut("up", after)
    locator = kept(backend, LONG)
    assert b"".join(backend.read(locator)) == LONG
    assert in_bucket() == [f"project/blobs/{locator}"]


@pytest.mark.parametrize("content", [b"short", LONG], ids=["at once", "in parts"])
@pytest.mark.parametrize("request_line", [b"PUT /", b"POST /", b"HEAD /", b"DELETE /"])
def test_an_answer_that_is_lost_is_asked_for_again(backend, proxy, in_bucket, content, request_line):
    proxy.lose_answer_to(request_line)
    locator = kept(backend, content)
    assert b"".join(backend.read(locator)) == content
    left = [name for name in in_bucket() if not name.startswith("upload of ")]
    assert left == [f"project/blobs/{locator}"]
    backend.remove(locator)
    # Beginning an upload twice leaves the first one to the sweep.
    backend.sweep_staged(before=datetime.now(UTC) + timedelta(hours=1))
    assert in_bucket() == []


def test_the_answer_to_the_end_of_an_upload_may_be_lost(backend, proxy, in_bucket):
    # The first POST begins the upload.
    def pieces():
        yield LONG
        proxy.lose_answer_to(b"POST /")

    staged = backend.stage(pieces(), limit=len(LONG))
    backend.keep(staged)
    assert b"".join(backend.read(staged.locator)) == LONG
    assert in_bucket() == [f"project/blobs/{staged.locator}"]


def test_an_upload_that_breaks_again_and_again_leaves_nothing(backend, proxy, in_bucket):
    proxy.cut("up", 7 * MIB, times=3)
    with pytest.raises(BackendUnavailable, match=r"S3 at 127.0.0.1:\d+ cannot be reached to write a part of a content"):
        kept(backend, LONG)
    assert in_bucket() == []


def test_what_an_outage_leaves_is_swept(backend, proxy, in_bucket):
    def pieces():
        yield LONG
        proxy.fail("down")

    with pytest.raises(BackendUnavailable):
        backend.stage(pieces(), limit=len(LONG))
    [left] = in_bucket()
    assert left.startswith("upload of project/blobs/")
    proxy.mend()
    assert backend.sweep_staged(before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert backend.sweep_staged(before=datetime.now(UTC) + timedelta(hours=1)) == 1
    assert in_bucket() == []


@pytest.mark.parametrize("times", [1, 3])
def test_a_download_that_breaks_is_taken_up_where_it_broke(backend, proxy, times):
    locator = kept(backend, LONG)
    proxy.cut("down", 3 * MIB, times)
    assert b"".join(backend.read(locator)) == LONG
    proxy.cut("down", 2 * MIB, times)
    assert b"".join(backend.read(locator, 5, 15 * MIB)) == LONG[5 : 15 * MIB + 5]


def test_a_download_that_breaks_too_often_ends_with_an_error(backend, proxy):
    locator = kept(backend, LONG)
    proxy.cut("down", MIB, times=99)
    with pytest.raises(BackendUnavailable, match="cannot be reached to read a content"):
        b"".join(backend.read(locator))


def test_a_content_that_is_replaced_while_it_is_taken_up_is_not_mixed(backend, proxy, s3_server, s3_settings):
    locator = kept(backend, LONG)
    proxy.cut("down", 3 * MIB)
    pieces = backend.read(locator)
    read = next(pieces)
    place = {"Bucket": s3_settings["s3_bucket"], "Key": f"project/blobs/{locator}"}
    s3_server.client.put_object(**place, Body=b"other" * 5 * MIB)
    with pytest.raises(BackendFailed, match="a content was removed while it was read"):
        read += b"".join(pieces)
    assert LONG.startswith(read)


def test_no_answer_is_an_error_after_the_timeout(backend, proxy):
    proxy.fail("silent")
    with pytest.raises(BackendUnavailable, match="cannot be reached to write a content: ReadTimeoutError"):
        backend.stage([b"x"], limit=1)


def test_a_reader_that_goes_away_gives_its_connection_back(backend):
    locator = kept(backend, LONG)
    for _ in range(3):
        pieces = backend.read(locator)
        next(pieces)
        pieces.close()
    assert b"".join(backend.read(locator)) == LONG


DYING = """
import json, logging, sys, time
from reactor_storage.backends.s3 import S3Backend

def pieces():
    yield bytes(9 * 1024 * 1024)
    if sys.argv[2] == "while it uploads":
        print("now", flush=True)
        time.sleep(60)

backend = S3Backend(log=logging.getLogger(), **json.loads(sys.argv[1]))
backend.stage(pieces(), limit=1 << 30)
print("now", flush=True)
time.sleep(60)
"""


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["while it uploads", "before it keeps"])
def test_what_a_killed_process_leaves_is_found_by_another(s3_backend, s3_settings, in_bucket, moment):
    settings = {
        "bucket": s3_settings["s3_bucket"],
        "region": s3_settings["s3_region"],
        "endpoint": s3_settings["s3_endpoint"],
        "prefix": "project/",
        "timeout": 20,
    }
    process = subprocess.Popen([sys.executable, "-c", DYING, json.dumps(settings), moment], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"now\n"
    process.kill()
    process.communicate(timeout=10)
    assert len(in_bucket()) == 1
    backend, later = s3_backend(), datetime.now(UTC) + timedelta(hours=1)
    listed = list(backend.kept(before=later))
    assert (backend.sweep_staged(before=later), len(listed)) == ((1, 0) if moment == "while it uploads" else (0, 1))
    for locator in listed:
        backend.remove(locator)
    assert in_bucket() == []


def test_only_old_uploads_of_this_deployment_are_swept(s3_backend, s3_server, s3_settings, in_bucket):
    day_ago = int((time.time() - 25 * 3600) * 1000)
    old, new = str(uuid_of(day_ago)), str(uuid7())
    for key in (f"project/blobs/{old}", f"project/blobs/{new}", f"other/blobs/{old}", "project/blobs/notes.txt"):
        s3_server.client.create_multipart_upload(Bucket=s3_settings["s3_bucket"], Key=key)
    assert s3_backend().sweep_staged(before=datetime.now(UTC) - timedelta(hours=24)) == 1
    assert in_bucket() == sorted(
        f"upload of {key}" for key in (f"project/blobs/{new}", f"other/blobs/{old}", "project/blobs/notes.txt")
    )


def test_contents_of_others_are_not_listed(s3_backend, s3_server, s3_settings):
    mine, other = s3_backend(), s3_backend(prefix="other/")
    locator = kept(mine, b"mine")
    kept(other, b"other")
    for key in ("project/blobs/notes.txt", "project/other", "notes.txt"):
        s3_server.client.put_object(Bucket=s3_settings["s3_bucket"], Key=key, Body=b"x")
    assert list(mine.kept(before=datetime.now(UTC) + timedelta(hours=1))) == [locator]


def test_more_than_a_page_is_listed(s3_backend, s3_server, s3_settings):
    backend, names = s3_backend(), {str(uuid7()) for _ in range(1010)}
    with httpx.Client(base_url=f"{s3_server.url}/{s3_settings['s3_bucket']}/project/blobs/") as past:
        for name in names:
            past.put(name).raise_for_status()
    assert set(backend.kept(before=datetime.now(UTC) + timedelta(hours=1))) == names


def test_no_secret_reaches_the_log(s3_backend, monkeypatch, caplog):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-nobody-sees")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token-that-nobody-sees")
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    with caplog.at_level(logging.DEBUG):
        backend = s3_backend()
        backend.check()
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "nobody-sees" not in said
    assert "nobody-sees" not in repr(vars(backend))


def uuid_of(milliseconds):
    return UUID(int=milliseconds << 80 | 7 << 76 | 1 << 63 | 1)
