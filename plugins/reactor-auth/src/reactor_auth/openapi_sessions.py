"""Sessions and signing keys in the OpenAPI document."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_USER: Json = {"tags": ["auth"], "security": [{"bearerAuth": []}]}


def _responses(success: Json, *refusals: tuple[int, str]) -> Json:
    return {**success, **{str(status): {"description": reason} for status, reason in refusals}}


_NO_TOKEN = (401, "The credential is missing or not valid")
_NOT_A_USER = (403, "The caller is no signed-in user")
_NOT_VALID = (400, "The request is not valid")
_DONE: Json = {"204": {"description": "Ended"}}


def _query(name: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema}


PATHS: dict[str, Json] = {
    "/user/sessions": {
        "get": {
            **_USER,
            "summary": "The caller's live sessions, the one seen last first",
            "parameters": [_query("limit", {"type": "integer"}), _query("offset", {"type": "integer"})],
            "responses": _responses(
                {
                    "200": {
                        "description": "Done",
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/AuthLiveSession"}}
                            }
                        },
                    }
                },
                _NOT_VALID,
                _NO_TOKEN,
                _NOT_A_USER,
            ),
        },
        "delete": {
            **_USER,
            "summary": "End all sessions of the caller, or all others",
            "parameters": [_query("scope", {"type": "string", "enum": ["others", "all"]}, required=True)],
            "responses": _responses(_DONE, _NOT_VALID, _NO_TOKEN, _NOT_A_USER),
        },
    },
    "/user/sessions/{session_id}": {
        "delete": {
            **_USER,
            "summary": "End one session of the caller",
            "parameters": [{"name": "session_id", "in": "path", "required": True, "schema": _TEXT}],
            "responses": _responses(
                _DONE, _NOT_VALID, _NO_TOKEN, _NOT_A_USER, (404, "The caller has no such session that is still live")
            ),
        }
    },
    "/_admin/rotate-keys": {
        "post": {
            "tags": ["auth"],
            "security": [{"bearerAuth": []}],
            "summary": "Publish a new signing key, which signs a while later; or replace all keys at once",
            "requestBody": {
                "required": False,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AuthRotateKeys"}}},
            },
            "responses": _responses(
                {
                    "200": {
                        "description": "Done",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AuthRotation"}}},
                    }
                },
                _NOT_VALID,
                (401, "The admin token is missing or wrong"),
                (403, "The caller is on another machine"),
                (409, "A new key is published already and does not sign yet"),
            ),
        }
    },
}

SCHEMAS: dict[str, Json] = {
    "AuthRotateKeys": {
        "type": "object",
        "properties": {
            "lead_secs": {"type": "integer", "minimum": 0, "maximum": 604800},
            "compromised": {"type": "boolean", "description": "refuse at once what the present keys signed"},
        },
    },
    "AuthRotation": {
        "type": "object",
        "properties": {
            "kid": _TEXT,
            "activates_at": _INSTANT,
            "previous_kid": {"type": ["string", "null"]},
            "previous_retires_at": _INSTANT,
        },
        "required": ["kid", "activates_at", "previous_kid", "previous_retires_at"],
    },
    "AuthLiveSession": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "created_at": _INSTANT,
            "last_seen_at": {**_INSTANT, "description": "stored at most once a minute"},
            "ip": {"type": ["string", "null"]},
            "user_agent": {"type": ["string", "null"]},
            "amr": {"type": "array", "items": _TEXT},
            "mfa_at": {**_INSTANT, "description": "of the last second factor, if any"},
            "client": {**_TEXT, "description": "the OAuth client the session was opened for, if any"},
            "current": {"type": "boolean", "description": "whether it is the session of this request"},
        },
        "required": ["id", "created_at", "last_seen_at", "ip", "user_agent", "amr", "current"],
    },
}
