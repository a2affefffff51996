"""The operators' surface in the OpenAPI document."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_REASONS = {
    400: "The request is not valid",
    401: "The credential is missing or not valid",
    403: "From another network, without the scope, or without a fresh second factor",
    404: "There is no such user",
}


def _operation(summary: str, schema: str, refusals: tuple[int, ...], body: str | None = None, **more: Any) -> Json:
    answer = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    operation: Json = {
        "tags": ["operators"],
        "summary": summary,
        "security": [{"bearerAuth": []}],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": answer}},
            **{str(status): {"description": _REASONS[status]} for status in refusals},
        },
        **more,
    }
    if body is not None:
        sent = {"schema": {"$ref": f"#/components/schemas/{body}"}}
        operation["requestBody"] = {"required": True, "content": {"application/json": sent}}
    return operation


_OPERATORS: dict[str, Json] = {
    "/operators/status": {"get": _operation("Whether there are operators", "OpsStatus", (401, 403))},
    "/operators/bootstrap": {
        "post": _operation("Make the first operator", "OpsDone", (400, 401, 403, 404), "OpsBootstrap")
    },
    "/operators/promote": {"post": _operation("Make an operator", "OpsDone", (400, 401, 403, 404), "OpsNamed")},
    "/operators/demote": {"post": _operation("Unmake an operator", "OpsDone", (400, 401, 403, 404), "OpsNamed")},
    "/operators/remove-factors": {
        "post": _operation("Remove somebody's second factors", "OpsDone", (400, 401, 403, 404), "OpsNamed")
    },
}
_AUDIT: dict[str, Json] = {
    "/audit": {
        "get": _operation(
            "What operators did, newest first",
            "OpsAudit",
            (400, 401, 403),
            parameters=[
                {"name": name, "in": "query", "required": False, "schema": schema}
                for name, schema in (
                    ("limit", {"type": "integer"}),
                    ("offset", {"type": "integer"}),
                    ("actor_user_id", _TEXT),
                )
            ],
        )
    }
}
SCHEMAS: dict[str, Json] = {
    "OpsStatus": {
        "type": "object",
        "required": ["operators_exist", "count", "message"],
        "properties": {"operators_exist": {"type": "boolean"}, "count": {"type": "integer"}, "message": _TEXT},
    },
    "OpsNamed": {"type": "object", "required": ["email"], "properties": {"email": _TEXT}},
    "OpsBootstrap": {
        "type": "object",
        "required": ["email"],
        "properties": {"email": _TEXT, "admin_token": _TEXT},
    },
    "OpsDone": {
        "type": "object",
        "required": ["success", "user_id", "message"],
        "properties": {"success": {"const": True}, "user_id": {"type": "string", "format": "uuid"}, "message": _TEXT},
    },
    "OpsAudit": {
        "type": "object",
        "required": ["entries", "total"],
        "properties": {
            "entries": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
            "total": {"type": "integer"},
        },
    },
}


def paths(prefix: str) -> dict[str, Json]:
    """Return the paths of both surfaces."""
    ops = {f"/_ops/v1{path}": item for path, item in {**_OPERATORS, **_AUDIT}.items()}
    return {**ops, **{f"{prefix}{path}": item for path, item in _OPERATORS.items()}}
