"""`reactor storage ls`, `cp`, `rm` and `sign`."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import httpx

from ..conftest import Member
from .conftest import token_of

MIB = 1024 * 1024


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


def test_a_file_goes_to_the_server_and_comes_back(tool: Any, ann: Member) -> None:
    ann.bucket("docs")
    (tool.directory / "notes.txt").write_bytes(b"hello")
    made = tool("cp", "notes.txt", "storage://docs/a/", "--cache-control", "max-age=60", "--metadata", '{"a": 1}').data
    row = {"from": "notes.txt", "to": "storage://docs/a/notes.txt", "size": 5, "etag": etag(b"hello")}
    assert made == {"objects": 1, "bytes": 5, "copied": [row]}
    kept = ann.get("docs/a/notes.txt")
    assert (kept.content, kept.headers["Content-Type"], kept.headers["Cache-Control"]) == (
        b"hello",
        "text/plain",
        "max-age=60",
    )
    assert ann.call("GET", "object/info/docs/a/notes.txt").json()["metadata"] == {"a": 1}
    assert tool("cp", "storage://docs/a/notes.txt", "back.txt").data["copied"][0]["etag"] == etag(b"hello")
    assert (tool.directory / "back.txt").read_bytes() == b"hello"
    assert tool("cp", "storage://docs/a/notes.txt", ".").data["copied"][0]["to"] == "notes.txt"
    assert tool("cp", "storage://docs/a/notes.txt", "new/place/").data["copied"][0]["to"] == "new/place/notes.txt"
    shown = tool("cp", "storage://docs/a/notes.txt", "back.txt", flags=("-o", "human"))
    assert shown.out.decode() == "✓ copied 1 objects, 5 B\n"
    assert shown.err == "→ storage://docs/a/notes.txt is at back.txt\n"
    assert sorted(path.name for path in tool.directory.iterdir()) == ["back.txt", "new", "notes.txt"]


def test_standard_streams_hold_the_content_and_nothing_else(tool: Any, ann: Member) -> None:
    ann.bucket("docs")
    content = bytes(range(256)) * 8
    assert tool("cp", "-", "storage://docs/raw.bin", stdin=content).data["copied"][0]["from"] == "-"
    assert tool("cp", "storage://docs/raw.bin", "-").out == content
    assert tool("cp", "-", "storage://docs/empty").data["bytes"] == 0
    assert tool("cp", "storage://docs/empty", "-").out == b""


def test_large_contents_go_in_parts(tool: Any, ann: Member) -> None:
    ann.bucket("docs")
    content = os.urandom(12 * MIB + 17)
    (tool.directory / "large.bin").write_bytes(content)
    for arguments in (("large.bin", "storage://docs/file"), ("-", "storage://docs/stream")):
        made = tool("cp", *arguments, "--part-size", "5", "--content-type", "x/y", stdin=content).data["copied"][0]
        assert (made["size"], made["etag"]) == (len(content), etag(content))
        kept = ann.call("HEAD", f"object/{arguments[1].removeprefix('storage://')}").headers
        assert (kept["ETag"], kept["Content-Length"], kept["Content-Type"]) == (
            etag(content),
            str(len(content)),
            "x/y",
        )
    assert tool("cp", "storage://docs/file", "again.bin").data["bytes"] == len(content)
    assert (tool.directory / "again.bin").read_bytes() == content


def test_trees_are_copied_and_removed(tool: Any, ann: Member, tool_for: Any) -> None:
    ann.bucket("docs")
    ann.bucket("other")
    tree = {"a.txt": b"a", "sub/b.txt": b"b", "sub/deep/ü %?#.txt": b"c"}
    for name, content in tree.items():
        path = tool.directory / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    ann.put("docs/t2/unrelated", b"x")
    assert tool("cp", "-r", "tree", "storage://docs/t").data["objects"] == 3
    assert [one["key"] for one in tool("ls", "docs/t", "-r").data["objects"]] == [
        "t/a.txt",
        "t/sub/b.txt",
        "t/sub/deep/ü %?#.txt",
        "t2/unrelated",
    ]
    ann.put("docs/t/folder/", b"")
    assert tool("cp", "-r", "storage://docs/t", "storage://other").data["objects"] == 4
    assert ann.get("other/sub/b.txt").content == b"b"
    assert tool("cp", "-r", "storage://docs/t/", "back").data["objects"] == 3
    found = {path.relative_to(tool.directory / "back").as_posix(): path.read_bytes()
             for path in (tool.directory / "back").rglob("*") if path.is_file()}  # fmt: skip
    assert found == tree
    error = tool("rm", "-r", "docs/t").error
    assert error["message"] == "removing storage://docs/t and all that is below needs confirmation"
    assert tool("rm", "-r", "docs/t", flags=("--yes",)).data == {"removed": 4}
    assert [one["key"] for one in tool("ls", "docs", "-r").data["objects"]] == ["t2/unrelated"]
    assert tool("rm", "docs/t2/unrelated", "storage://other/a.txt").data == {"removed": 2}
    error = tool("rm", "-r", "docs/t", flags=("--yes",)).error
    assert error["message"] == "there is nothing at storage://docs/t that you see"
    reader = tool_for(token_of(ann.colleague("storage:*:read")))
    done = reader("rm", "-r", "other", flags=("--yes",))
    assert (done.code, done.error["details"]["server_code"]) == (3, "permission_denied")


def test_listings_have_folders_and_pages(tool: Any, ann: Member) -> None:
    ann.bucket("docs")
    for key in ("a/1", "a/2", "b", "c/1"):
        ann.put(f"docs/{key}", b"12", Content_Type="text/plain")
    found = tool("ls", "docs").data
    assert ([one["key"] for one in found["objects"]], found["prefixes"], found["cursor"]) == (["b"], ["a/", "c/"], None)
    page = tool("ls", "docs", "--limit", "2")
    assert (page.data["prefixes"], page.data["cursor"]) == (["a/"], "b")
    assert len(tool("ls", "docs", "-r", "--all", "--limit", "1").data["objects"]) == 4
    shown = tool("ls", "docs", "--limit", "2", flags=("-o", "human"))
    lines = shown.out.decode().splitlines()
    assert (lines[0].split(), lines[2].split(), lines[3].split()[:4]) == (
        ["KEY", "SIZE", "TYPE", "CHANGED"],
        ["a/", "-", "-", "-"],
        ["b", "2", "B", "text/plain"],
    )
    assert shown.err == "warning: there are more; pass --all or a longer prefix\n"
    assert [row["name"] for row in tool("ls").data] == ["docs"]


def test_signed_urls_work_without_a_credential(tool: Any, ann: Member) -> None:
    ann.bucket("docs")
    upload = tool("sign", "docs/a b.txt", "--upload", "--expires", "60").data
    assert httpx.put(upload["url"], content=b"signed").status_code == 200
    shown = tool("sign-url", "storage://docs/a b.txt", "--single-use", flags=("-o", "human")).out.decode().strip()
    assert [httpx.get(shown).status_code for _ in range(2)] == [200, 403]
    error = tool("sign", "docs").error
    assert (error["code"], error["message"]) == ("INVALID_ARGUMENT", "'docs' names no object")


def test_what_cannot_be_copied_says_why(tool: Any, ann: Member, tool_for: Any) -> None:
    ann.bucket("docs", file_size_limit=10)
    (tool.directory / "a.txt").write_bytes(b"a")
    (tool.directory / "long.txt").write_bytes(b"more than ten bytes")
    (tool.directory / "tree").mkdir()

    def refused(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        done = tool("cp", *arguments, stdin=stdin)
        return done.code, done.error["code"], done.error["message"]

    assert refused("a.txt", "b.txt") == (1, "INVALID_ARGUMENT", "neither side is on the server")
    assert refused("none.txt", "storage://docs/x") == (2, "IO_ERROR", "none.txt is no file")
    assert refused("tree", "storage://docs/x") == (2, "IO_ERROR", "tree is a directory")
    assert refused("-r", "a.txt", "storage://docs/x") == (2, "IO_ERROR", "a.txt is no directory")
    assert refused("storage://docs/", "x") == (1, "INVALID_ARGUMENT", "storage://docs/ names no object")
    assert refused("a.txt", "long.txt", "storage://docs/x")[1:] == (
        "INVALID_ARGUMENT",
        "several sources need a target that holds them",
    )
    assert refused("-", "storage://docs")[2] == "standard input has no name to be kept in storage://docs/"
    assert refused("long.txt", "storage://docs/x") == (
        1,
        "CLIENT_ERROR",
        "the bucket 'docs' accepts objects of up to 10 bytes",
    )
    assert refused("a.txt", "storage://none/x") == (1, "CLIENT_ERROR", "there is no bucket 'none'")
    assert refused("storage://docs/none", "x") == (
        1,
        "CLIENT_ERROR",
        "there is no object 'none' in the bucket 'docs'",
    )
    assert not (tool.directory / "x").exists()
    assert list(tool.directory.glob(".*")) == []
    reader = tool_for(token_of(ann.colleague("storage:*:read")))
    done = reader("cp", "a.txt", "storage://docs/x")
    assert (done.code, done.error["code"], done.error["message"]) == (
        3,
        "PERMISSION_DENIED",
        "this needs the permission storage:docs:write",
    )
    done = tool("cp", "a.txt", "storage://docs/x", env={"REACTOR_URL": "http://127.0.0.1:9"})
    assert (done.code, done.error["code"]) == (6, "CONNECTION_REFUSED")


def test_an_upload_that_is_refused_leaves_nothing_open(tool: Any, ann: Member, sql: Any) -> None:
    ann.bucket("docs", file_size_limit=11 * MIB)
    done = tool("cp", "-", "storage://docs/large", "--part-size", "5", stdin=bytes(12 * MIB))
    assert done.error["message"] == f"the bucket 'docs' accepts objects of up to {11 * MIB} bytes"
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]


def test_buckets_are_managed(tool: Any) -> None:
    made = tool("buckets", "create", "avatars", "--public", "--file-size-limit", "5MB", "--allow", "image/*").data
    assert (made["name"], made["public"], made["file_size_limit"], made["allowed_mime_types"]) == (
        "avatars",
        True,
        5_000_000,
        ["image/*"],
    )
    rules = [{"prefix": "tmp/", "expire_days": 7}]
    changed = tool(
        "buckets", "update", "storage://avatars", "--private", "--file-size-limit", "none", "--allow", "any",
        "--versioning", "--lifecycle", json.dumps(rules),
    ).data  # fmt: skip
    assert {name: changed[name] for name in ("public", "file_size_limit", "allowed_mime_types", "versioning")} == {
        "public": False,
        "file_size_limit": None,
        "allowed_mime_types": None,
        "versioning": True,
    }
    assert changed["lifecycle"] == rules
    assert tool("buckets", "show", "avatars").data == changed
    assert tool("buckets", "update", "avatars").error["code"] == "MISSING_ARGUMENT"
    assert tool("buckets", "list", flags=("-o", "human")).out.decode().splitlines()[2].split() == [
        "avatars",
        "no",
        "-",
        "-",
        "yes",
    ]
    assert tool("cp", "-", "storage://avatars/a", stdin=b"a").code == 0
    assert tool("buckets", "delete", "avatars").error["code"] == "REQUIRES_CONFIRMATION"
    refused = tool("buckets", "delete", "avatars", flags=("--yes",))
    assert (refused.code, refused.error["details"]["server_code"]) == (1, "bucket_not_empty")
    assert tool("buckets", "delete", "avatars", "--cascade", flags=("--yes",)).data == {"deleted": "avatars"}
    assert tool("buckets", "list").data == []


def test_a_wrong_token_is_refused(tool: Any) -> None:
    done = tool("cp", "-", "storage://docs/x", env={"REACTOR_TOKEN": "{bad"})
    assert (done.code, done.error["code"]) == (3, "AUTH_FAILED")
