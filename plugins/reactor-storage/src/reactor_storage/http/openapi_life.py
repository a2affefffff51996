"""Versions and usage as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from reactor_storage.http.openapi import answers, operation, path_parameter, query_parameter

VERSION_ID = query_parameter("version_id", "string", "this version instead of the current one")
_OF_OBJECT = [path_parameter("bucket"), path_parameter("key")]


def paths() -> dict[str, Any]:
    """Return the paths."""
    return {
        "/storage/v1/versions/{bucket}/{key}": {
            "parameters": _OF_OBJECT,
            "get": {
                **operation("A page of an object's versions, newest first", answers("200", "versions", "404")),
                "parameters": [
                    query_parameter("cursor", "string", "where the page before ended"),
                    query_parameter("limit", "integer", "1 to 1000; 100 unless said"),
                ],
            },
        },
        "/storage/v1/restore/{bucket}/{key}": {
            "parameters": _OF_OBJECT,
            "post": {
                **operation(
                    "Make an earlier version the current one again", answers("200", "stored", "403", "404", "412")
                ),
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["version_id"],
                                "properties": {"version_id": {"type": "string"}},
                            }
                        }
                    },
                },
            },
        },
        "/storage/v1/usage": {
            "get": operation("What the organisation's buckets hold", answers("200", "usage", "403")),
        },
    }


def add_to(fragment: dict[str, Any]) -> None:
    """Add them, and what they add to the paths of objects, to the capability's fragment."""
    fragment["paths"] |= paths()
    one = fragment["paths"]["/storage/v1/object/{bucket}/{key}"]
    for method in ("get", "head", "delete"):
        one[method].setdefault("parameters", []).append(VERSION_ID)
