"""Supabase's JavaScript client under node, unchanged, against a live server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..conftest import Member

HERE = Path(__file__).parent


def refusal(status: int, code: str, message: str) -> dict[str, Any]:
    """What the client's own error says."""
    return {"name": "StorageApiError", "message": message, "status": status, "statusCode": str(status), "code": code}


ANSWERS: dict[str, Any] = {
    "create bucket": "avatars",
    "create bucket again": refusal(409, "BucketAlreadyExists", "the organisation has a bucket 'avatars'"),
    "get bucket": {
        "name": "avatars",
        "open": False,
        "file_size_limit": 1000000,
        "allowed_mime_types": ["image/*", "text/*"],
    },
    "second bucket": "second",
    "list buckets": ["avatars", "second"],
    "list buckets by page": ["second"],
    "list buckets by search": ["second"],
    "update bucket": "Successfully updated",
    "updated bucket": {"file_size_limit": 2000, "allowed_mime_types": None},
    "upload buffer": {"path": "people/ann.txt", "fullPath": "avatars/people/ann.txt"},
    "upload again": refusal(409, "KeyAlreadyExists", "there is an object under 'people/ann.txt'"),
    "upsert": "people/ann.txt",
    "upload blob": "people/bob.svg",
    "upload form": "people/cyd.csv",
    "upload array buffer": "top.bin",
    "upload string": "ü name.txt",
    "upload stream": "streamed.txt",
    "upload too large": refusal(413, "EntityTooLarge", "the bucket 'avatars' accepts objects of up to 2000 bytes"),
    "upload packed blob": "packed/blob",
    "download packed blob": "packed",
    "upload packed buffer": "packed/buffer",
    "download packed buffer": "packed",
    "update": {"path": "top.bin", "fullPath": "avatars/top.bin"},
    "download": "ann 2",
    "download as blob": "image/svg+xml",
    "download as stream": "text",
    "download nothing": refusal(404, "NoSuchKey", "there is no object 'people/none.txt' in the bucket 'avatars'"),
    "info": {
        "name": "people/ann.txt",
        "size": 5,
        "contentType": "text/plain",
        "cacheControl": "max-age=3600",
        "metadata": {"a": 2},
        "bucket": "string",
        "etag": 66,
    },
    "info of a blob": {"contentType": "image/svg+xml", "cacheControl": "max-age=90", "metadata": {"b": "ü"}},
    "info of a form": {"contentType": "text/csv", "cacheControl": "max-age=3600"},
    "info of nothing": refusal(404, "NoSuchKey", "there is no object 'none' in the bucket 'avatars'"),
    "exists": {"data": True, "error": None},
    "exists not": {"data": False, "status": 404},
    "exists without a bucket": {"thrown": "StorageApiError: there is no bucket 'none'"},
    "list": [["packed", True], ["people", True], ["streamed.txt", False], ["top.bin", False], ["ü name.txt", False]],
    "list folder": ["bob.svg", "ann.txt"],
    "list search": [["ann.txt", "text/plain", 5]],
    "list v2": {"hasNext": True, "objects": ["people/ann.txt", "people/bob.svg"], "more": "string"},
    "list v2 folders": {
        "hasNext": False,
        "folders": ["packed/", "people/"],
        "objects": ["streamed.txt", "top.bin", "ü name.txt"],
    },
    "list v2 next": {"hasNext": False, "objects": ["people/cyd.csv"]},
    "list v2 sorted": refusal(
        400, "InvalidRequest", "the body cannot be used: Invalid enum value 'created_at' - at `$.sortBy.column`"
    ),
    "copy": "avatars/copy.txt",
    "copy onto": refusal(409, "KeyAlreadyExists", "there is an object under 'copy.txt'"),
    "copy across": "second/ann.txt",
    "copy nothing": refusal(404, "NoSuchKey", "there is no object 'none' in the bucket 'avatars'"),
    "move": "Successfully moved",
    "move across": "Successfully moved",
    "moved": "ann 2",
    "sign": {"status": 200, "body": "ann 2", "as": 'attachment; filename="a b.txt"'},
    "sign unicode": {"status": 200, "body": "text", "as": None},
    "sign odd": {"status": 200, "body": "odd", "as": None},
    "sign nothing": refusal(404, "NoSuchKey", "there is no object 'none' in the bucket 'avatars'"),
    "sign many": [
        {"path": "people/ann.txt", "error": None, "answer": "ann 2"},
        {"path": "none", "error": "there is no object 'none' in the bucket 'avatars'", "answer": None},
    ],
    "signed upload": {"path": "by-link.txt", "token": True},
    "upload by link": {"path": "by-link.txt", "fullPath": "avatars/by-link.txt"},
    "upload by link again": refusal(409, "KeyAlreadyExists", "there is an object under 'by-link.txt'"),
    "replace by link": "by-link.txt",
    "upload by a false link": refusal(403, "InvalidSignature", "The signature is not valid."),
    "public url": {"status": 200, "body": "ann 2", "as": 'attachment; filename="ann.txt"'},
    "private url": {"status": 401, "body": None, "as": None},
    "remove": ["people/ann.txt"],
    "delete full bucket": refusal(409, "bucket_not_empty", "the bucket 'avatars' still holds objects"),
    "empty bucket": "Successfully emptied",
    "empty list": [],
    "delete bucket": "Successfully deleted",
    "no bucket": refusal(404, "NoSuchBucket", "there is no bucket 'avatars'"),
    "upload without a bucket": refusal(404, "NoSuchBucket", "there is no bucket 'avatars'"),
    "anonymous": refusal(401, "unauthorized", "A credential is required."),
    "bad name": refusal(400, "InvalidBucketName", "the bucket name 'Not A Name' is not allowed"),
}


def test_every_call_of_the_client_is_answered_as_it_expects(
    live_server: Any, npm: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(npm("@supabase/storage-js@2.119.1"))
    shutil.copy(HERE / "application.mjs", tmp_path)
    # The client names no organisation: the token's own is meant.
    token = Member(None).headers["Authorization"].removeprefix("Bearer ")
    done = subprocess.run(
        ["node", "application.mjs", f"{live_server.url}/storage/v1", token],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == ANSWERS
