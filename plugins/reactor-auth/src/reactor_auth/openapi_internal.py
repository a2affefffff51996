"""The internal routes in the OpenAPI document."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_SECRET: Json = {"name": "X-Reactor-Internal-Secret", "in": "header", "required": True, "schema": _TEXT}
_REASONS = {
    400: "The request is not valid",
    401: "The internal secret or the credential is not valid",
    403: "The user is disabled, or is no member",
    404: "There is no such thing",
}


def _operation(summary: str, schema: str, refusals: tuple[int, ...], **more: Any) -> Json:
    answer = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {
        "tags": ["auth"],
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": answer}},
            **{str(status): {"description": _REASONS[status]} for status in refusals},
        },
        **more,
    }


def paths(prefix: str) -> dict[str, Json]:
    """Return the paths."""
    body = {"schema": {"$ref": "#/components/schemas/InternalResolve"}}
    resolve = {
        "post": _operation(
            "Turn a credential into an identity, for other processes of the platform",
            "InternalContext",
            (400, 401, 403, 404),
            parameters=[_SECRET],
            requestBody={"required": False, "content": {"application/json": body}},
        )
    }
    wanted = {"schema": {"$ref": "#/components/schemas/InternalServiceTokenRequest"}}
    service_token = {
        "post": _operation(
            "Make the token a service of the platform names itself with",
            "InternalServiceToken",
            (400, 401, 404),
            parameters=[_SECRET],
            requestBody={"required": True, "content": {"application/json": wanted}},
        )
    }
    user_id = {"name": "user_id", "in": "path", "required": True, "schema": _TEXT}
    user = {
        "get": _operation(
            "A user, for other processes of the platform",
            "InternalUser",
            (401, 404),
            parameters=[_SECRET, user_id],
        )
    }
    return {
        "/_internal/resolve_ctx": resolve,
        f"{prefix}/_internal/resolve_ctx": resolve,
        f"{prefix}/_internal/service_token": service_token,
        f"{prefix}/users/{{user_id}}": user,
    }


SCHEMAS: dict[str, Json] = {
    "InternalResolve": {"type": "object", "properties": {"token": _TEXT, "requested_org": _TEXT, "user_id": _TEXT}},
    "InternalContext": {
        "type": "object",
        "required": ["claims", "active_org", "permissions", "ctx", "identity"],
        "properties": {
            "claims": {"type": "object", "additionalProperties": True},
            "active_org": {"type": ["string", "null"]},
            "permissions": {"type": "array", "items": _TEXT},
            "ctx": {"type": "object", "additionalProperties": True},
            "identity": {"type": "object", "additionalProperties": True},
        },
    },
    "InternalServiceTokenRequest": {
        "type": "object",
        "required": ["org", "caller", "scopes"],
        "properties": {"org": _TEXT, "caller": _TEXT, "scopes": {"type": "array", "items": _TEXT}},
    },
    "InternalServiceToken": {"type": "object", "required": ["token"], "properties": {"token": _TEXT}},
    "InternalUser": {"type": "object", "additionalProperties": True},
}
