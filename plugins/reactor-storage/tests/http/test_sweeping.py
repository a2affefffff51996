"""What the sweep removes, and what it leaves."""

from __future__ import annotations

import os
import time

import pytest


@pytest.fixture
def kernel(boot):
    return boot(sweep_every_secs=1)


def until(condition, seconds=20):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"did not become true within {seconds} s"
        time.sleep(0.1)


def test_what_a_crash_left_goes_and_nothing_else(ann, files, root, sql, live_server, stored_on):
    if stored_on != "fs":
        pytest.skip("it makes files; tests/backends does the same to S3")
    ann.bucket()
    ann.put("docs/a", b"kept")
    [kept] = files()
    day = time.time() - 25 * 3600
    os.utime(root / "files" / kept, (day, day))
    # A content that no row knows, an upload whose process is gone, and the same from a moment ago.
    left = {
        "blobs/aa/bb/" + "aabb" + "0" * 60: day,
        "blobs/aa/cc/" + "aacc" + "0" * 60: None,
        "staging/old": day,
        "staging/new": None,
    }
    for name, when in left.items():
        path = root / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if when is not None:
            os.utime(path, (when, when))
    sql("insert into _reactor_storage.blobs (locator, size, sha256) values ($1, 1, $1)", "dd" * 32)
    sql(
        "insert into _reactor_storage.signed_uses values ('over', now() - interval '1 hour'), ('valid', now() + interval '1 hour')"
    )
    fresh = [name for name, when in left.items() if when is None]
    until(lambda: files() == sorted([kept, *fresh]))
    until(lambda: sql("select signature from _reactor_storage.signed_uses") == [("valid",)])
    until(lambda: sql("select count(*) from _reactor_storage.blobs") == [("1",)])
    assert ann.get("docs/a").content == b"kept"
