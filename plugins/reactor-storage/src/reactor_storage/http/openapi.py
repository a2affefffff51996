"""The routes as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

_ERROR = {"description": "error envelope"}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BUCKET_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "public": {"type": "boolean"},
                    "file_size_limit": {"type": ["integer", "null"]},
                    "allowed_mime_types": {"type": ["array", "null"], "items": {"type": "string"}},
                    "versioning": {"type": "boolean"},
                    "lifecycle": {"type": "array", "items": {"type": "object"}},
                },
            }
        }
    },
}


def document() -> dict[str, Any]:
    """Return the fragment."""
    return {
        "tags": [{"name": "storage", "description": "Buckets and objects"}],
        "paths": {
            "/storage/v1/health": {"get": _operation("The capability answers", {"200": {"description": "ok"}})},
            "/storage/v1/buckets": {
                "get": _operation("The organisation's buckets", _answers("200", "buckets")),
                "post": {**_operation("Make a bucket", _answers("201", "bucket", "409")), "requestBody": _BUCKET_BODY},
            },
            "/storage/v1/buckets/{bucket}": {
                "parameters": [_path("bucket")],
                "get": _operation("One bucket", _answers("200", "bucket", "404")),
                "patch": {
                    **_operation("Change a bucket", _answers("200", "bucket", "404")),
                    "requestBody": _BUCKET_BODY,
                },
                "delete": {
                    **_operation("Remove a bucket", _answers("204", "removed", "404", "409")),
                    "parameters": [_query("cascade", "boolean", "remove its objects with it")],
                },
            },
            "/storage/v1/buckets/{bucket}/objects": {
                "parameters": [_path("bucket")],
                "get": {
                    **_operation("A page of its objects", _answers("200", "objects", "404")),
                    "parameters": [
                        _query("prefix", "string", "keys that begin so"),
                        _query("delimiter", "string", "what ends a common prefix, such as /"),
                        _query("cursor", "string", "where the page before ended"),
                        _query("limit", "integer", "1 to 1000; 100 unless said"),
                    ],
                },
            },
            "/storage/v1/sign/{bucket}/{key}": {
                "parameters": [_path("bucket"), _path("key")],
                "post": {
                    **_operation(
                        "A URL that works without a credential", _answers("200", "signed URL", "400", "403", "404")
                    ),
                    "requestBody": {
                        "required": False,
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "expires_in": {"type": "integer", "minimum": 0, "maximum": 604800},
                                        "for_upload": {"type": "boolean"},
                                        "single_use": {"type": "boolean"},
                                        "upsert": {"type": "boolean"},
                                    },
                                }
                            }
                        },
                    },
                },
            },
            "/storage/v1/object/{bucket}/{key}": {
                "parameters": [_path("bucket"), _path("key")],
                "get": {
                    **_operation(
                        "An object's bytes", {"200": {"description": "bytes", "content": _BYTES}, "404": _ERROR}
                    ),
                    "parameters": [_query("download", "string", "save under this name")],
                },
                "head": _operation("Its headers", _answers("200", "headers", "404")),
                "put": {
                    **_operation("Store a content", _answers("200", "stored", "403", "404", "412", "413", "415")),
                    "requestBody": {"required": True, "content": _BYTES},
                },
                "delete": _operation("Remove an object", _answers("204", "removed", "404")),
            },
        },
    }


def _operation(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "tags": ["storage"], "responses": responses}


def _answers(status: str, description: str, *errors: str) -> dict[str, Any]:
    return {status: {"description": description}, **dict.fromkeys(errors, _ERROR)}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, kind: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": kind}, "description": text}
