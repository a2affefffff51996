"""Resumable uploads as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from reactor_storage.http.openapi import answers, operation, path_parameter

_BYTES = {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_REFUSED = ("400", "401", "403", "404", "409", "412", "413", "415")


def paths() -> dict[str, Any]:
    """Return the paths."""
    begin = {
        "post": {
            **operation("Begin a resumable upload (TUS 1.0.0)", answers("201", "its Location", *_REFUSED)),
            "parameters": [
                _version(),
                _header("Upload-Length", "bytes of the whole"),
                _header("Upload-Defer-Length", "1, where the length is told later"),
                _header(
                    "Upload-Metadata", "bucketName, objectName, contentType, cacheControl, metadata, each in Base64"
                ),
                _header("Upload-Concat", "partial, or final; with the URLs of partial uploads"),
                _header("X-Upsert", "true to replace an object"),
            ],
            "requestBody": {"required": False, "content": _BYTES},
        },
        "options": operation("What this server can do", answers("204", "Tus-Version, Tus-Extension, Tus-Max-Size")),
    }
    one = {
        "parameters": [path_parameter("id"), _version()],
        "head": operation("Where an upload is", answers("200", "Upload-Offset, Upload-Length", "404", "423")),
        "patch": {
            **operation("Append to an upload", answers("204", "Upload-Offset", *_REFUSED, "423", "460")),
            "parameters": [
                _header("Upload-Offset", "where the bytes begin", required=True),
                _header("Upload-Checksum", "sha1, sha256 or md5, and the digest of the body in Base64"),
            ],
            "requestBody": {"required": True, "content": _BYTES},
        },
        "delete": operation("Terminate an upload", answers("204", "terminated", "404", "423")),
        "post": operation("The method that X-HTTP-Method-Override names", answers("204", "as that answers", "405")),
        "options": begin["options"],
    }
    place = "/storage/v1/upload/resumable"
    return {
        f"{base}{path}": item
        for base in (place, f"{place}/sign")
        for path, item in (("", begin), ("/", begin), ("/{id}", one))
    }


def _version() -> dict[str, Any]:
    return _header("Tus-Resumable", "1.0.0", required=True)


def _header(name: str, text: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": {"type": "string"}, "description": text}
