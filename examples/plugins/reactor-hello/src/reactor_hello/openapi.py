"""The routes in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

_STORED = {
    "type": "object",
    "required": ["id", "name", "text", "created_at"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "name": {"type": "string"},
        "text": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
    },
}
_ONE: dict[str, Any] = {"$ref": "#/components/schemas/HelloGreeting"}
_USER: list[dict[str, list[str]]] = [{"bearerAuth": []}]


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


DOCUMENT: dict[str, Any] = {
    "tags": [{"name": "hello", "description": "Greetings"}],
    "components": {"schemas": {"HelloGreeting": _STORED}},
    "paths": {
        "/hello/v1/greeting/{name}": {
            "get": {
                "tags": ["hello"],
                "summary": "Greet somebody",
                "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {
                    "200": _json(
                        "The greeting",
                        {
                            "type": "object",
                            "required": ["text"],
                            "properties": {"text": {"type": "string"}, "seal": {"type": "string"}},
                        },
                    )
                },
            }
        },
        "/hello/v1/tally/{name}": {
            "get": {
                "tags": ["hello"],
                "summary": "Follow how often a name was greeted",
                "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {
                    "200": {
                        "description": "Server-sent events `tally`: {name, times}, now and whenever it changes",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    }
                },
            }
        },
        "/hello/v1/greetings": {
            "get": {
                "tags": ["hello"],
                "summary": "List the organisation's greetings, newest first",
                "security": _USER,
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}}
                ],
                "responses": {"200": _json("The greetings", {"type": "array", "items": _ONE})},
            },
            "post": {
                "tags": ["hello"],
                "summary": "Store a greeting",
                "security": _USER,
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {"name": {"type": "string"}},
                            }
                        }
                    },
                },
                "responses": {"201": _json("The stored greeting", _ONE)},
            },
        },
    },
}
