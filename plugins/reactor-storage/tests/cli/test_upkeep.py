"""`reactor storage gc` and `usage`."""

from __future__ import annotations

from typing import Any

import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN

from ..conftest import Member


def test_what_nothing_refers_to_is_removed_at_the_administrators_word(
    tool: Any, tool_for: Any, ann: Member, sql: Any
) -> None:
    ann.bucket("docs")
    ann.put("docs/a", b"unreferenced")
    sql("delete from storage.objects")
    sql("delete from _reactor_storage.versions")
    admin = tool_for(ADMIN_TOKEN)
    counted = {"uploads": 0, "renditions": 0, "unreferenced": 1, "unknown": 0, "staged": 0, "failed": 0}
    assert admin("gc", "--dry-run").data == {"dry_run": True, **counted}
    shown = admin("gc", flags=("-o", "human")).out.decode().splitlines()
    assert [line.split() for line in shown] == [
        ["WHAT", "REMOVED"],
        ["------------", "-------"],
        ["uploads", "0"],
        ["renditions", "0"],
        ["unreferenced", "1"],
        ["unknown", "0"],
        ["staged", "0"],
        ["failed", "0"],
    ]
    assert admin("gc").data == {"dry_run": False, **counted, "unreferenced": 0}
    done = tool("gc")
    assert (done.code, done.error["code"]) == (3, "AUTH_FAILED")


def test_usage_is_shown_by_bucket(tool: Any, ann: Member) -> None:
    ann.bucket("docs")
    ann.put("docs/a", b"12345")
    if ann.call("GET", "usage").status_code == 404:
        pytest.skip("this server has no /storage/v1/usage")
    found = tool("usage").data
    assert (found["objects"], found["bytes"], [one["name"] for one in found["buckets"]]) == (1, 5, ["docs"])
    shown = tool("usage", flags=("-o", "human")).out.decode().splitlines()
    assert [line.split()[:4] for line in shown[2:]] == [["docs", "1", "5", "B"], ["(all)", "1", "5", "B"]]
