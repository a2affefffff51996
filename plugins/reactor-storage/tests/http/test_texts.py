"""Texts that no text of Postgres can be, in every place where a client may send one."""

from __future__ import annotations

import base64

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
