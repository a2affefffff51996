"""The routes for administrators and for other capabilities as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from reactor_storage.http.openapi import BUCKET_BODY, BYTES, answers, operation, path_parameter, query_parameter

_CASCADE = query_parameter("cascade", "boolean", "remove its objects with it")
_FILES_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["buckets"],
                "properties": {"buckets": {"type": "array", "items": {"type": "object", "required": ["name"]}}},
            }
        }
    },
}


def paths() -> dict[str, Any]:
    """Return the paths."""
    base, bucket = "/storage/v1/_admin/buckets", [path_parameter("bucket")]
    return {
        "/storage/v1/metrics": {"get": operation("Metrics as Prometheus text", answers("200", "text", "404"))},
        "/storage/v1/openapi.json": {"get": operation("These routes", answers("200", "an OpenAPI document"))},
        base: {
            "get": operation("The buckets that the caller administers", answers("200", "buckets", "401")),
            "post": {**operation("Make a bucket", answers("201", "bucket", "409")), "requestBody": BUCKET_BODY},
        },
        f"{base}/{{bucket}}": {
            "parameters": bucket,
            "get": operation("One bucket", answers("200", "bucket", "403", "404")),
            "delete": {
                **operation("Remove a bucket", answers("200", "removed", "403", "404", "409")),
                "parameters": [_CASCADE],
            },
        },
        f"{base}/{{bucket}}/policies": {
            "parameters": bucket,
            "get": operation("The policies on objects", answers("200", "policies", "403", "404")),
            "post": operation("Not there: policies are made in migrations", answers("405", "how")),
        },
        f"{base}/{{bucket}}/policies/{{policy}}": {
            "parameters": [*bucket, path_parameter("policy")],
            "delete": operation("Not there: policies are dropped in migrations", answers("405", "how")),
        },
        "/storage/v1/_admin/bucket-files": {
            "post": {
                **operation("Make buckets as files declare them", answers("200", "what was done", "400", "403")),
                "parameters": [query_parameter("dry_run", "boolean", "only tell")],
                "requestBody": _FILES_BODY,
            }
        },
        "/storage/v1/_admin/gc": {
            "post": {
                **operation("Remove what nothing refers to", answers("200", "counts", "401", "403")),
                "parameters": [query_parameter("dry_run", "boolean", "only count")],
            }
        },
        "/storage/v1/orgs/{org}/buckets/{bucket}/objects/{key}": {
            "parameters": [path_parameter("org"), *bucket, path_parameter("key")],
            "get": operation("An object's bytes", answers("200", "bytes", "401", "404")),
            "head": operation("Its headers", answers("200", "headers", "401", "404")),
            "put": {
                **operation("Store a content", answers("200", "stored", "403", "404", "412", "413", "415")),
                "requestBody": {"required": True, "content": BYTES},
            },
        },
    }
