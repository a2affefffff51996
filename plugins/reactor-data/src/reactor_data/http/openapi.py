"""The fixed routes as OpenAPI 3.1; the relations of a caller are in `description`."""

from __future__ import annotations

from typing import Any

from reactor_data.http import openapi_access, openapi_tools
from reactor_data.http.openapi_realtime import CHANGES, SUBSCRIPTION

_ERROR = {"description": "error envelope"}
_JSON_ROWS: dict[str, Any] = {
    "description": "rows",
    "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
}
_QUERY = [
    {"name": name, "in": "query", "required": False, "schema": {"type": kind}, "description": text}
    for name, kind, text in (
        ("select", "string", "columns, aliases, casts, JSON paths"),
        ("order", "string", "column.asc|desc.nullsfirst|nullslast, …"),
        ("limit", "integer", "rows at most"),
        ("offset", "integer", "rows to skip"),
    )
]
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}}
    },
}


_RECORDS = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "array", "maxItems": 1000, "items": {"type": "object"}}}},
}

_BATCH = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["requests"],
                "properties": {
                    "requests": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["id", "method", "path"],
                            "properties": {
                                "id": {"type": "string"},
                                "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
                                "path": {"type": "string"},
                                "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                                "body": {},
                            },
                        },
                    }
                },
            }
        }
    },
}
_ROWS_OR_CHANGES = {"description": "rows, or changes", "content": {**_JSON_ROWS["content"], **CHANGES}}


def document() -> dict[str, Any]:
    """Return the fragment."""
    return {
        "tags": [{"name": "data", "description": "Rows under row-level security"}],
        "paths": {
            "/data/v1/health": {"get": _operation("The capability answers", {"200": {"description": "ok"}})},
            "/data/v1/health/ready": {
                "get": _operation("Rows can be served", {"200": {"description": "ok"}, "503": _ERROR})
            },
            "/data/v1/_admin/tables": {"get": _operation("Names of the relations", {"200": {"description": "names"}})},
            "/data/v1/_admin/tables/{table}": {
                "parameters": [_path("table")],
                "get": _operation("One relation", {"200": {"description": "columns and row count"}, "404": _ERROR}),
            },
            "/data/v1/_admin/query": {
                "post": {
                    **_operation("Run one SQL statement", {"200": {"description": "rows"}, "400": _ERROR}),
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["sql"],
                                    "properties": {
                                        "sql": {"type": "string"},
                                        "params": {"type": "object"},
                                        "write": {"type": "boolean", "default": False},
                                    },
                                }
                            }
                        },
                    },
                }
            },
            "/data/v1/_admin/migrate": {
                "post": _operation("Apply the project's migrations", {"200": {"description": "what was applied"}})
            },
            "/data/v1/rpc/{function}": _function(),
            "/data/v1/{relation}": _relation(),
            **openapi_access.paths(),
            **openapi_tools.paths(),
            "/data/v1/metrics": {
                "get": _operation(
                    "Metrics of this capability",
                    {
                        "200": {
                            "description": "Prometheus text",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        },
                        "404": _ERROR,
                    },
                )
            },
            "/data/v1/_batch": {
                "post": {
                    **_operation(
                        "Run several requests in one transaction",
                        {"200": {"description": "each one's answer"}, "400": _ERROR, "401": _ERROR, "409": _ERROR},
                    ),
                    "parameters": [
                        {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}}
                    ],
                    "requestBody": _BATCH,
                },
            },
            "/data/v1/orgs/{org}/datasets/{dataset}/records": {
                "parameters": [_path("org"), _path("dataset")],
                "post": {
                    **_operation(
                        "Append records to a table, for services",
                        {"201": {"description": "stored"}, "400": _ERROR, "401": _ERROR, "403": _ERROR, "404": _ERROR},
                    ),
                    "requestBody": _RECORDS,
                },
            },
        },
    }


def _relation() -> dict[str, Any]:
    failures = {"400": _ERROR, "401": _ERROR, "403": _ERROR, "404": _ERROR}
    empty = {"description": "done; rows with Prefer: return=representation"}
    return {
        "parameters": [_path("relation")],
        "get": {
            **_operation(
                "Read rows, or follow their changes",
                {"200": _ROWS_OR_CHANGES, "206": _JSON_ROWS, "406": _ERROR, "416": _ERROR, "426": _ERROR, **failures},
            ),
            "parameters": [*_QUERY, *SUBSCRIPTION],
        },
        "head": {**_operation("Read headers only", {"200": {"description": "ok"}, **failures}), "parameters": _QUERY},
        "post": {**_operation("Insert rows", {"201": empty, "409": _ERROR, **failures}), "requestBody": _BODY},
        "put": {
            **_operation(
                "Make the row with this primary key what the body says",
                {"204": empty, "200": _JSON_ROWS, "201": _JSON_ROWS, "405": _ERROR, **failures},
            ),
            "requestBody": _BODY,
        },
        "patch": {**_operation("Update rows", {"204": empty, "200": _JSON_ROWS, **failures}), "requestBody": _BODY},
        "delete": _operation("Delete rows", {"204": empty, "200": _JSON_ROWS, **failures}),
        "options": _operation("Which methods the relation takes", {"200": {"description": "Allow"}, "404": _ERROR}),
    }


def _operation(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"tags": ["data"], "summary": summary, "responses": responses}


def _function() -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {
            "description": "the result: a value, an object, or an array of them",
            "content": {"application/json": {"schema": {}}},
        },
        "204": {"description": "the function returns nothing"},
        "206": {"description": "part of the rows, where they were counted"},
        "300": _ERROR,
        **dict.fromkeys(("400", "401", "403", "404", "406", "416"), _ERROR),
    }
    reading = {**answers, "405": {"description": "the function tried to write"}}
    return {
        "parameters": [_path("function")],
        "get": {
            **_operation("Call a function that does not write; its arguments are parameters", reading),
            "parameters": _QUERY,
        },
        "head": {**_operation("As GET, without the body", reading), "parameters": _QUERY},
        "post": {
            **_operation("Call a function with the arguments of the body", answers),
            "parameters": _QUERY,
            "requestBody": {
                "required": False,
                "content": {
                    "application/json": {"schema": {}},
                    "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
                    "text/csv": {"schema": {"type": "string"}},
                    "text/plain": {"schema": {"type": "string"}},
                    "text/xml": {"schema": {"type": "string"}},
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                },
            },
        },
        "options": _operation("Which methods it takes", {"200": {"description": "Allow"}, "404": _ERROR}),
    }


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
