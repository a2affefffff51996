"""The OpenAPI part of what administrators ask about policies."""

from __future__ import annotations

from typing import Any

_ERROR = {"description": "error envelope"}
_OBJECT = {"type": "object", "additionalProperties": True}


def paths() -> dict[str, Any]:
    """Return the paths."""
    body = {
        "type": "object",
        "required": ["table", "action", "identity"],
        "properties": {
            "table": {"type": "string", "description": "a table of the exposed schema, or schema.table"},
            "action": {"type": "string", "enum": ["select", "insert", "update", "delete"]},
            "key": {**_OBJECT, "description": "columns and values that name the row"},
            "values": {**_OBJECT, "description": "what an insert or update writes"},
            "columns": {"type": "array", "items": {"type": "string"}, "description": "what is read; default all"},
            "returning": {"type": "boolean", "default": False, "description": "the written row is to be returned"},
            "identity": {
                "type": "object",
                "properties": {"user_id": {"type": "string"}, "org": {"type": "string"}, "claims": _OBJECT},
            },
        },
    }
    answer = {
        "type": "object",
        "required": ["allowed", "role", "row_exists", "grant", "policies", "reason"],
        "properties": {
            "allowed": {"type": "boolean"},
            "role": {"type": ["string", "null"]},
            "row_exists": {"type": ["boolean", "null"]},
            "grant": {
                "type": "object",
                "required": ["ok"],
                "properties": {"ok": {"type": "boolean"}, "missing": {"type": "array", "items": {"type": "string"}}},
            },
            "row_security": _OBJECT,
            "policies": {"type": "array", "items": _OBJECT},
            "trial": _OBJECT,
            "reason": {"type": "string"},
        },
    }
    return {
        "/data/v1/_admin/explain-access": {
            "post": {
                "tags": ["data"],
                "summary": "Why an identity may, or may not, do something with a row",
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": {
                    "200": {"description": "the decision", "content": {"application/json": {"schema": answer}}},
                    "400": _ERROR,
                    "403": _ERROR,
                    "404": _ERROR,
                },
            }
        },
        "/data/v1/_admin/lint": {
            "get": {
                "tags": ["data"],
                "summary": "What policies, grants and functions of the database rarely mean",
                "responses": {
                    "200": {
                        "description": "findings, errors first",
                        "content": {"application/json": {"schema": {"type": "array", "items": _OBJECT}}},
                    }
                },
            }
        },
    }
