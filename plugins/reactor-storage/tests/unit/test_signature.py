"""Signature V4 against Amazon's published examples and against botocore's signer."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_storage.s3 import signature
from reactor_storage.s3.chunked import ChunkedBody, ChunkSigner
from reactor_storage.s3.faults import S3Error

# docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, sigv4-query-string-auth.html, sigv4-streaming.html
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
HOST = "examplebucket.s3.amazonaws.com"
STAMP = "20130524T000000Z"


def claim_for(names, sent=""):
    header = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={';'.join(sorted(names))},Signature={sent or '0' * 64}"
    )
    return signature.claim_of_header(header, STAMP)


EXAMPLES = [
    (
        "GET", "/test.txt", "", {"range": "bytes=0-9"}, EMPTY,
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    (
        "PUT", "/test$file.text", "",
        {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    ("GET", "/", "lifecycle", {}, EMPTY, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    (
        "GET", "/", "max-keys=2&prefix=J", {}, EMPTY,
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "query", "more", "payload", "expected"), EXAMPLES)
def test_published_examples_of_the_header(method, path, query, more, payload, expected):
    headers = {"host": HOST, "x-amz-date": STAMP, "x-amz-content-sha256": payload, **more}
    claim = claim_for(headers)
    if "date" in more:
        headers.pop("x-amz-date")
        headers["x-amz-date"] = STAMP
    request = signature.canonical_request(
        method, path.encode(), signature.query_pairs(query), claim.signed_headers, headers.get, payload
    )
    assert signature.signature(signature.signing_key(SECRET, claim), claim, request) == expected


def test_the_published_example_of_a_presigned_url():
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{KEY}/20130524/us-east-1/s3/aws4_request",
        "X-Amz-Date": STAMP, "X-Amz-Expires": "86400", "X-Amz-SignedHeaders": "host",
    }  # fmt: skip
    expected = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    claim = signature.claim_of_query({**query, "X-Amz-Signature": expected})
    request = signature.canonical_request(
        "GET", b"/test.txt", [(n.encode(), v.encode()) for n, v in query.items()], ("host",), {"host": HOST}.get,
        signature.UNSIGNED,
    )  # fmt: skip
    assert signature.signature(signature.signing_key(SECRET, claim), claim, request) == expected


def chunked(parts, signatures):
    body = b""
    for part, sent in zip(parts, signatures, strict=True):
        body += f"{len(part):x};chunk-signature={sent}\r\n".encode() + part + b"\r\n"
    return body


SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNKS = [b"a" * 65536, b"a" * 1024, b""]
CHUNK_SIGNATURES = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
]


def decoded(body, length, signer=None, announced=frozenset()):
    return b"".join(ChunkedBody(io.BytesIO(body), length, signer, announced).chunks())


def signer():
    claim = claim_for(["host"], SEED)
    return ChunkSigner(signature.signing_key(SECRET, claim), claim, SEED)


def test_the_published_example_of_signed_chunks():
    body = chunked(CHUNKS, CHUNK_SIGNATURES)
    assert decoded(body, 66560, signer()) == b"a" * 66560


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body: body.replace(b"\r\na", b"\r\nb", 1), "SignatureDoesNotMatch"),
        (lambda body: body.replace(b"b6c6", b"b6c7"), "SignatureDoesNotMatch"),
        (lambda body: body.replace(b";chunk-signature=" + CHUNK_SIGNATURES[0].encode(), b""), "SignatureDoesNotMatch"),
        (lambda body: body[:-90], "IncompleteBody"),
        (lambda body: body[:1000], "IncompleteBody"),
        (lambda body: body.replace(b"10000;", b"1000g;"), "IncompleteBody"),
        (lambda body: body.replace(b"400;", b"401;"), "IncompleteBody"),
        (lambda body: b"", "IncompleteBody"),
        (lambda body: body[:65536 + 5 + 17 + 64 + 4], "IncompleteBody"),
    ],
)  # fmt: skip
def test_altered_chunks(change, code):
    with pytest.raises(S3Error) as caught:
        decoded(change(chunked(CHUNKS, CHUNK_SIGNATURES)), 66560, signer())
    assert caught.value.code == code


@pytest.mark.parametrize(("length", "fits"), [(4, False), (5, True), (6, False)])
def test_unsigned_chunks_with_a_trailer(length, fits):
    body = ChunkedBody(
        io.BytesIO(b"2\r\nHe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32:99GJgg==\r\n\r\n"), length, None,
        frozenset({"x-amz-checksum-crc32"}),
    )  # fmt: skip
    if fits:
        assert b"".join(body.chunks()) == b"Hello"
        assert body.trailer == {"x-amz-checksum-crc32": "99GJgg=="}
    else:
        with pytest.raises(S3Error, match=r"of the|more than the"):
            list(body.chunks())


def test_a_trailer_that_is_announced_must_come():
    with pytest.raises(S3Error, match="the trailer lacks x-amz-checksum-crc32, which x-amz-trailer announces"):
        decoded(b"0\r\n\r\n", 0, None, frozenset({"x-amz-checksum-crc32"}))


_TEXT = st.text(st.characters(min_codepoint=33, blacklist_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    key=_TEXT,
    query=st.dictionaries(_TEXT, _TEXT, max_size=4),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_signatures_are_those_of_botocore(key, query, value):
    from urllib.parse import quote

    path = "/storage/v1/s3/docs/" + quote(key, safe="/~")
    if not key.strip("/.") or "/." in key or key.startswith("."):
        return
    raw = "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in query.items())
    sent = AWSRequest("PUT", f"http://host.test:8000{path}?{raw}", headers={"x-amz-meta-a": value}, data=b"body")
    S3SigV4Auth(Credentials(KEY, SECRET), "s3", "eu-west-1").add_auth(sent)
    headers = {name.lower(): text for name, text in sent.headers.items()} | {"host": "host.test:8000"}
    claim = signature.claim_of_header(headers["authorization"], headers["x-amz-date"])
    request = signature.canonical_request(
        "PUT", ("/storage/v1/s3/docs/" + key).encode(), signature.query_pairs(raw), claim.signed_headers, headers.get,
        headers["x-amz-content-sha256"],
    )  # fmt: skip
    assert signature.signature(signature.signing_key(SECRET, claim), claim, request) == claim.signature

    presigned = AWSRequest("GET", f"http://host.test:8000{path}?{raw}")
    S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", "eu-west-1", expires=60).add_auth(presigned)
    pairs = signature.query_pairs(urlsplit(presigned.url).query)
    claim = signature.claim_of_query({name.decode(): text.decode() for name, text in pairs})
    request = signature.canonical_request(
        "GET", ("/storage/v1/s3/docs/" + key).encode(), [pair for pair in pairs if pair[0] != b"X-Amz-Signature"],
        claim.signed_headers, headers.get, signature.UNSIGNED,
    )  # fmt: skip
    assert signature.signature(signature.signing_key(SECRET, claim), claim, request) == claim.signature


_REST = "SignedHeaders=host,Signature=" + "0" * 64
MALFORMED = [
    ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
    ("AWS KEY:c2lnbmF0dXJl", "InvalidRequest"),
    ("Bearer x", "InvalidRequest"),
    ("AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request,SignedHeaders=host", "AuthorizationHeaderMalformed"),
    (f"AWS4-HMAC-SHA256 Credential=a/b,{_REST}", "AuthorizationHeaderMalformed"),
    (f"AWS4-HMAC-SHA256 Credential=a/20130524/r/ec2/aws4_request,{_REST}", "AuthorizationHeaderMalformed"),
    (f"AWS4-HMAC-SHA256 Credential=a/20130525/r/s3/aws4_request,{_REST}", "AuthorizationHeaderMalformed"),
    (f"AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request,{_REST},{_REST}", "AuthorizationHeaderMalformed"),
    (
        f"AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request,{_REST.replace('host', 'z;host')}",
        "AuthorizationHeaderMalformed",
    ),
    (f"AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request,{_REST[:-1]}", "SignatureDoesNotMatch"),
]


@pytest.mark.parametrize(("header", "code"), MALFORMED)
def test_headers_that_cannot_be_read(header, code):
    with pytest.raises(S3Error) as caught:
        signature.claim_of_header(header, STAMP)
    assert caught.value.code == code
