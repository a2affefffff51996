"""The OpenAPI part of what describes the schema: the root document and types for clients."""

from __future__ import annotations

from typing import Any

_ERROR = {"description": "error envelope"}


def paths() -> dict[str, Any]:
    """Return the paths."""
    described = {
        "200": {"description": "OpenAPI 2.0", "content": {"application/openapi+json": {"schema": {"type": "object"}}}},
        **dict.fromkeys(("401", "404", "406"), _ERROR),
    }
    module = {"schema": {"type": "string"}}
    return {
        "/data/v1/": {
            "get": _operation("The relations and functions that the caller may use", described),
            "head": _operation("As GET, without the body", described),
            "options": _operation("Which methods it takes", {"200": {"description": "Allow"}}),
        },
        "/data/v1/_admin/types/{language}": {
            "parameters": [
                {
                    "name": "language",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "enum": ["typescript", "python"]},
                }
            ],
            "get": _operation(
                "The exposed schemas as types of a client's language; for administrators and services",
                {
                    "200": {
                        "description": "a module",
                        "content": {"text/typescript": module, "text/x-python": module},
                    },
                    **dict.fromkeys(("401", "403", "404"), _ERROR),
                },
            ),
        },
    }


def _operation(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"tags": ["data"], "summary": summary, "responses": responses}
