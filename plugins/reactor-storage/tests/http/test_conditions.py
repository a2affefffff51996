"""Ranges and conditional requests, as a table (RFC 9110 §13 and §14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

CONTENT = b"0123456789"
OTHER = '"0000000000000000000000000000000000000000000000000000000000000000"'


@pytest.fixture
def stored(ann):
    ann.bucket()
    found = ann.put("docs/a", CONTENT, Content_Type="text/plain")
    modified = datetime.now(UTC).replace(microsecond=0)
    dates = {
        "before": format_datetime(modified - timedelta(hours=1), usegmt=True),
        "after": format_datetime(modified + timedelta(hours=1), usegmt=True),
        "modified": ann.get("docs/a").headers["Last-Modified"],
    }
    return ann, {"etag": found["etag"], "other": OTHER, **dates}


READS = [
    ({"Range": "bytes=0-0"}, 206, "bytes 0-0/10", b"0"),
    ({"Range": "bytes=2-5"}, 206, "bytes 2-5/10", b"2345"),
    ({"Range": "bytes=7-"}, 206, "bytes 7-9/10", b"789"),
    ({"Range": "bytes=-3"}, 206, "bytes 7-9/10", b"789"),
    ({"Range": "bytes=-99"}, 206, "bytes 0-9/10", CONTENT),
    ({"Range": "bytes=8-99"}, 206, "bytes 8-9/10", b"89"),
    ({"Range": "BYTES = 8-99"}, 206, "bytes 8-9/10", b"89"),
    ({"Range": "bytes=10-"}, 416, "bytes */10", None),
    ({"Range": "bytes=-0"}, 416, "bytes */10", None),
    ({"Range": "bytes=5-2"}, 200, None, CONTENT),
    ({"Range": "bytes=a-b"}, 200, None, CONTENT),
    ({"Range": "bytes=-"}, 200, None, CONTENT),
    ({"Range": "items=0-1"}, 200, None, CONTENT),
    ({"Range": "bytes=0-1,4-5"}, 200, None, CONTENT),
    ({"Range": "bytes=0-1", "If-Range": "{etag}"}, 206, "bytes 0-1/10", b"01"),
    ({"Range": "bytes=0-1", "If-Range": "{other}"}, 200, None, CONTENT),
    ({"Range": "bytes=0-1", "If-Range": "W/{etag}"}, 200, None, CONTENT),
    ({"Range": "bytes=0-1", "If-Range": "{modified}"}, 206, "bytes 0-1/10", b"01"),
    ({"Range": "bytes=0-1", "If-Range": "{before}"}, 200, None, CONTENT),
    ({"If-Match": "{etag}"}, 200, None, CONTENT),
    ({"If-Match": "*"}, 200, None, CONTENT),
    ({"If-Match": "{other}, {etag}"}, 200, None, CONTENT),
    ({"If-Match": "{other}"}, 412, None, None),
    ({"If-Match": "W/{etag}"}, 412, None, None),
    ({"If-None-Match": "{etag}"}, 304, None, b""),
    ({"If-None-Match": "W/{etag}"}, 304, None, b""),
    ({"If-None-Match": "*"}, 304, None, b""),
    ({"If-None-Match": "{other}, {etag}"}, 304, None, b""),
    ({"If-None-Match": "{other}"}, 200, None, CONTENT),
    ({"If-Modified-Since": "{before}"}, 200, None, CONTENT),
    ({"If-Modified-Since": "{modified}"}, 304, None, b""),
    ({"If-Modified-Since": "{after}"}, 304, None, b""),
    ({"If-Modified-Since": "yesterday"}, 200, None, CONTENT),
    ({"If-None-Match": "{other}", "If-Modified-Since": "{after}"}, 200, None, CONTENT),
    ({"If-Unmodified-Since": "{before}"}, 412, None, None),
    ({"If-Unmodified-Since": "{after}"}, 200, None, CONTENT),
    ({"If-Match": "{etag}", "If-Unmodified-Since": "{before}"}, 200, None, CONTENT),
    ({"If-None-Match": "{etag}", "Range": "bytes=0-1"}, 304, None, b""),
    ({"If-Match": "{other}", "Range": "bytes=99-"}, 412, None, None),
]


@pytest.mark.parametrize(("headers", "status", "content_range", "body"), READS)
def test_reads(stored, headers, status, content_range, body):
    ann, facts = stored
    sent = {name: value.format_map(facts) for name, value in headers.items()}
    answer = ann.get("docs/a", **sent)
    assert answer.status_code == status, answer.text
    assert answer.headers.get("Content-Range") == content_range
    if body is not None:
        assert answer.content == body
        assert answer.headers["ETag"] == facts["etag"]
        assert "Last-Modified" in answer.headers
    if status == 206:
        assert answer.headers["Content-Length"] == str(len(body))
    head = ann.call("HEAD", "object/docs/a", **sent)
    # A range is for GET only (RFC 9110 §14.2).
    assert head.status_code == (200 if status in (206, 416) else status)
    assert head.content == b""


def test_an_empty_object_has_no_range(ann):
    ann.bucket()
    ann.put("docs/a", b"")
    assert ann.get("docs/a").headers["Content-Length"] == "0"
    assert ann.get("docs/a", Range="bytes=0-").status_code == 416
    assert ann.get("docs/a", Range="bytes=-1").status_code == 416


WRITES = [
    ({"If-Match": "{etag}"}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": "{other}"}, 412),
    ({"If-Match": "W/{etag}"}, 412),
    ({"If-None-Match": "*"}, 412),
    ({"If-None-Match": "{etag}"}, 412),
    ({"If-None-Match": "W/{etag}"}, 412),
    ({"If-None-Match": "{other}, {etag}"}, 412),
    ({"If-None-Match": "{other}"}, 200),
    ({"If-Unmodified-Since": "{before}"}, 412),
    ({"If-Unmodified-Since": "{after}"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), WRITES)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_writes(stored, files, method, headers, status):
    ann, facts = stored
    sent = {name: value.format_map(facts) for name, value in headers.items()}
    answer = ann.call(method, "object/docs/a", body=b"new" if method == "PUT" else None, **sent)
    if status == 200:
        assert answer.status_code == (200 if method == "PUT" else 204), answer.text
        assert ann.get("docs/a").status_code == (200 if method == "PUT" else 404)
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (412, "precondition_failed")
        assert ann.get("docs/a").content == CONTENT
        assert len(files()) == 1


def test_writes_of_what_is_not_there(ann):
    ann.bucket()
    assert ann.call("PUT", "object/docs/a", body=b"x", If_Match="*").status_code == 412
    assert ann.call("PUT", "object/docs/a", body=b"x", If_None_Match="*").status_code == 200
