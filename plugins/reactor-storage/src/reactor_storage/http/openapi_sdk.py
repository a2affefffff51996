"""The routes of Supabase's clients as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from reactor_storage.http.openapi import answers, operation, path_parameter, query_parameter

_ANY_BODY = {"required": False, "content": {"application/json": {"schema": {"type": "object"}}}}
_FILE = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {"schema": {"type": "object"}},
    },
}
_OF_BUCKET = [path_parameter("bucket")]
_OF_OBJECT = [path_parameter("bucket"), path_parameter("key")]
_TOKEN = [query_parameter("token", "string", "the token of the signed URL")]


def paths() -> dict[str, Any]:
    """Return the paths."""
    bytes_ = answers("200", "bytes", "401", "404")
    reads = {
        "parameters": _OF_OBJECT,
        "get": operation("An object's bytes", bytes_),
        "head": operation("Its headers", bytes_),
    }
    found = {
        "bucket": {
            "get": {
                **operation("The organisation's buckets", answers("200", "buckets", "400")),
                "parameters": [
                    query_parameter("limit", "integer", "how many at most"),
                    query_parameter("offset", "integer", "how many are left out before"),
                    query_parameter("search", "string", "what the name holds"),
                    query_parameter("sortColumn", "string", "id, name, created_at or updated_at"),
                    query_parameter("sortOrder", "string", "asc or desc"),
                ],
            },
            "post": _asked("Make a bucket", answers("200", "bucket", "409")),
        },
        "bucket/{bucket}": {
            "parameters": _OF_BUCKET,
            "get": operation("One bucket", answers("200", "bucket", "404")),
            "put": _asked("Change a bucket", answers("200", "bucket", "404")),
            "patch": _asked("Change a bucket", answers("200", "bucket", "404")),
            "delete": operation("Remove a bucket", answers("200", "removed", "404", "409")),
        },
        "bucket/{bucket}/empty": {
            "parameters": _OF_BUCKET,
            "post": operation("Remove its objects", answers("200", "emptied", "404")),
        },
        "object/{bucket}": {
            "parameters": _OF_BUCKET,
            "delete": _asked("Remove objects by exact keys", answers("200", "those removed", "404")),
        },
        "object/copy": {"post": _asked("Copy an object", answers("200", "copied", "404", "409"))},
        "object/move": {"post": _asked("Move an object", answers("200", "moved", "404", "409"))},
        "object/list/{bucket}": {
            "parameters": _OF_BUCKET,
            "get": operation("The entries of a folder", answers("200", "entries", "404")),
            "post": _asked("The entries of a folder", answers("200", "entries", "404")),
        },
        "object/list-v2/{bucket}": {
            "parameters": _OF_BUCKET,
            "post": _asked("A page of its objects", answers("200", "objects", "404")),
        },
        "object/sign/{bucket}": {
            "parameters": _OF_BUCKET,
            "post": _asked("Signed URLs of several objects", answers("200", "signed URLs", "404")),
        },
        "object/sign/{bucket}/{key}": {
            "parameters": [*_OF_OBJECT, *_TOKEN],
            "post": _asked("A signed URL", answers("200", "signed URL", "404")),
            "get": operation("An object's bytes", bytes_),
            "head": operation("Its headers", bytes_),
        },
        "object/upload/sign/{bucket}/{key}": {
            "parameters": [*_OF_OBJECT, *_TOKEN],
            "post": _asked("A signed URL for an upload", answers("200", "signed URL", "403", "404")),
            "put": {
                **operation("Store a content", answers("200", "stored", "403", "409", "411", "413", "507")),
                "requestBody": _FILE,
            },
        },
        "object/public/{bucket}/{key}": reads,
        "object/authenticated/{bucket}/{key}": reads,
        "object/info/{bucket}/{key}": {
            "parameters": _OF_OBJECT,
            "get": operation("What is known of an object", answers("200", "facts", "404")),
        },
    }
    return {f"/storage/v1/{path}": document for path, document in found.items()}


def _asked(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {**operation(summary, responses), "requestBody": _ANY_BODY}
