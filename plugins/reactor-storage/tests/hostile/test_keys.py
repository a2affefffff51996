"""Hostile keys through every entrance: refused, or kept byte for byte; nothing outside of the root, nothing for a stranger."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hostile_keys import KEPT, NO_TEXT, REFUSED

from .conftest import Answer, Wire, form_of

BASE = "/storage/v1"


class Entrances:
    """Every way to name an object, for one user on one connection. A key in a path is escaped, all of it but the slashes."""

    def __init__(self, wire: Wire, member: Any, bucket: str = "docs") -> None:
        self.wire = wire
        self.bucket = bucket
        self._headers = member.headers
        self._member = member
        self._key: Credentials | None = None

    def call(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.wire.call(method, f"{BASE}/{path}", sent, **self._headers, **headers)

    def s3(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        if self._key is None:
            made = self._member.s3_key()
            self._key = Credentials(made["access_key_id"], made["secret_access_key"])
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        request = AWSRequest(method, f"http://reactor.test{BASE}/s3/{path}", data=body, headers=named)
        S3SigV4Auth(self._key, "s3", "us-east-1").add_auth(request)
        signed = {name: text for name, text in request.headers.items() if name.lower() != "content-length"}
        return self.wire.call(method, f"{BASE}/s3/{path}", body, **signed)

    def by_path(self, key: str | bytes) -> Iterator[tuple[str, Answer]]:
        """Name it in the path."""
        form, kind = form_of(b"x")
        path, in_one = quote(key, safe="/"), quote(key, safe="")
        at = f"{self.bucket}/{path}"
        yield "put", self.call("PUT", f"object/{at}", b"x")
        yield "post", self.call("POST", f"object/{at}", b"x", X_Upsert="true")
        yield "form", self.call("POST", f"object/{at}", form, Content_Type=kind, X_Upsert="true")
        yield "get", self.call("GET", f"object/{at}")
        yield "head", self.call("HEAD", f"object/{at}")
        yield "delete", self.call("DELETE", f"object/{at}")
        yield "info", self.call("GET", f"object/info/{at}")
        yield "authenticated", self.call("GET", f"object/authenticated/{at}")
        yield "sign", self.call("POST", f"sign/{at}", {})
        yield "sign upload", self.call("POST", f"sign/{at}", {"for_upload": True})
        yield "sdk sign", self.call("POST", f"object/sign/{at}", {"expiresIn": 60})
        yield "sdk sign upload", self.call("POST", f"object/upload/sign/{at}", {})
        yield "begin parts", self.call("POST", f"upload/{self.bucket}/{in_one}", {})

    def by_path_of_s3(self, key: str | bytes) -> Iterator[tuple[str, Answer]]:
        at = f"{self.bucket}/{quote(key, safe='/~')}"
        yield "s3 put", self.s3("PUT", at, b"x")
        yield "s3 get", self.s3("GET", at)
        yield "s3 head", self.s3("HEAD", at)
        yield "s3 begin parts", self.s3("POST", f"{at}?uploads=")
        yield "s3 copy", self.s3("PUT", f"{self.bucket}/copy", x_amz_copy_source=at)

    def by_body(self, key: str) -> Iterator[tuple[str, Answer]]:
        """Name it in a document."""
        transfer = {"bucketId": self.bucket, "sourceKey": key, "destinationKey": "there"}
        yield "copy from", self.call("POST", "object/copy", transfer)
        yield "move from", self.call("POST", "object/move", transfer)
        transfer = {"bucketId": self.bucket, "sourceKey": "source", "destinationKey": key}
        yield "copy to", self.call("POST", "object/copy", transfer)
        yield "move to", self.call("POST", "object/move", transfer)


@pytest.fixture
def entrances(wired: Wire, ann: Any) -> Entrances:
    ann.bucket()
    ann.put("docs/source", b"source")
    return Entrances(wired, ann)


def objects(member: Any) -> list[str]:
    page = member.call("GET", "buckets/docs/objects?limit=1000").json()
    return [one["key"] for one in page["objects"]]


def test_what_is_refused(entrances: Entrances, ann: Any, files: Any, outside: Callable[[], set[str]]) -> None:
    before = files(), outside()
    for name, key in REFUSED.items():
        for entrance, answer in entrances.by_path(key):
            where = f"{name} by {entrance}: {answer.status} {answer.body[:200]!r}"
            if entrance == "head":
                assert answer.status in (400, 404), where
            elif key == "":
                # Some of these are the bucket's own address; its answers need a body that lists keys.
                assert answer.status in (400, 404, 405), where
            else:
                assert (answer.status, answer.code) in ((400, "invalid_key"), (400, "bad_request")), where
        for entrance, answer in entrances.by_body(key):
            # A document with a NUL is refused as such.
            code = "invalid_request" if "\0" in key else "invalid_key"
            assert (answer.status, answer.code) == (400, code), f"{name} by {entrance}: {answer.body!r}"
        if key.strip("/"):
            for entrance, answer in entrances.by_path_of_s3(key):
                assert answer.status == 400, f"{name} by {entrance}: {answer.status} {answer.body!r}"
    assert objects(ann) == ["source"]
    assert (files(), outside()) == before


def test_what_is_no_text(entrances: Entrances, ann: Any, files: Any, outside: Callable[[], set[str]]) -> None:
    before = files(), outside()
    for name, key in NO_TEXT.items():
        for entrance, answer in [*entrances.by_path(key), *entrances.by_path_of_s3(key)]:
            assert answer.status == 400, f"{name} by {entrance}: {answer.status} {answer.body!r}"
        # Not escaped at all.
        target = b"/storage/v1/object/docs/" + key
        for method in ("PUT", "GET", "DELETE"):
            answer = entrances.wire.call(method, target, **ann.headers)
            assert answer.status == 400, f"{name}, raw, by {method}: {answer.status} {answer.body!r}"
    assert objects(ann) == ["source"]
    assert (files(), outside()) == before


SPELLINGS = (
    "docs/../docs/source",
    "docs/../../x",
    "docs/./source",
    "docs/%2e%2e/x",
    "docs/%2E%2E%2Fx",
    "docs/..%2fx",
    "docs/.%2e/x",
    "docs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "docs/..%5cx",
    "docs/%5c..%5cx",
    "docs%2f..%2fx",
    "../object/docs/source",
    "%2e%2e/object/docs/source",
    "docs/a%00",
    "docs/source%00.png",
    "docs/%0d%0aX-Evil:%201",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "docs//source",
    "/docs/source",
    "docs/%2fsource",
    "docs/source%2f%2e",
    "docs/source/..",
)


PREFIXES = ("object", "object/authenticated", "object/info", "object/public", "sign", "upload", "s3")


def test_spellings_of_paths(entrances: Entrances, ann: Any, files: Any, outside: Callable[[], set[str]]) -> None:
    before = files(), outside()
    for prefix, spelling, method in itertools.product(PREFIXES, SPELLINGS, ("GET", "PUT", "POST", "DELETE")):
        answer = entrances.call(method, f"{prefix}/{spelling}", b"x" if method == "PUT" else b"")
        assert 400 <= answer.status < 500, f"{method} {prefix}/{spelling}: {answer.status} {answer.body!r}"
        assert "X-Evil" not in answer.headers
    assert objects(ann) == ["source"]
    assert (files(), outside()) == before


def test_what_is_kept(entrances: Entrances, ann: Any, files: Any, outside: Callable[[], set[str]]) -> None:
    one, before = entrances, outside()
    for name, key in KEPT.items():
        path, content = f"docs/{quote(key, safe='/')}", key.encode()
        stored = one.call("PUT", f"object/{path}", content)
        assert stored.status == 200, f"{name}: {stored.body!r}"
        assert json.loads(stored.body)["key"] == key
        assert one.call("GET", f"object/{path}").body == content, name
        assert one.call("HEAD", f"object/{path}").status == 200, name
        assert one.call("GET", f"object/authenticated/{path}").body == content, name
        assert one.s3("GET", f"docs/{quote(key, safe='/~')}").body == content, name
        listed = ann.call("GET", f"buckets/docs/objects?prefix={quote(key, safe='')}").json()["objects"]
        assert [entry["key"] for entry in listed] == [key], name
        signed = json.loads(one.call("POST", f"sign/{path}", {}).body)["url"]
        assert one.wire.call("GET", signed).body == content, f"{name}: {signed}"
        to_upload = json.loads(one.call("POST", f"sign/{path}", {"for_upload": True}).body)["url"]
        assert one.wire.call("PUT", to_upload, b"by a URL").status == 200, name
        transfer = {"bucketId": "docs", "sourceKey": "source", "destinationKey": key}
        assert one.call("POST", "object/copy", transfer, X_Upsert="true").status == 200, name
        assert one.call("GET", f"object/{path}").body == b"source", name
        back = {"bucketId": "docs", "sourceKey": key, "destinationKey": "moved"}
        assert one.call("POST", "object/move", back, X_Upsert="true").status == 200, name
        assert one.s3("PUT", f"docs/{quote(key, safe='/~')}", content).status == 200, name
        removed = one.call("DELETE", "object/docs", {"prefixes": [key]})
        assert [entry["name"] for entry in json.loads(removed.body)] == [key], name
        assert one.call("GET", f"object/{path}").status == 404, name
    assert objects(ann) == ["moved", "source"]
    assert len(files()) == 1
    assert outside() == before


def test_all_at_once_are_different_objects(ann: Any, files: Any) -> None:
    ann.bucket()
    for key in KEPT.values():
        ann.put(f"docs/{quote(key, safe='/')}", key.encode())
    for key in KEPT.values():
        assert ann.get(f"docs/{quote(key, safe='/')}").content == key.encode()
    assert objects(ann) == sorted(KEPT.values(), key=str.encode)
    assert len(files()) == len(KEPT)


def test_where_no_key_is_meant(entrances: Entrances, ann: Any, files: Any) -> None:
    """A prefix, a cursor or a key to remove that cannot be one finds nothing, and breaks nothing."""
    before = files()
    for name, key in REFUSED.items():
        escaped = quote(key, safe="")
        for path in (
            f"buckets/docs/objects?prefix={escaped}", f"buckets/docs/objects?cursor={escaped}",
            f"buckets/docs/objects?delimiter={escaped}", f"object/list/docs?prefix={escaped}",
            f"object/list/docs?search={escaped}",
        ):  # fmt: skip
            answer = entrances.call("GET", path)
            assert answer.status in (200, 400), f"{name} in {path}: {answer.status} {answer.body!r}"
        for path, body in (
            ("object/list/docs", {"prefix": key}), ("object/list/docs", {"prefix": "", "search": key}),
            ("object/list-v2/docs", {"prefix": key}), ("object/sign/docs", {"paths": [key], "expiresIn": 60}),
        ):  # fmt: skip
            answer = entrances.call("POST", path, body)
            assert answer.status in (200, 400), f"{name} in {path}: {answer.status} {answer.body!r}"
        removed = entrances.call("DELETE", "object/docs", {"prefixes": [key, "nothing"]})
        assert removed.status == 400 or json.loads(removed.body) == [], f"{name}: {removed.body!r}"
        for query in (
            f"prefix={escaped}",
            f"list-type=2&start-after={escaped}",
            f"delimiter={escaped}",
            f"marker={escaped}",
        ):
            answer = entrances.s3("GET", f"docs?{query}")
            assert answer.status in (200, 400), f"{name} in {query}: {answer.status} {answer.body!r}"
    assert objects(ann) == ["source"]
    assert files() == before


def test_documents_that_hold_no_text(entrances: Entrances, ann: Any) -> None:
    for text in ("\\ud800", "a\\udc00b", "\\u0000"):
        for path, body in (
            ("object/copy", f'{{"bucketId": "docs", "sourceKey": "{text}", "destinationKey": "b"}}'),
            ("object/copy", f'{{"bucketId": "docs", "sourceKey": "source", "destinationKey": "{text}"}}'),
            ("object/copy", f'{{"bucketId": "{text}", "sourceKey": "source", "destinationKey": "b"}}'),
            ("object/list/docs", f'{{"prefix": "{text}"}}'),
            ("object/list/docs", f'{{"search": "{text}"}}'),
            ("object/list-v2/docs", f'{{"prefix": "{text}"}}'),
            ("object/sign/docs", f'{{"paths": ["{text}"], "expiresIn": 60}}'),
            ("upload/docs/a", f'{{"content_type": "{text}"}}'),
            ("buckets", f'{{"name": "{text}"}}'),
            ("buckets", f'{{"name": "other", "allowed_mime_types": ["{text}"]}}'),
        ):
            answer = entrances.call("POST", path, body.encode())
            refused = answer.status == 400 or (path == "object/sign/docs" and answer.status == 200)
            assert refused, f"{path} {body}: {answer.status} {answer.body!r}"
        answer = entrances.call("DELETE", "object/docs", f'{{"prefixes": ["{text}"]}}'.encode())
        assert answer.status == 400 or answer.body == b"[]", answer.body
    assert objects(ann) == ["source"]


# -- strangers ---------------------------------------------------------------------------------------------------------


def hidden(name: str, entrance: str, answer: Answer) -> None:
    where = f"{name} by {entrance}: {answer.status} {answer.body[:300]!r}"
    if entrance.endswith("head"):
        assert answer.status == 404, where
    else:
        assert (answer.status, answer.code) in ((404, "bucket_not_found"), (404, "NoSuchBucket")), where


@pytest.mark.parametrize("recreated", [False, True], ids=["as made", "made again"])
def test_a_stranger_reaches_nothing(wired: Wire, ann: Any, bob: Any, files: Any, recreated: bool) -> None:
    made = ann.bucket()
    for key in KEPT.values():
        ann.put(f"docs/{quote(key, safe='/')}", b"of ann")
    if recreated:
        assert ann.call("DELETE", "buckets/docs?cascade=true").status_code == 204
        assert files() == []
        again = ann.bucket()
        assert again["id"] != made["id"]
        for key in KEPT.values():
            assert ann.get(f"docs/{quote(key, safe='/')}").status_code == 404
            ann.put(f"docs/{quote(key, safe='/')}", b"of ann")
    before = files()
    for bucket in ("docs", ann.call("GET", "buckets/docs").json()["id"]):
        stranger = Entrances(wired, bob, bucket)
        for name, key in KEPT.items():
            for entrance, answer in [*stranger.by_path(key), *stranger.by_path_of_s3(key), *stranger.by_body(key)]:
                hidden(name, entrance, answer)
        for method, path in (
            ("GET", f"buckets/{bucket}/objects"),
            ("GET", f"object/list/{bucket}"),
            ("GET", f"buckets/{bucket}"),
        ):
            hidden("the bucket", path, stranger.call(method, path))
        removed = stranger.call("DELETE", f"object/{bucket}", {"prefixes": list(KEPT.values())})
        hidden("the bucket", "batch", removed)
    # With a bucket of the same name of its own, what is ann's is not there.
    bob.bucket()
    own = Entrances(wired, bob)
    for name, key in KEPT.items():
        path = f"docs/{quote(key, safe='/')}"
        for org in ("", f"?org={ann.org_id}"):
            answer = own.call("GET", f"object/{path}{org}", X_Reactor_Org=ann.org_id)
            assert (answer.status, answer.code) == (404, "object_not_found"), f"{name}: {answer.body!r}"
        assert own.call("DELETE", f"object/{path}").status == 404, name
    # Nobody in particular.
    for org in ("", f"?org={ann.org_id}"):
        answer = wired.call("GET", f"{BASE}/object/docs/con{org}", X_Reactor_Org=ann.org_id)
        assert (answer.status, answer.code) == (401, "unauthorized")
    assert files() == before
    for key in KEPT.values():
        assert ann.get(f"docs/{quote(key, safe='/')}").content == b"of ann"
