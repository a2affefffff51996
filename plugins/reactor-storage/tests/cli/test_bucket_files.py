"""Buckets as files of the project (decision 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reactor_storage.bucket_files import FileFault, read_bucket_files

from ..conftest import Member
from .conftest import token_of

AVATARS = """\
public = true
file_size_limit = "5MB"
allowed_mime_types = ["image/*"]

[[lifecycle]]
prefix = "tmp/"
expire_days = 7
"""


def test_files_are_applied_once_and_nothing_is_removed(tool: Any, tool_for: Any, ann: Member) -> None:
    folder = tool.directory / "storage"
    folder.mkdir()
    (folder / "avatars.toml").write_text(AVATARS)
    (folder / "logs.toml").write_text("")
    ann.bucket("by-hand", public=True)
    rules = [{"prefix": "tmp/", "expire_days": 7}]
    made = {
        "public": [None, True],
        "file_size_limit": [None, 5_000_000],
        "allowed_mime_types": [None, ["image/*"]],
        "lifecycle": [None, rules],
    }
    planned = tool("buckets", "apply", "--dry-run").data
    assert planned == {
        "dry_run": True,
        "buckets": [
            {"name": "avatars", "action": "create", "changes": made},
            {"name": "logs", "action": "create", "changes": {}},
        ],
        "unlisted": ["by-hand"],
    }
    assert [one["name"] for one in tool("buckets", "list").data] == ["by-hand"]
    assert tool("buckets", "apply").data == planned | {"dry_run": False}
    assert tool("buckets", "show", "avatars").data["lifecycle"] == rules
    again = tool("buckets", "apply").data
    assert [one["action"] for one in again["buckets"]] == ["same", "same"]

    tool("buckets", "update", "avatars", "--private", "--versioning")
    shown = tool("buckets", "apply", "--dry-run", flags=("-o", "human")).out.decode()
    assert shown == (
        "~ avatars\n    public: false → true\n= logs\n? by-hand has no file; it stays\nNothing was changed.\n"
    )
    reader = tool_for(token_of(ann.colleague("storage:*:read")))
    done = reader("buckets", "apply")
    assert (done.code, done.error["message"]) == (3, "this needs the permission storage:avatars:admin")
    tool("buckets", "apply")
    # What a file does not name stays.
    assert (
        ann.call("GET", "buckets/avatars").json()["public"],
        ann.call("GET", "buckets/avatars").json()["versioning"],
    ) == (True, True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a",
            "public = true\n\npubic = 1\n",
            "storage/a.toml:3: there is no key 'pubic'; there are: public, file_size_limit, allowed_mime_types,"
            " versioning, lifecycle",
        ),
        (
            "a",
            "[[lifecycle]]\nprefix = ''\n[[lifecycle]]\ndays = 3\n",
            "storage/a.toml:4: a lifecycle rule has no key 'days'; there are: expire_days, id, noncurrent_days, prefix",
        ),
        (
            "a",
            "public = true\nversioning = 'yes'\n",
            "storage/a.toml:2: Expected `bool`, got `str` - at `$.versioning`",
        ),
        (
            "a",
            "\nfile_size_limit = 'much'\n",
            "storage/a.toml:2: file_size_limit must be a number of bytes above 0, not 'much'",
        ),
        (
            "a",
            "\n[[lifecycle]]\nexpire_days = 0\n",
            "storage/a.toml:2: lifecycle rule 1 has days that are not from 1 to 36500",
        ),
        ("a", "public = true\npublic = = 1\n", "storage/a.toml:2: Invalid value (at line 2, column 10)"),
        ("Photos", "", "storage/Photos.toml:1: the bucket name 'Photos' is not allowed"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(FileFault) as caught:
        read_bucket_files(tmp_path)
    assert str(caught.value) == message


def test_the_tool_names_the_line_too(tool: Any) -> None:
    done = tool("buckets", "apply")
    assert (done.code, done.error["code"]) == (2, "MANIFEST_NOT_FOUND")
    (tool.directory / "storage").mkdir()
    (tool.directory / "storage" / "a.toml").write_text("nope = 1")
    done = tool("buckets", "apply")
    assert (done.code, done.error["code"]) == (2, "INVALID_MANIFEST")
    assert done.error["message"].startswith("storage/a.toml:1: there is no key 'nope'")
