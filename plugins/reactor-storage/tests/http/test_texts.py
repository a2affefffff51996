"""Texts that no text of Postgres can be, in every place where a client may send one."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

BASE64_NUL = base64.b64encode(b"a\0").decode()
IN_METADATA = base64.b64encode(b'{"a": "\\u0000"}').decode()


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("GET", "buckets/docs/objects?prefix=%00", None, {}),
        ("GET", "buckets/docs/objects?prefix=%ED%A0%80", None, {}),
        ("GET", "buckets/docs/objects?cursor=a%00", None, {}),
        ("GET", "buckets/docs/objects?delimiter=%00", None, {}),
        ("POST", "object/list/docs", {"prefix": "a\0b"}, {}),
        ("POST", "object/list/docs", {"search": "\0"}, {}),
        ("POST", "object/list-v2/docs", {"cursor": BASE64_NUL}, {}),
        ("DELETE", "object/docs", {"prefixes": ["\0"]}, {}),
        ("PUT", "object/docs/m", b"x", {"X_Metadata": IN_METADATA}),
        ("POST", "buckets", {"name": "new", "allowed_mime_types": ["a\0"]}, {}),
        ("POST", "buckets", {"name": "new", "lifecycle": [{"prefix": "\0", "expire_days": 1}]}, {}),
        ("POST", "buckets", {"name": "new", "file_size_limit": 2**63}, {}),
        ("POST", "buckets", {"name": "new", "file_size_limit": 10**30}, {}),
        ("POST", "buckets", {"name": "new", "file_size_limit": "\u00b2MB"}, {}),
        ("POST", "buckets", {"name": "new", "file_size_limit": "9" * 5000 + "MB"}, {}),
        ("PATCH", "buckets/docs", {"allowed_mime_types": ["\0"]}, {}),
        ("POST", "object/copy", {"bucketId": "docs", "sourceKey": "a\0", "destinationKey": "b"}, {}),
        ("POST", "object/copy", {"bucketId": "docs\0", "sourceKey": "a", "destinationKey": "b"}, {}),
        ("POST", "s3-credentials", {"name": "a\0"}, {}),
        ("POST", "upload/docs/m", {"content_type": "\0"}, {}),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused(ann, files, method, path, body, headers):
    ann.bucket()
    ann.put("docs/a")
    before = files()
    answer = ann.call(method, path, body=body, **headers)
    assert answer.status_code == 400 or (path.endswith("%ED%A0%80") and answer.status_code == 200), answer.text
    assert (files(), len(ann.call("GET", "buckets").json()["buckets"])) == (before, 1)


def test_a_bucket_whose_name_cannot_be_is_not_there(ann):
    ann.bucket()
    ann.put("docs/a")
    to = {"destinationKey": "b", "destinationBucket": "\0"}
    answer = ann.call("POST", "object/move", body={"bucketId": "docs", "sourceKey": "a", **to})
    assert answer.status_code == 400
    assert ann.get("docs/a").status_code == 200


def form(**fields):
    """Return a form with a file behind these fields."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + text + b"\r\n"
        for name, text in fields.items()
    ]
    return b"".join(parts) + b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--x--\r\n'


DISPOSITIONS = [
    (b'form-data; name="\xff"', "the headers of a part of the form are no text"),
    (b'form-data; name="file"; filename="\xff"', "the headers of a part of the form are no text"),
    (b'form-data; name="file"\r\nContent-Type: \xff', "the headers of a part of the form are no text"),
    (b"form-data; name=\"file\"; filename*=none''%ff", "the form cannot be read"),
]


@pytest.mark.parametrize(("disposition", "message"), DISPOSITIONS)
def test_the_headers_of_a_part_that_are_no_text(ann, files, disposition, message):
    ann.bucket()
    body = b"--x\r\nContent-Disposition: " + disposition + b"\r\n\r\nx\r\n--x--\r\n"
    answer = ann.call("POST", "object/docs/a", body=body, Content_Type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)
    assert files() == []


def nested(levels):
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize("levels", [33, 200, 900, 950, 990, 20_000])
def test_metadata_that_is_nested_deeply(ann, files, levels):
    """What can be decoded once may be too deep the next time, when a listing of the whole bucket holds it."""
    ann.bucket()
    for answer in (
        ann.call("PUT", "object/docs/a", body=b"x", X_Metadata=base64.b64encode(nested(levels)).decode()),
        ann.call("POST", "upload/docs/a", body={}, X_Metadata=base64.b64encode(nested(levels)).decode()),
        ann.call(
            "POST", "object/docs/a", body=form(metadata=nested(levels)), Content_Type="multipart/form-data; boundary=x"
        ),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert files() == []
    ann.put("docs/a", X_Metadata=base64.b64encode(nested(32)).decode())
    assert len(ann.call("GET", "buckets/docs/objects").json()["objects"]) == 1


DATES = ["Fri, 31 Dec 9999 23:59:59 -2300", "Mon, 01 Jan 99999999999 00:00:00 GMT"]


@pytest.mark.parametrize("date", DATES)
def test_a_date_of_no_calendar_counts_as_not_sent(ann, date):
    ann.bucket()
    ann.put("docs/a")
    for name in ("If_Modified_Since", "If_Unmodified_Since", "If_Range"):
        assert ann.get("docs/a", **{name: date}, Range="bytes=0-0").status_code in (200, 206)
    assert ann.call("PUT", "object/docs/a", body=b"x", If_Unmodified_Since=date).status_code == 200


def test_a_delimiter_at_the_ends_of_unicode(ann):
    ann.bucket()
    for key in ("a\ud7ff1", "a\ud7ff2", "b\U0010ffff1"):
        ann.put(f"docs/{quote(key)}")
    found = ann.call("GET", f"buckets/docs/objects?delimiter={quote(chr(0xD7FF))}").json()
    assert (found["prefixes"], [one["key"] for one in found["objects"]]) == (["a\ud7ff"], ["b\U0010ffff1"])
    answer = ann.call("GET", f"buckets/docs/objects?delimiter={quote(chr(0x10FFFF))}")
    assert answer.json()["error"]["message"] == "delimiter ends with U+10FFFF, which is no character"
    assert answer.status_code == 400
