"""Uploads in parts that end otherwise than by being completed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from reactor_kernel.testing.server import live

from .conftest import error, refused

GONE = (404, "NoSuchUpload", "there is no such upload of this object; it was completed, aborted or has expired")
PART = b"p" * 5 * 1024 * 1024


@pytest.fixture
def s3(ann, signing):
    ann.bucket()
    return signing(ann)


@pytest.fixture
def kernel(boot):
    return boot(sweep_every_secs=1)


def eventually(fact, seconds=60):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.05)


def begin(s3, path="docs/big"):
    answer = s3.call("POST", f"{path}?uploads", x_amz_meta_a="b")
    return f"{path}?uploadId=" + answer.text.partition("<UploadId>")[2].partition("<")[0]


def put(s3, place, number, content):
    answer = s3.call("PUT", f"{place}&partNumber={number}", content)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def complete(s3, place, *tags, **headers):
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(tags, 1))
    return s3.call("POST", place, f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode(), **headers)


def test_an_upload_expires_and_is_swept(s3, kernel, files, sql):
    kept, given_up = begin(s3), begin(s3)
    tag = put(s3, kept, 1, b"kept")
    put(s3, given_up, 1, b"given up")
    sql(
        "update _reactor_storage.multipart_uploads set expires_at = now() where id::text = $1",
        given_up.partition("=")[2],
    )
    assert error(s3.call("PUT", f"{given_up}&partNumber=2", b"x")) == GONE
    assert error(complete(s3, given_up, tag)) == GONE
    assert s3.call("GET", "docs?uploads").text.count("<UploadId>") == 1
    assert len(files()) == 2
    with live(kernel):
        eventually(lambda: len(files()) == 1)
    assert complete(s3, kept, tag).status_code == 200
    assert s3.call("GET", "docs/big").content == b"kept"
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]


def test_a_bucket_goes_with_its_open_uploads(s3, files):
    place = begin(s3)
    tag = put(s3, place, 1, b"content")
    assert s3.call("DELETE", "docs").status_code == 204
    assert files() == []
    assert s3.call("PUT", "docs").status_code == 200
    assert error(complete(s3, place, tag)) == GONE


def test_a_refused_completion_leaves_the_upload_open(s3, files, kernel):
    s3.call("PUT", "docs/big", b"there")
    place = begin(s3)
    tags = [put(s3, place, 1, PART), put(s3, place, 2, b"end")]
    assert refused(complete(s3, place, *tags, If_None_Match="*")) == (412, "PreconditionFailed")
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "create policy none on storage.objects for update to reactor_authenticated using (false)"
        )
    assert refused(complete(s3, place, *tags)) == (403, "AccessDenied")
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql("drop policy none on storage.objects")
    assert s3.call("GET", "docs/big").content == b"there"
    assert complete(s3, place, *tags).status_code == 200
    assert s3.call("GET", "docs/big").content == PART + b"end"
    assert s3.call("HEAD", "docs/big").headers["x-amz-meta-a"] == "b"
    assert len(files()) == 1


def test_parts_of_the_same_number_at_once(s3, files):
    place = begin(s3)
    contents = [b"%d" % n for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        tags = list(pool.map(lambda content: put(s3, place, 1, content), contents))
    won = s3.call("GET", place).text.partition("<ETag>")[2].partition("</ETag>")[0]
    assert won in tags
    assert len(files()) == 1
    assert complete(s3, place, won).status_code == 200
    assert s3.call("GET", "docs/big").content == contents[tags.index(won)]


def test_parts_are_of_one_upload_and_protocol(s3, sql):
    place = begin(s3)
    sql("update _reactor_storage.multipart_uploads set kind = 'multipart'")
    assert error(s3.call("PUT", f"{place}&partNumber=1", b"x")) == GONE
    assert "<UploadId>" not in s3.call("GET", "docs?uploads").text


def test_where_policies_decide_open_uploads_are_listed_to_who_began_them(s3, ann, signing, kernel):
    eve = signing(ann.colleague("storage:*"))
    mine, place = begin(s3, "docs/mine"), begin(eve, "docs/theirs")
    for listed in (s3.call("GET", "docs?uploads").text, eve.call("GET", "docs?uploads").text):
        assert (listed.count("<Upload>"), "<Key>mine</Key>" in listed) == (2, True)
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "create policy own on storage.objects for insert to reactor_authenticated with check (owner_id = auth.user_id())"
        )
    for one, key, other in ((s3, "mine", place), (eve, "theirs", mine)):
        listed = one.call("GET", "docs?uploads").text
        assert (listed.count("<Upload>"), f"<Key>{key}</Key>" in listed) == (1, True)
        assert error(one.call("GET", other)) == GONE
        assert error(one.call("PUT", f"{other}&partNumber=1", b"x")) == GONE
