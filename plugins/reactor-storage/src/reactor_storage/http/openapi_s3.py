"""The S3 endpoint and its access keys as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from reactor_storage.http.openapi import answers, operation, path_parameter

_KEY_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "scopes": {"type": ["array", "null"], "items": {"type": "string"}},
                    "expires_at": {"type": ["string", "null"], "format": "date-time"},
                },
            }
        }
    },
}
_METHODS = ("get", "head", "put", "post", "delete")


def paths() -> dict[str, Any]:
    """Return the paths. What S3's clients send to the endpoint is described by S3's own documents."""
    s3 = {
        method: operation("S3's protocol, signed with an access key", answers("200", "as S3 answers", "403"))
        for method in _METHODS
    }
    return {
        "/storage/v1/s3-credentials": {
            "get": operation("The caller's S3 access keys", answers("200", "keys without secrets")),
            "post": {
                **operation("Make an S3 access key", answers("201", "key with its secret, shown once", "400", "403")),
                "requestBody": _KEY_BODY,
            },
        },
        "/storage/v1/s3-credentials/{id}": {
            "parameters": [path_parameter("id")],
            "delete": operation("Revoke an S3 access key", answers("204", "revoked", "404")),
        },
        "/storage/v1/s3": s3,
        "/storage/v1/s3/": s3,
        "/storage/v1/s3/{rest}": {"parameters": [path_parameter("rest")], **s3},
    }
