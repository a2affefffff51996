"""Social sign-in in the OpenAPI document."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_UUID: Json = {"type": "string", "format": "uuid"}


def _answer(schema: Json) -> Json:
    return {"description": "Done", "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": _TEXT}


def _path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


_REASONS = {
    400: "The request is not valid",
    401: "The credential is missing or not valid",
    403: "The caller may not do this",
    404: "There is no such thing",
    429: "Too many attempts",
    503: "The provider does not answer",
}


def _operation(summary: str, answers: Json, refusals: tuple[int, ...], *, user: bool, **more: Any) -> Json:
    return {
        "tags": ["auth"],
        "summary": summary,
        "security": [{"bearerAuth": []}] if user else [],
        "responses": {**answers, **{str(status): {"description": _REASONS[status]} for status in refusals}},
        **more,
    }


_BACK: Json = {"303": {"description": "To redirect_to, with tokens in the fragment or an error in the query"}}
_ANSWER = [_query(name) for name in ("state", "code", "error", "iss")]

PATHS: dict[str, Json] = {
    "/callback": {
        "get": _operation("Come back from a sign-in provider", _BACK, (400, 429), user=False, parameters=_ANSWER)
    },
    "/callback/{provider}": {
        "get": _operation(
            "Come back from a sign-in provider",
            _BACK,
            (400, 429),
            user=False,
            parameters=[_path("provider"), *_ANSWER],
        )
    },
    "/providers": {
        "get": _operation(
            "The providers people may sign in with", {"200": _answer(_ref("AuthProviders"))}, (), user=False
        )
    },
    "/user/identities": {
        "get": _operation(
            "The caller's identities at other providers",
            {"200": _answer({"type": "array", "items": _ref("AuthIdentity")})},
            (401,),
            user=True,
        )
    },
    "/user/identities/{identity}": {
        "delete": _operation(
            "Detach an identity from the caller",
            {"204": {"description": "Detached"}},
            (400, 401, 403, 404),
            user=True,
            parameters=[_path("identity")],
        )
    },
    "/user/identities/{identity}/link": {
        "post": _operation(
            "Begin to link a provider to the caller",
            {"200": _answer(_ref("AuthLinkUrl"))},
            (400, 401, 404, 429, 503),
            user=True,
            parameters=[_path("identity")],
            requestBody={"required": False, "content": {"application/json": {"schema": _ref("AuthLinkRequest")}}},
        )
    },
}

SCHEMAS: dict[str, Json] = {
    "AuthProviders": {
        "type": "object",
        "required": ["providers"],
        "properties": {
            "providers": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "label", "authorize_url"],
                    "properties": {"name": _TEXT, "label": _TEXT, "authorize_url": _TEXT},
                },
            }
        },
    },
    "AuthIdentity": {
        "type": "object",
        "required": ["id", "provider", "email", "created_at", "last_used_at"],
        "properties": {
            "id": _UUID,
            "provider": _TEXT,
            "email": {"type": ["string", "null"]},
            "created_at": _INSTANT,
            "last_used_at": _INSTANT,
        },
    },
    "AuthLinkRequest": {"type": "object", "properties": {"redirect_to": _TEXT}},
    "AuthLinkUrl": {"type": "object", "required": ["url"], "properties": {"url": _TEXT}},
}
