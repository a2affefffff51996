"""Bodies: checksums, chunks, documents that are none, keys that are none; and what is said of an object."""

from __future__ import annotations

import base64
import hashlib
import zlib
from email.header import decode_header, make_header
from xml.etree import ElementTree

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from reactor_storage.s3 import signature

from .conftest import BASE, error, escaped, refused


@pytest.fixture
def s3(ann, signing):
    ann.bucket()
    return signing(ann)


def crc32(content: bytes) -> str:
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


class _Streaming(S3SigV4Auth):
    """Signs a word in place of the payload's digest."""

    word = ""

    def payload(self, request):
        return self.word


def streaming(s3, word, body, length, **headers):
    """Return a request whose body is in chunks, and what its chunks are signed with."""
    named = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(length)}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest("PUT", f"{BASE}/docs/a", headers=named, data=body)
    signer = _Streaming(s3.credentials, "s3", "us-east-1")
    signer.word = word
    signer.add_auth(request)
    claim = signature.claim_of_header(request.headers["Authorization"], request.headers["X-Amz-Date"])
    return request, signature.signing_key(s3.credentials.secret_key, claim), claim


def chunks_of(parts, key, claim, trailer=b""):
    """Sign chunks, by the steps of Amazon's description."""
    body, previous = b"", claim.signature
    for part in (*parts, b""):
        previous = signature.chunk_signature(key, claim, previous, hashlib.sha256(part).hexdigest())
        body += f"{len(part):x};chunk-signature={previous}\r\n".encode() + part + (b"\r\n" if part else b"")
    if not trailer:
        return body + b"\r\n"
    sent = signature.trailer_signature(key, claim, previous, trailer + b"\n")
    return body + trailer + f"\r\nx-amz-trailer-signature:{sent}\r\n\r\n".encode()


def test_signed_chunks(s3, files):
    parts = [b"a" * 70000, b"b" * 3]
    request, key, claim = streaming(
        s3, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b"", 70003, Content_Encoding="gzip,aws-chunked"
    )
    body = chunks_of(parts, key, claim)
    altered = body.replace(b"\r\nbbb", b"\r\nbbc")
    assert error(s3.send(request, body=altered)) == (
        403, "SignatureDoesNotMatch", "the signature of a chunk is not the one calculated here",
    )  # fmt: skip
    assert refused(s3.send(request, body=body[:-80])) == (400, "IncompleteBody")
    assert files() == []
    stored = s3.send(request, body=body)
    assert (stored.status_code, stored.headers["ETag"]) == (200, f'"{hashlib.sha256(b"".join(parts)).hexdigest()}"')
    assert s3.call("HEAD", "docs/a").headers["Content-Encoding"] == "gzip"


def test_signed_chunks_with_a_signed_trailer(s3):
    content = b"content"
    request, key, claim = streaming(
        s3, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", b"", 7, x_amz_trailer="x-amz-checksum-crc32"
    )
    trailer = f"x-amz-checksum-crc32:{crc32(content)}".encode()
    body = chunks_of([content], key, claim, trailer)
    stored = s3.send(request, body=body)
    assert (stored.status_code, stored.headers["x-amz-checksum-crc32"]) == (200, crc32(content))
    other = body.replace(trailer, f"x-amz-checksum-crc32:{crc32(b'other')}".encode())
    assert refused(s3.send(request, body=other)) == (403, "SignatureDoesNotMatch")
    unsigned = body[: body.index(b"x-amz-trailer-signature")] + b"\r\n"
    assert refused(s3.send(request, body=unsigned)) == (403, "SignatureDoesNotMatch")


def test_unsigned_chunks_with_a_checksum_behind_them(s3, files):
    """What boto3, the AWS SDKs and aws-cli send over TLS."""
    word = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    request, _, _ = streaming(s3, word, b"", 7, x_amz_trailer="x-amz-checksum-crc32")
    framed = b"7\r\ncontent\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n"
    assert error(s3.send(request, body=framed % crc32(b"other").encode())) == (
        400, "BadDigest",
        f"the content's x-amz-checksum-crc32 is {crc32(b'content')}, not {crc32(b'other')}."
        " Send the content again; nothing was stored.",
    )  # fmt: skip
    assert error(s3.send(request, body=framed % b"AAA")) == (
        400, "InvalidRequest", "x-amz-checksum-crc32 is no 4 bytes in Base64: 'AAA'",
    )  # fmt: skip
    assert refused(s3.send(request, body=b"7\r\ncontent\r\n0\r\n\r\n")) == (400, "InvalidRequest")
    assert refused(s3.send(request, body=b"8\r\ncontent!\r\n0\r\n\r\n")) == (400, "IncompleteBody")
    assert files() == []
    assert s3.send(request, body=framed % crc32(b"content").encode()).status_code == 200
    without, _, _ = streaming(s3, word, b"", "x")
    assert refused(s3.send(without, body=framed)) == (411, "MissingContentLength")
    unknown, _, _ = streaming(s3, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", b"", 7)
    assert refused(s3.send(unknown, body=framed)) == (501, "NotImplemented")
    odd, _, _ = streaming(s3, word, b"", 7, x_amz_trailer="x-amz-checksum-md4")
    assert refused(s3.send(odd, body=framed)) == (400, "InvalidRequest")


def test_checksums_of_headers(s3, files):
    content = b"content"
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    assert s3.call("PUT", "docs/a", content, Content_MD5=md5, x_amz_checksum_crc32=crc32(content)).status_code == 200
    for name, value, code in (
        ("Content_MD5", base64.b64encode(bytes(16)).decode(), "BadDigest"),
        ("Content_MD5", "x", "InvalidRequest"),
        ("x_amz_checksum_crc32", crc32(b"other"), "BadDigest"),
        ("x_amz_checksum_sha256", "x", "InvalidRequest"),
        ("x_amz_checksum_sha1", base64.b64encode(bytes(20)).decode(), "BadDigest"),
        ("x_amz_checksum_md4", "AAAA", "InvalidRequest"),
    ):
        assert refused(s3.call("PUT", "docs/b", content, **{name: value})) == (400, code), name
    assert len(files()) == 1


def test_checksums_whose_library_is_not_installed(s3, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "awscrt", None)
    for name in ("crc32c", "crc64nvme"):
        value = base64.b64encode(bytes(4 if name == "crc32c" else 8)).decode()
        assert error(s3.call("PUT", "docs/a", b"x", **{f"x_amz_checksum_{name}": value})) == (
            501, "NotImplemented",
            f"checksums of {name} are checked with awscrt, which is not installed: pip install 'reactor-storage[s3]'",
        )  # fmt: skip
    assert refused(s3.call("GET", "docs/a")) == (404, "NoSuchKey")


NO_DOCUMENTS = [
    b"", b"x", b"<Delete>", b"<Other/>", b"<Delete/>", b"<Delete><Object/></Delete>", b"\xff\xfe<Delete/>",
    b'<!DOCTYPE Delete [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
    b'<?xml version="1.0"?><!doctype Delete SYSTEM "file:///etc/passwd"><Delete><Object><Key>a</Key></Object></Delete>',
    b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1001 + b"</Delete>",
]  # fmt: skip


@pytest.mark.parametrize("body", NO_DOCUMENTS)
def test_documents_that_are_none(s3, body):
    assert refused(s3.call("POST", "docs?delete", body)) == (400, "MalformedXML")


def test_a_document_is_checked_too(s3):
    s3.call("PUT", "docs/a", b"x")
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    request = s3.signed("POST", "docs?delete", body)
    assert refused(s3.send(request, body=body.replace(b"a<", b"b<"))) == (400, "XAmzContentSHA256Mismatch")
    assert refused(s3.call("POST", "docs?delete", body, x_amz_checksum_crc32=crc32(b"other"))) == (400, "BadDigest")
    assert s3.call("GET", "docs/a").status_code == 200
    version = b"<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>"
    assert "<Code>InvalidArgument</Code>" in s3.call("POST", "docs?delete", version).text
    assert s3.call("POST", "docs?delete", body).status_code == 200
    assert refused(s3.call("GET", "docs/a")) == (404, "NoSuchKey")


HOSTILE = ["a//b", "a\\b", "/a", "a\x7fb", "a\x85b", "x" * 1025]


@pytest.mark.parametrize("key", HOSTILE)
def test_keys_that_are_none(s3, files, key):
    assert refused(s3.call("PUT", f"docs/{escaped(key)}", b"x")) == (400, "InvalidArgument")
    assert files() == []


@pytest.mark.parametrize(
    "key", ["é", "e\u0301", " ", "+", "%2f", "a?b#c", "~", "*", "'\"<&>", "😀", "x" * 1024, "a/ b/"]
)
def test_keys_are_kept_as_they_were_sent(s3, key):
    content = b"" if key.endswith("/") else b"x"
    assert s3.call("PUT", f"docs/{escaped(key)}", content).status_code == 200
    assert s3.call("GET", f"docs/{escaped(key)}").content == content
    listed = s3.call("GET", "docs?list-type=2&encoding-type=url").text
    assert f"<Key>{escaped(key)}</Key>" in listed.replace("%7E", "~")


BAD_REQUESTS = [
    ("GET", "docs?max-keys=x", 400, "InvalidArgument"),
    ("GET", "docs?max-keys=-1", 400, "InvalidArgument"),
    ("GET", "docs?encoding-type=xml", 400, "InvalidArgument"),
    ("GET", "docs?prefix=%FF", 400, "InvalidURI"),
    ("GET", "docs?prefix=%00", 400, "InvalidArgument"),
    ("GET", "docs?list-type=2&continuation-token=%25", 400, "InvalidArgument"),
    ("GET", "docs?acl", 501, "NotImplemented"),
    ("PUT", "docs?policy", 501, "NotImplemented"),
    ("GET", "docs/a?acl", 501, "NotImplemented"),
    ("DELETE", "docs?cors", 501, "NotImplemented"),
    ("POST", "docs", 405, "MethodNotAllowed"),
    ("POST", "docs/a", 405, "MethodNotAllowed"),
    ("PUT", "", 405, "MethodNotAllowed"),
    ("PUT", "No_Name", 400, "InvalidBucketName"),
    ("PUT", "docs/a?partNumber=0&uploadId=x", 400, "InvalidArgument"),
    ("PUT", "docs/a?partNumber=10001&uploadId=x", 400, "InvalidArgument"),
    ("PUT", "docs/a?partNumber=1&uploadId=x", 404, "NoSuchUpload"),
    ("POST", "docs/a?uploadId=x", 404, "NoSuchUpload"),
    ("GET", "docs/a?versionId=x", 400, "InvalidArgument"),
    ("DELETE", "docs/a?versionId=x", 400, "InvalidArgument"),
    ("GET", "docs/a?partNumber=2", 400, "InvalidPart"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), BAD_REQUESTS)
def test_requests_that_are_none(s3, method, path, status, code):
    assert s3.call("PUT", "docs/a", b"kept").status_code == 200
    assert refused(s3.call(method, path)) == (status, code)
    assert s3.call("GET", "docs/a").content == b"kept"


def test_metadata_of_other_clients(s3, ann):
    """What the primary family stores may be no header; S3 says how many members it leaves out."""
    import json

    metadata = base64.b64encode(
        json.dumps({"plain": "x", "n": 1, "ö": "y", "deep": {}, "text": "grün"}).encode()
    ).decode()
    ann.put("docs/a", b"x", X_Metadata=metadata)
    head = s3.call("HEAD", "docs/a").headers
    assert (head["x-amz-meta-plain"], head["x-amz-meta-n"], head["x-amz-missing-meta"]) == ("x", "1", "2")
    assert head["x-amz-meta-text"] == "=?utf-8?b?Z3LDvG4=?="
    s3.call("PUT", "docs/b", b"y", x_amz_meta_A="1", Expires="Thu, 01 Dec 2030 16:00:00 GMT")
    assert ann.call("GET", "object/info/docs/b").json()["metadata"] == {
        "a": "1", "s3:headers": {"expires": "Thu, 01 Dec 2030 16:00:00 GMT"},
    }  # fmt: skip


def test_limits_of_a_bucket(s3, ann, files):
    ann.bucket("small", file_size_limit=6 * 1024 * 1024, allowed_mime_types=["image/*"])
    assert error(s3.call("PUT", "small/a", b"x", Content_Type="text/plain")) == (
        415, "InvalidRequest", "the bucket 'small' does not accept text/plain",
    )  # fmt: skip
    assert refused(s3.call("POST", "small/a?uploads", Content_Type="text/plain")) == (415, "InvalidRequest")
    begun = s3.call("POST", "small/a?uploads", Content_Type="image/png").text
    place = "small/a?uploadId=" + begun.partition("<UploadId>")[2].partition("<")[0]
    tags = [s3.call("PUT", f"{place}&partNumber={n}", bytes([n]) * 5 * 1024 * 1024).headers["ETag"] for n in (1, 2)]
    named = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(tags, 1))
    whole = f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>".encode()
    assert error(s3.call("POST", place, whole)) == (
        413, "EntityTooLarge", "the bucket 'small' accepts objects of up to 6291456 bytes",
    )  # fmt: skip
    assert s3.call("DELETE", place).status_code == 204
    assert files() == []


def test_what_no_document_may_hold_is_replaced_in_answers(ann, signing):
    ann.bucket()
    s3 = signing(ann)
    ann.put("docs/" + escaped("a\uffffb"))
    listed = ElementTree.fromstring(s3.call("GET", "docs?prefix=a").content)
    assert [one.text for one in listed.iter() if one.tag.endswith("}Key")] == ["a\ufffdb"]
    listed = ElementTree.fromstring(s3.call("GET", "docs?prefix=%01").content)
    assert [one.text for one in listed if one.tag.endswith("}Prefix")] == ["\ufffd"]
    assert error(s3.call("GET", "docs/%01"))[:2] == (400, "InvalidArgument")


def test_metadata_that_fits_in_no_answer_is_left_out_and_what_fits_in_no_line_is_encoded(s3, ann):
    """A line break would be another header, or an answer that no engine sends."""
    import json

    def kept(metadata):
        ann.put("docs/a", b"x", X_Metadata=base64.b64encode(json.dumps(metadata).encode()).decode())
        found = s3.call("HEAD", "docs/a")
        assert found.status_code == 200
        said = {name: text for name, text in found.headers.items() if name.startswith("x-amz-meta-")}
        return said, found.headers.get("x-amz-missing-meta")

    said, missing = kept({"a": "b\r\nSet-Cookie: c=d", "e": "\u2028"})
    assert missing is None
    assert {name: str(make_header(decode_header(text))) for name, text in said.items()} == {
        "x-amz-meta-a": "b\r\nSet-Cookie: c=d",
        "x-amz-meta-e": "\u2028",
    }
    said, missing = kept({str(n): "x" for n in range(120)})
    assert (len(said), missing) == (50, "70")
    said, missing = kept({"long": "x" * 9000})
    assert (said, missing) == ({}, "1")
