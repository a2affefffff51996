"""The routes of rendered pictures as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from reactor_storage.http.openapi import answers, operation, path_parameter, query_parameter

_OF_OBJECT = [path_parameter("bucket"), path_parameter("key")]


def transform_schema() -> dict[str, Any]:
    """Return the schema of what is made of a picture."""
    side = {"type": "integer", "minimum": 1, "maximum": 2500}
    return {
        "type": "object",
        "properties": {
            "width": side,
            "height": side,
            "resize": {"enum": ["cover", "contain", "fill"], "default": "cover"},
            "quality": {"type": "integer", "minimum": 20, "maximum": 100, "default": 80},
            "format": {"enum": ["origin", "webp", "avif", "jpeg", "png"]},
        },
    }


def paths() -> dict[str, Any]:
    """Return the paths."""
    asked = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in transform_schema()["properties"].items()
    ]
    token = [query_parameter("token", "string", "the token of the signed URL")]
    found = {"public": asked, "authenticated": asked, "sign": token}
    return {
        f"/storage/v1/render/image/{name}/{{bucket}}/{{key}}": {
            "parameters": [*_OF_OBJECT, *parameters, query_parameter("download", "string", "save under this name")],
            "get": operation("An object rendered as a picture", _rendered()),
            "head": operation("Its headers", _rendered()),
        }
        for name, parameters in found.items()
    }


def _rendered() -> dict[str, Any]:
    kinds = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif")
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {
        **answers("200", "the picture", "400", "401", "403", "404", "413", "415", "503"),
        "200": {"description": "the picture", "content": content},
    }
