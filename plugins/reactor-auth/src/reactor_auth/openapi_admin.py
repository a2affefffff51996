"""The admin routes in the OpenAPI document."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_UUID: Json = {"type": "string", "format": "uuid"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_ANY_OBJECT: Json = {"type": "object", "additionalProperties": True}
_REASONS = {
    400: "The request is not valid",
    401: "The admin token is missing or wrong",
    403: "Admin access is restricted to loopback, or an organisation would be left without an owner",
    404: "There is no such thing",
    409: "It exists already",
}


def _operation(summary: str, success: Json, *refusals: int, parameters: tuple[Json, ...] = (), body: str = "") -> Json:
    operation: Json = {
        "tags": ["auth"],
        "summary": summary,
        "security": [{"bearerAuth": []}],
        "responses": {
            **success,
            **{str(status): {"description": _REASONS[status]} for status in sorted({401, 403, *refusals})},
        },
    }
    if parameters:
        operation["parameters"] = list(parameters)
    if body:
        operation["requestBody"] = {"required": True, "content": _json(_ref(body))}
    return operation


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _answer(schema: str, *, many: bool = False, status: str = "200") -> Json:
    shown = {"type": "array", "items": _ref(schema)} if many else _ref(schema)
    return {status: {"description": "Done", "content": _json(shown)}}


def _in_path(*names: str) -> tuple[Json, ...]:
    return tuple({"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names)


def _query(**schemas: Json) -> tuple[Json, ...]:
    return tuple({"name": name, "in": "query", "required": False, "schema": schema} for name, schema in schemas.items())


def _object(optional: tuple[str, ...] = (), /, **properties: Json) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


_DELETED: Json = {"204": {"description": "Deleted"}}
_PAGE = _query(limit={"type": "integer"}, cursor=_UUID, search=_TEXT)
_STATUS = _query(status={"type": "string", "enum": ["enabled", "disabled"]})
_USER, _ORG = _in_path("user"), _in_path("ref")

PATHS: dict[str, Json] = {
    "/_admin/users": {
        "get": _operation("Users, newest first", _answer("AuthAdminUserPage"), 400, parameters=_PAGE + _STATUS),
        "post": _operation("Make a user", _answer("AuthAdminUser", status="201"), 400, 409, body="AuthAdminUserCreate"),
    },
    "/_admin/users/{user}": {
        "get": _operation("A user, by id or e-mail address", _answer("AuthAdminUserFull"), 404, parameters=_USER),
        "patch": _operation(
            "Change a user",
            _answer("AuthAdminUser"),
            400,
            404,
            409,
            parameters=_USER,
            body="AuthAdminUserPatch",
        ),
        "delete": _operation("Delete a user", _DELETED, 404, parameters=_USER),
    },
    "/_admin/users/{user}/factors": {
        "delete": _operation("Remove a user's second factors", _answer("AuthAdminRemoved"), 404, parameters=_USER),
    },
    "/_admin/users/{user}/sessions": {
        "get": _operation("A user's live sessions", _answer("AuthAdminSession", many=True), 404, parameters=_USER),
        "delete": _operation("End a user's sessions", _answer("AuthAdminEnded"), 404, parameters=_USER),
    },
    "/_admin/users/{user}/sessions/{session_id}": {
        "delete": _operation(
            "End one session", _answer("AuthAdminEnded"), 400, 404, parameters=_in_path("user", "session_id")
        ),
    },
    "/_admin/orgs": {
        "get": _operation("Organisations, newest first", _answer("AuthAdminOrgPage"), 400, parameters=_PAGE),
        "post": _operation(
            "Make an organisation for an owner",
            _answer("AuthOrg", status="201"),
            400,
            404,
            409,
            body="AuthAdminOrgCreate",
        ),
    },
    "/_admin/orgs/{ref}": {
        "get": _operation("An organisation", _answer("AuthOrg"), 404, parameters=_ORG),
        "patch": _operation(
            "Change an organisation", _answer("AuthOrg"), 400, 404, 409, parameters=_ORG, body="AuthOrgPatch"
        ),
        "delete": _operation("Delete an organisation", _DELETED, 404, parameters=_ORG),
    },
    "/_admin/orgs/{ref}/roles": {
        "get": _operation("Its roles", _answer("AuthRole", many=True), 404, parameters=_ORG),
    },
    "/_admin/orgs/{ref}/members": {
        "get": _operation("Its members", _answer("AuthMember", many=True), 404, parameters=_ORG),
        "post": _operation(
            "Make a user a member",
            _answer("AuthMember", status="201"),
            400,
            404,
            409,
            parameters=_ORG,
            body="AuthAdminMemberCreate",
        ),
    },
    "/_admin/orgs/{ref}/members/{user}": {
        "patch": _operation(
            "Give a member another role",
            _answer("AuthMember"),
            400,
            404,
            parameters=_in_path("ref", "user"),
            body="AuthAdminMemberPatch",
        ),
        "delete": _operation("Remove a member", _DELETED, 404, parameters=_in_path("ref", "user")),
    },
}

_USER_FIELDS: dict[str, Json] = {
    "id": _UUID,
    "email": _TEXT,
    "email_verified": {"type": "boolean"},
    "metadata": _ANY_OBJECT,
    "default_org_id": {"type": ["string", "null"], "format": "uuid"},
    "created_at": _INSTANT,
    "disabled_at": {"type": ["string", "null"], "format": "date-time"},
    "updated_at": _INSTANT,
}
_CURSOR: Json = {"type": ["string", "null"], "format": "uuid"}

SCHEMAS: dict[str, Json] = {
    "AuthAdminUser": _object(**_USER_FIELDS),
    "AuthAdminUserFull": _object(
        **_USER_FIELDS,
        has_password={"type": "boolean"},
        orgs={"type": "array", "items": _object(org_id=_UUID, org_slug=_TEXT, role=_TEXT)},
    ),
    "AuthAdminUserPage": _object(users={"type": "array", "items": _ref("AuthAdminUser")}, next_cursor=_CURSOR),
    "AuthAdminUserCreate": _object(
        ("password", "email_verified", "metadata"),
        email=_TEXT,
        password=_TEXT,
        email_verified={"type": "boolean"},
        metadata=_ANY_OBJECT,
    ),
    "AuthAdminUserPatch": _object(
        ("email", "email_verified", "password", "metadata", "disabled"),
        email=_TEXT,
        email_verified={"type": "boolean"},
        password=_TEXT,
        metadata=_ANY_OBJECT,
        disabled={"type": "boolean"},
    ),
    "AuthAdminSession": _object(
        id=_UUID,
        amr={"type": "array", "items": _TEXT},
        ip={"type": ["string", "null"]},
        user_agent={"type": ["string", "null"]},
        created_at=_INSTANT,
        last_seen_at=_INSTANT,
    ),
    "AuthAdminRemoved": _object(removed={"type": "object", "additionalProperties": {"type": "integer"}}),
    "AuthAdminEnded": _object(ended={"type": "integer"}),
    "AuthAdminOrgPage": _object(orgs={"type": "array", "items": _ref("AuthOrg")}, next_cursor=_CURSOR),
    "AuthAdminOrgCreate": _object(("metadata",), name=_TEXT, slug=_TEXT, owner=_TEXT, metadata=_ANY_OBJECT),
    "AuthAdminMemberCreate": _object(("role",), user_id=_TEXT, role=_TEXT),
    "AuthAdminMemberPatch": _object(role=_TEXT),
}
