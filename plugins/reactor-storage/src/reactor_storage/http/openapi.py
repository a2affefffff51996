"""The routes as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

_ERROR = {"description": "error envelope"}
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BUCKET_BODY = {
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
                    "lifecycle": {
                        "type": "array",
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "id": {"type": "string"},
                                "prefix": {"type": "string"},
                                "expire_days": {"type": "integer", "minimum": 1, "maximum": 36500},
                                "noncurrent_days": {"type": "integer", "minimum": 1, "maximum": 36500},
                            },
                        },
                    },
                },
            }
        }
    },
}


def document() -> dict[str, Any]:
    """Return the fragment."""
    from reactor_storage.http import (
        openapi_admin,
        openapi_images,
        openapi_life,
        openapi_s3,
        openapi_sdk,
        openapi_tus,
    )

    fragment = _primary()
    for part in (openapi_sdk, openapi_s3, openapi_tus, openapi_images, openapi_admin):
        fragment["paths"] |= part.paths()
    openapi_life.add_to(fragment)
    return fragment


def _primary() -> dict[str, Any]:
    return {
        "tags": [{"name": "storage", "description": "Buckets and objects"}],
        "paths": {
            "/storage/v1/health": {"get": operation("The capability answers", {"200": {"description": "ok"}})},
            "/storage/v1/buckets": {
                "get": operation("The organisation's buckets", answers("200", "buckets")),
                "post": {**operation("Make a bucket", answers("201", "bucket", "409")), "requestBody": BUCKET_BODY},
            },
            "/storage/v1/buckets/{bucket}": {
                "parameters": [path_parameter("bucket")],
                "get": operation("One bucket", answers("200", "bucket", "404")),
                "patch": {
                    **operation("Change a bucket", answers("200", "bucket", "404")),
                    "requestBody": BUCKET_BODY,
                },
                "delete": {
                    **operation("Remove a bucket", answers("204", "removed", "404", "409")),
                    "parameters": [query_parameter("cascade", "boolean", "remove its objects with it")],
                },
            },
            "/storage/v1/buckets/{bucket}/objects": {
                "parameters": [path_parameter("bucket")],
                "get": {
                    **operation("A page of its objects", answers("200", "objects", "404")),
                    "parameters": [
                        query_parameter("prefix", "string", "keys that begin so"),
                        query_parameter("delimiter", "string", "what ends a common prefix, such as /"),
                        query_parameter("cursor", "string", "where the page before ended"),
                        query_parameter("limit", "integer", "1 to 1000; 100 unless said"),
                    ],
                },
            },
            "/storage/v1/sign/{bucket}/{key}": {
                "parameters": [path_parameter("bucket"), path_parameter("key")],
                "post": {
                    **operation(
                        "A URL that works without a credential", answers("200", "signed URL", "400", "403", "404")
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
                                        "transform": {"type": "object"},
                                    },
                                }
                            }
                        },
                    },
                },
            },
            "/storage/v1/upload/{bucket}/{key}": {
                "parameters": [
                    path_parameter("bucket"),
                    path_parameter("key"),
                    query_parameter("upload_id", "string", "the upload, where it has begun"),
                    query_parameter("part_number", "integer", "1 to 10000, of a part"),
                ],
                "post": {
                    **operation(
                        "Begin an upload in parts, or (…/complete) end it",
                        answers("200", "upload or object", "400", "404"),
                    ),
                    "requestBody": {"required": False, "content": {"application/json": {"schema": {"type": "object"}}}},
                },
                "put": {
                    **operation("Send one part (…/part)", answers("200", "its ETag", "404", "411", "413", "507")),
                    "requestBody": {"required": True, "content": BYTES},
                },
                "delete": operation("Drop an upload (…/abort)", answers("204", "dropped", "404")),
            },
            "/storage/v1/object/{bucket}/{key}": {
                "parameters": [path_parameter("bucket"), path_parameter("key")],
                "get": {
                    **operation(
                        "An object's bytes", {"200": {"description": "bytes", "content": BYTES}, "404": _ERROR}
                    ),
                    "parameters": [query_parameter("download", "string", "save under this name")],
                },
                "head": operation("Its headers", answers("200", "headers", "404")),
                "put": {
                    **operation(
                        "Store a content", answers("200", "stored", "403", "404", "412", "411", "413", "415", "507")
                    ),
                    "requestBody": {"required": True, "content": BYTES},
                },
                "post": {
                    **operation(
                        "Store a content that is new",
                        answers("200", "stored", "403", "404", "409", "411", "413", "415", "507"),
                    ),
                    "requestBody": {"required": True, "content": BYTES},
                },
                "delete": operation("Remove an object", answers("204", "removed", "404")),
            },
        },
    }


def operation(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    """Return an operation of this tag."""
    return {"summary": summary, "tags": ["storage"], "responses": responses}


def answers(status: str, description: str, *errors: str) -> dict[str, Any]:
    """Return the answer of one status, and the envelope for those of errors."""
    return {status: {"description": description}, **dict.fromkeys(errors, _ERROR)}


def path_parameter(name: str) -> dict[str, Any]:
    """Return a parameter of the path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def query_parameter(name: str, kind: str, text: str) -> dict[str, Any]:
    """Return a parameter of the query that need not be there."""
    return {"name": name, "in": "query", "required": False, "schema": {"type": kind}, "description": text}
