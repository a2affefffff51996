"""Hostile keys through every entrance: refused, or kept byte for byte; nothing outside of the root, nothing for a stranger."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hostile_keys import KEPT, NO_TEXT, REFUSED

from .conftest import Entrances

pytestmark = pytest.mark.thorough


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
