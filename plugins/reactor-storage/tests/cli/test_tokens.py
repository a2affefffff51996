"""Every command as a user, and with the admin token in an organisation that is named."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN

from ..conftest import Member
from .conftest import Tool, token_of

MIB = 1024 * 1024


@pytest.fixture(params=["user", "admin"])
def who(request: Any) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def tool(who: str, tool_for: Any, ann: Member) -> Tool:
    """The tool as ann, or as the platform in her organisation."""
    made: Tool = tool_for(ADMIN_TOKEN if who == "admin" else token_of(ann))
    made.environ["REACTOR_ORG"] = ann.org_id
    return made


def test_buckets(tool: Tool, ann: Member) -> None:
    assert tool("buckets", "create", "docs", "--versioning").data["org_id"] == ann.org_id
    assert [row["name"] for row in tool("buckets", "list").data] == ["docs"]
    assert tool("buckets", "update", "docs", "--no-versioning").data["versioning"] is False
    assert tool("buckets", "show", "docs").data["versioning"] is False
    (tool.directory / "storage").mkdir()
    (tool.directory / "storage/more.toml").write_text("public = true\n")
    assert [one["name"] for one in tool("buckets", "apply").data["buckets"]] == ["more"]
    assert [row["name"] for row in tool("ls").data] == ["docs", "more"]
    ann.put("more/a")
    assert tool("buckets", "delete", "more", "--cascade", flags=("--yes",)).data == {"deleted": "more"}
    assert [row["name"] for row in ann.call("GET", "buckets").json()["buckets"]] == ["docs"]


def test_objects(tool: Tool, ann: Member) -> None:
    ann.bucket("docs")
    (tool.directory / "tree").mkdir()
    (tool.directory / "tree/a.txt").write_bytes(b"a")
    (tool.directory / "tree/large.bin").write_bytes(bytes(6 * MIB))
    sent = tool("cp", "-r", "tree", "storage://docs/tree", "--part-size", "5").data
    assert (sent["objects"], sent["bytes"]) == (2, 6 * MIB + 1)
    assert tool("cp", "storage://docs/tree/a.txt", "-").out == b"a"
    assert tool("cp", "-r", "storage://docs/tree", "storage://docs/copy").data["objects"] == 2
    assert [one["key"] for one in tool("ls", "docs", "-r").data["objects"]] == [
        "copy/a.txt",
        "copy/large.bin",
        "tree/a.txt",
        "tree/large.bin",
    ]
    assert httpx.get(tool("sign", "docs/copy/a.txt").data["url"]).content == b"a"
    assert tool("rm", "docs/copy/a.txt").data == {"removed": 1}
    assert tool("rm", "-r", "docs/tree", "storage://docs/copy/", flags=("--yes",)).data == {"removed": 3}
    assert ann.call("GET", "buckets/docs/objects").json()["objects"] == []


def test_upkeep(who: str, tool: Tool, ann: Member) -> None:
    ann.bucket("docs")
    ann.put("docs/a", b"12345")
    found = tool("usage").data
    assert (found["org_id"], found["objects"], found["bytes"]) == (ann.org_id, 1, 5)
    swept = tool("gc")
    if who == "admin":
        assert swept.data["dry_run"] is False
    else:
        # What is swept belongs to all organisations.
        assert (swept.code, swept.error["code"], swept.error["details"]["status"]) == (3, "AUTH_FAILED", 401)
