"""Who belongs to another organisation, or to none, reaches nothing by any entrance, whatever the keys and bucket names."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hostile_keys import KEPT

from .conftest import BASE, Answer, Entrances, Wire

pytestmark = pytest.mark.thorough


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
