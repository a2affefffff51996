"""Bodies that are cut off, malformed, not what their checksum says, or empty: nothing is stored, nothing is left."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Answer, Wire, form_of

pytestmark = pytest.mark.thorough

OBJECT = "/storage/v1/object/docs/a"
CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def wire(wired: Wire, ann: Any) -> Wire:
    ann.bucket()
    ann.put("docs/a", b"old")
    return wired


def cut(wire: Wire, request: bytes, how: str) -> bytes:
    """Send the beginning of a request and end the connection; return what came back."""
    with socket.create_connection(wire.address, timeout=20) as connection:
        connection.sendall(request)
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            return b""
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def settled(files: Callable[[], list[str]], expected: list[str]) -> None:
    """Wait until the server noticed that a client is gone."""
    until = time.monotonic() + 15
    while files() != expected:
        assert time.monotonic() < until, f"{files()} and not {expected}"
        time.sleep(0.05)


def requests(ann: Any, upload: str) -> dict[str, tuple[str, str, dict[str, str]]]:
    _, kind = form_of(CONTENT)
    part = f"/storage/v1/upload/docs/p/part?upload_id={upload}&part_number=1"
    return {
        "put": ("PUT", OBJECT, {}),
        "post": ("POST", OBJECT, {"X-Upsert": "true"}),
        "form": ("POST", OBJECT, {"X-Upsert": "true", "Content-Type": kind}),
        "part": ("PUT", part, {}),
    }


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_is_cut_off(wire: Wire, ann: Any, files: Any, how: str, framing: str) -> None:
    upload = ann.call("POST", "upload/docs/p", body={}).json()["upload_id"]
    before = files()
    for name, (method, target, headers) in requests(ann, upload).items():
        body = form_of(CONTENT)[0] if name == "form" else CONTENT
        # Of the form's end it takes more than the line break to be missing.
        for sent in (0, 1, 70_000, len(body) - (5 if name == "form" else 1)):
            if framing == "length":
                lines = {"Content-Length": str(len(body))}
                rest = body[:sent]
            else:
                lines = {"Transfer-Encoding": "chunked"}
                rest = b"%x\r\n%b" % (len(body), body[:sent])
            head = wire.head(method, target, {"Host": "reactor.test", **ann.headers, **headers, **lines})
            received = cut(wire, head + rest, how)
            assert b" 200 " not in received[:20], f"{name} after {sent} bytes: {received[:300]!r}"
            settled(files, before)
    assert ann.get("docs/a").content == b"old"
    named = {"parts": [{"part_number": 1, "etag": "x"}]}
    assert ann.call("POST", f"upload/docs/p/complete?upload_id={upload}", body=named).status_code == 400
    assert wire.call("PUT", OBJECT, CONTENT, **ann.headers).status == 200
    assert ann.get("docs/a").content == CONTENT


def test_chunks_without_their_end(wire: Wire, ann: Any, files: Any) -> None:
    """Whole chunks, and then neither another nor the last: it may look like a body that ended."""
    before = files()
    head = wire.head("PUT", OBJECT, {"Host": "reactor.test", **ann.headers, "Transfer-Encoding": "chunked"})
    for rest in (b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello", b"", b"5\r\nhel"):
        received = cut(wire, head + rest, "closed")
        assert b" 200 " not in received[:20], f"{rest!r}: {received[:300]!r}"
        settled(files, before)
    assert ann.get("docs/a").content == b"old"


def test_chunks_whose_end_cannot_be_seen(wire: Wire, ann: Any, files: Any, engine: Any) -> None:
    """Granian takes chunks that break off for a body that ended, so there they need a checksum."""
    before = files()
    lines = {"Host": "x", **ann.headers, "Transfer-Encoding": "chunked"}
    answer = wire.send(wire.head("PUT", OBJECT, lines) + b"3\r\nnew\r\n0\r\n\r\n", "PUT")
    if engine.name == "granian":
        assert (answer.status, answer.code) == (411, "length_required")
        assert (
            json.loads(answer.body)["error"]["hint"]
            == "Send Content-Length, or a checksum such as Repr-Digest or Content-MD5."
        )
        assert files() == before
    else:
        assert answer.status == 200
    lines["Content-MD5"] = base64.b64encode(hashlib.md5(b"new").digest()).decode()
    assert wire.send(wire.head("PUT", OBJECT, lines) + b"3\r\nnew\r\n0\r\n\r\n", "PUT").status == 200
    assert ann.get("docs/a").content == b"new"


FRAMINGS: list[dict[str, str]] = [
    {"Content-Length": "5", "content-length": "6"},
    {"Content-Length": "-1"},
    {"Content-Length": "+5"},
    {"Content-Length": "5 5"},
    {"Content-Length": "0x5"},
    {"Content-Length": "99999999999999999999999"},
    {"Transfer-Encoding": "gzip, chunked"},
    {"Transfer-Encoding": "identity"},
    {"Transfer-Encoding": "chunked, chunked"},
]


def test_a_length_that_says_two_things(wire: Wire, ann: Any, files: Any) -> None:
    before = files()
    for lines in FRAMINGS:
        head = wire.head("PUT", OBJECT, {"Host": "reactor.test", **ann.headers, **lines})
        received = cut(wire, head + b"hello", "closed")
        assert received[9:12] in (b"400", b"411", b"413", b"501", b""), f"{lines}: {received[:300]!r}"
        settled(files, before)
        assert ann.get("docs/a").content == b"old"


def test_a_request_within_a_body(wire: Wire, ann: Any, files: Any) -> None:
    """Two framings in one request must not let a second request through that nobody sent."""
    inner = wire.head("DELETE", OBJECT, {"Host": "reactor.test", **ann.headers, "Content-Length": "0"})
    for lines in (
        {"Content-Length": str(5 + len(inner)), "Transfer-Encoding": "chunked"},
        {"Transfer-Encoding": "chunked", "Content-Length": str(5 + len(inner))},
    ):
        head = wire.head("PUT", "/storage/v1/object/docs/b", {"Host": "reactor.test", **ann.headers, **lines})
        cut(wire, head + b"0\r\n\r\n" + inner, "closed")
    # Whichever framing counted, it was for both ends: what follows the body is a request of its own, or the connection ended.
    assert ann.get("docs/a").status_code in (200, 404)
    assert ann.get("docs/b").content in (b"", b"0\r\n\r\n" + inner) or ann.get("docs/b").status_code == 404


def checksums(content: bytes) -> list[dict[str, str]]:
    """Headers that say what another content has."""
    md5, sha = hashlib.md5(content).digest(), hashlib.sha256(content).digest()
    one, other = base64.b64encode(md5).decode(), base64.b64encode(sha).decode()
    return [
        {"Content-MD5": one},
        {"Digest": f"sha-256={other}"},
        {"Digest": f"md5={one},sha-256={other}"},
        {"Repr-Digest": f"sha-256=:{other}:"},
        {"Content-Digest": f"sha-256=:{other}:"},
        {"x-amz-checksum-sha256": other},
    ]


def test_a_checksum_of_something_else(wire: Wire, ann: Any, files: Any) -> None:
    upload = ann.call("POST", "upload/docs/p", body={}).json()["upload_id"]
    before = files()
    for lines in checksums(b"something else"):
        for name, (method, target, headers) in requests(ann, upload).items():
            if name == "form":
                continue
            answer = wire.call(method, target, CONTENT, **ann.headers, **headers, **lines)
            assert (answer.status, answer.code) == (400, "checksum_mismatch"), f"{name} {lines}: {answer.body!r}"
            assert files() == before
    for lines in (
        {"Content-MD5": "x"},
        {"Content-MD5": base64.b64encode(b"short").decode()},
        {"Repr-Digest": "sha-256=::"},
    ):
        answer = wire.call("PUT", OBJECT, CONTENT, **ann.headers, **lines)
        assert (answer.status, answer.code) == (400, "invalid_request"), f"{lines}: {answer.body!r}"
    assert ann.get("docs/a").content == b"old"
    for lines in checksums(CONTENT):
        assert wire.call("PUT", OBJECT, CONTENT, **ann.headers, **lines).status == 200, lines
    assert ann.get("docs/a").content == CONTENT


def test_nothing_at_all(wire: Wire, ann: Any, files: Any) -> None:
    form, kind = form_of(b"")
    empty = hashlib.sha256(b"").hexdigest()
    md5 = base64.b64encode(hashlib.md5(b"").digest()).decode()
    chunked = {"Host": "x", **ann.headers, "Transfer-Encoding": "chunked", "Content-MD5": md5}
    ways: list[Callable[[], Answer]] = [
        lambda: wire.call("PUT", OBJECT, b"", **ann.headers),
        lambda: wire.call("POST", OBJECT, b"", X_Upsert="true", **ann.headers),
        lambda: wire.call("POST", OBJECT, form, Content_Type=kind, X_Upsert="true", **ann.headers),
        lambda: wire.send(wire.head("PUT", OBJECT, chunked) + b"0\r\n\r\n", "PUT"),
    ]
    for way in ways:
        ann.put("docs/a", b"old")
        assert way().status == 200
        for method in ("GET", "HEAD"):
            answer = wire.call(method, OBJECT, **ann.headers)
            assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
            assert answer.headers["ETag"] == f'"{empty}"'
        assert wire.call("GET", OBJECT, Range="bytes=0-0", **ann.headers).status == 416
        assert files() == [f"blobs/{empty[:2]}/{empty[2:4]}/{empty}"]


NAMES = ("Content-Type", "Cache-Control", "X-Metadata", "x-amz-meta-a", "If-Match", "Range")
TEXTS = (b"a\x00b", b"a\xff\xfeb", b"\x01", b"a\x0bb", b"x" * 20000)


def test_headers_that_hold_no_text(wire: Wire, ann: Any) -> None:
    for name, text in itertools.product(NAMES, TEXTS):
        where = f"{name}: {text[:20]!r}"
        ann.call("DELETE", "object/docs/h")
        head = wire.head("PUT", "/storage/v1/object/docs/h", {"Host": "x", **ann.headers, "Content-Length": "1"})
        try:
            answer = wire.send(head.removesuffix(b"\r\n") + name.encode() + b": " + text + b"\r\n\r\nx", "PUT")
        except OSError:
            continue  # the engine takes it for no HTTP at all
        assert answer.status in (200, 400, 412, 431), f"{where}: {answer.body!r}"
        read = wire.call("GET", "/storage/v1/object/docs/h", **ann.headers)
        assert read.status == (200 if answer.status == 200 else 404), f"{where}: {read.body!r}"
        assert ann.call("GET", "buckets/docs/objects").status_code == 200


METADATA = (
    '{"a": "\\u0000"}', '{"\\u0000": 1}', '{"a": ["b\\u0000"]}', '{"a": "\\ud800"}', '{"a": 1e999}', '{"a": NaN}', "[]", "{",
)  # fmt: skip


def test_metadata_that_cannot_be_kept(wire: Wire, ann: Any, files: Any) -> None:
    before = files()
    for metadata in METADATA:
        coded = base64.b64encode(metadata.encode()).decode()
        form = (
            f'--x\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{metadata}\r\n'
            '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--x--\r\n'
        ).encode()
        for answer in (
            wire.call("PUT", OBJECT, b"x", X_Metadata=coded, **ann.headers),
            wire.call("POST", "/storage/v1/upload/docs/m", b"{}", X_Metadata=coded, **ann.headers),
            wire.call("PUT", OBJECT, form, Content_Type="multipart/form-data; boundary=x", **ann.headers),
        ):
            assert (answer.status, answer.code) == (400, "invalid_request"), f"{metadata}: {answer.body!r}"
    assert files() == before
    kept = {"a": "\\u0000", "b": "\\\\u0000"}
    coded = base64.b64encode(json.dumps(kept).encode()).decode()
    assert wire.call("PUT", OBJECT, b"x", X_Metadata=coded, **ann.headers).status == 200
    assert ann.call("GET", "object/info/docs/a").json()["metadata"] == kept
