"""This plugin's part of the OpenAPI document; the kernel checks it against the mounted routes."""

from __future__ import annotations

from typing import Any

from reactor_auth import openapi_admin

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_UUID: Json = {"type": "string", "format": "uuid"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_ANY_OBJECT: Json = {"type": "object", "additionalProperties": True}
_NULLABLE_UUID: Json = {"type": ["string", "null"], "format": "uuid"}


def document(prefix: str, *, operators: bool = True, internal: bool = False) -> Json:
    """Return paths, schemas and tags; `operators` and `internal` say whether those surfaces are mounted."""
    # Here, because these build on this module.
    from reactor_auth import (
        openapi_accounts,
        openapi_factors,
        openapi_internal,
        openapi_oauth,
        openapi_operators,
        openapi_orgs,
        openapi_sessions,
        openapi_social,
    )

    paths, schemas = _paths(), _schemas()
    parts = (
        openapi_accounts,
        openapi_admin,
        openapi_factors,
        openapi_oauth,
        openapi_orgs,
        openapi_sessions,
        openapi_social,
    )
    for part in parts:
        for path, methods in part.PATHS.items():
            paths[path] = {**paths.get(path, {}), **methods}
        schemas.update(part.SCHEMAS)
    apart = dict(openapi_oauth.ROOT_PATHS)
    if operators:
        apart.update(openapi_operators.paths(prefix))
        schemas.update(openapi_operators.SCHEMAS)
    if internal:
        apart.update(openapi_internal.paths(prefix))
        schemas.update(openapi_internal.SCHEMAS)
    return {
        "tags": [
            {"name": "auth", "description": "Users, sessions, organisations, roles and permissions"},
            {"name": "operators", "description": "The people who run the platform"},
        ],
        "paths": {**{f"{prefix}{path}": methods for path, methods in paths.items()}, **apart},
        "components": {"schemas": schemas},
    }


def _paths() -> dict[str, Json]:
    from reactor_auth import openapi_oauth

    org, member = [_parameter("ref")], [_parameter("ref"), _parameter("user_id")]
    keys = {"get": _public("The keys that verify access tokens", {"200": _answer("AuthKeySet")}, ())}
    role_change = _user(
        "Give a member another role", {"200": _answer("AuthMember")}, (400, 403, 404), "AuthMemberPatch", member
    )
    return {
        "/signup": {"post": _public("Sign up", {"201": _answer("AuthSignedUp")}, (400, 403, 409, 429), "AuthSignUp")},
        "/login": {"post": _public("Sign in", {"200": _answer("AuthSignedIn")}, (400, 401, 403, 429), "AuthPassword")},
        "/token": {
            "post": _public(
                "Exchange a password or a refresh token against tokens",
                {"200": _answer("AuthTokens")},
                (400, 401, 403, 429),
                "AuthTokenRequest",
                form=True,
            )
        },
        "/logout": {
            "get": openapi_oauth.LOGOUT_GET,
            "post": _public(
                "End sessions",
                {"204": _empty("Ended")},
                (400, 401, 403),
                "AuthLogOut",
                parameters=[_query("scope", {"type": "string", "enum": ["local", "global", "others"]})],
                body_required=False,
            ),
        },
        "/keys": keys,
        "/.well-known/jwks.json": keys,
        "/.well-known/openid-configuration": {
            "get": _public("The discovery document", {"200": _answer("AuthDiscovery")}, ())
        },
        "/me": {"get": _user("Who the caller is", {"200": _answer("AuthMe")}, (404,))},
        "/user": {
            "get": _user("The caller", {"200": _answer("AuthUser")}, (404,)),
            "patch": _user("Change the caller", {"200": _answer("AuthUser")}, (400, 403, 404, 429), "AuthUserPatch"),
            "delete": _user("Disable the caller", {"204": _empty("Disabled")}, (403,)),
        },
        "/orgs": {
            "get": _user(
                "The caller's organisations",
                {"200": _answer("AuthOrg", many=True)},
                (400,),
                parameters=[_query("limit", {"type": "integer"}), _query("offset", {"type": "integer"})],
            ),
            "post": _user("Make an organisation", {"201": _answer("AuthOrg")}, (400, 409), "AuthOrgCreate"),
        },
        "/orgs/{ref}": {
            "get": _user("An organisation", {"200": _answer("AuthOrg")}, (403, 404), parameters=org),
            "patch": _user(
                "Change an organisation", {"200": _answer("AuthOrg")}, (400, 403, 404, 409), "AuthOrgPatch", org
            ),
            "delete": _user("Delete an organisation", {"204": _empty("Deleted")}, (403, 404), parameters=org),
        },
        "/orgs/{ref}/roles": {
            "get": _user("Its roles", {"200": _answer("AuthRole", many=True)}, (403, 404), parameters=org)
        },
        "/roles": {
            "get": _user(
                "The roles of the active organisation", {"200": _answer("AuthRole", many=True)}, (400, 403, 404)
            )
        },
        "/orgs/{ref}/members": {
            "get": _user("Its members", {"200": _answer("AuthMember", many=True)}, (403, 404), parameters=org)
        },
        "/orgs/{ref}/members/{user_id}": {
            "get": _user("A member", {"200": _answer("AuthMember")}, (400, 403, 404), parameters=member),
            "patch": role_change,
            "delete": _user("Remove a member", {"204": _empty("Removed")}, (400, 403, 404), parameters=member),
        },
        "/orgs/{ref}/members/{user_id}/role": {"patch": role_change},
        "/permissions": {
            "get": _user(
                "What the caller may do in the active organisation",
                {"200": _answer("AuthPermissions")},
                (400, 403, 404),
                parameters=[_query("org", _TEXT)],
            ),
            "post": _user(
                "Which of these permissions the caller has",
                {"200": _answer("AuthPermissionChecks")},
                (400, 403, 404),
                "AuthPermissionQuery",
            ),
        },
        "/permissions/check": {
            "post": _user(
                "Whether the caller has all of these permissions",
                {"200": _answer("AuthPermissionVerdict")},
                (400, 403, 404),
                "AuthPermissionQuery",
            )
        },
        "/permissions/ctx": {
            "get": _user(
                "The active organisation",
                {"200": _answer("AuthPermissionContext")},
                (403, 404),
                parameters=[_query("org", _TEXT)],
            )
        },
    }


def _schemas() -> dict[str, Json]:
    # Present where the user has a second factor that was not verified in the session.
    session = {
        "access_token": _TEXT,
        "refresh_token": _TEXT,
        "expires_at": _INSTANT,
        "mfa_required": {"type": "boolean"},
    }
    return {
        "AuthUser": _object(
            ("is_anonymous",),
            id=_UUID,
            email={"type": ["string", "null"]},
            email_verified={"type": "boolean"},
            is_anonymous={"type": "boolean"},
            metadata=_ANY_OBJECT,
            default_org_id=_NULLABLE_UUID,
            created_at=_INSTANT,
        ),
        "AuthSession": _object(("mfa_required",), **session),
        "AuthSignUp": _object(
            ("email", "password", "anonymous", "metadata", "invite_token"),
            email=_TEXT,
            password=_TEXT,
            anonymous={"type": "boolean"},
            metadata=_ANY_OBJECT,
            invite_token=_TEXT,
        ),
        "AuthPassword": _object(email=_TEXT, password=_TEXT),
        "AuthSignedUp": _object(user=_ref("AuthUser"), session={"anyOf": [_ref("AuthSession"), {"type": "null"}]}),
        "AuthSignedIn": _object(("mfa_required",), user=_ref("AuthUser"), **session),
        "AuthTokenRequest": _object(
            (
                "email",
                "password",
                "refresh_token",
                "token",
                "client_id",
                "code",
                "code_verifier",
                "redirect_uri",
                "device_code",
                "subject_token",
                "subject_token_type",
                "requested_token_type",
                "audience",
                "scope",
                "org",
            ),
            grant_type={
                "type": "string",
                "enum": [
                    "password",
                    "refresh_token",
                    "otp",
                    "authorization_code",
                    "client_credentials",
                    "urn:ietf:params:oauth:grant-type:device_code",
                    "urn:ietf:params:oauth:grant-type:token-exchange",
                ],
            },
            token=_TEXT,
            email=_TEXT,
            password=_TEXT,
            refresh_token=_TEXT,
            client_id=_TEXT,
            code=_TEXT,
            code_verifier=_TEXT,
            redirect_uri=_TEXT,
            device_code=_TEXT,
            subject_token=_TEXT,
            subject_token_type=_TEXT,
            requested_token_type=_TEXT,
            audience={"type": "string", "format": "uri"},
            scope=_TEXT,
            org=_TEXT,
        ),
        "AuthTokens": _object(
            ("user", "scope", "id_token", "refresh_token", "mfa_required"),
            scope=_TEXT,
            id_token=_TEXT,
            token_type=_TEXT,
            expires_in={"type": "integer"},
            user=_ref("AuthUser"),
            **session,
        ),
        "AuthLogOut": _object(("refresh_token",), refresh_token=_TEXT),
        "AuthKeySet": _object(keys={"type": "array", "items": _ANY_OBJECT}),
        "AuthDiscovery": _ANY_OBJECT,
        "AuthMe": _object(
            user_id=_UUID,
            email={"type": ["string", "null"]},
            orgs={"type": "array", "items": _object(org_id=_UUID, org_slug=_TEXT, role=_TEXT)},
        ),
        "AuthUserPatch": _object(
            ("email", "password", "current_password", "metadata", "default_org_id"),
            email=_TEXT,
            password=_TEXT,
            current_password=_TEXT,
            metadata=_ANY_OBJECT,
            default_org_id=_NULLABLE_UUID,
        ),
        "AuthOrg": _object(
            id=_UUID,
            name=_TEXT,
            slug=_TEXT,
            metadata=_ANY_OBJECT,
            created_at=_INSTANT,
            updated_at=_INSTANT,
            mfa_required_roles={"type": "array", "items": _TEXT},
        ),
        "AuthOrgCreate": _object(("metadata",), name=_TEXT, slug=_TEXT, metadata=_ANY_OBJECT),
        "AuthOrgPatch": _object(
            ("name", "slug", "metadata", "mfa_required_roles"),
            name=_TEXT,
            slug=_TEXT,
            metadata=_ANY_OBJECT,
            mfa_required_roles={"type": "array", "items": _TEXT},
        ),
        "AuthRole": _object(
            id=_UUID,
            org_id=_UUID,
            name=_TEXT,
            description={"type": ["string", "null"]},
            is_system={"type": "boolean"},
            is_default={"type": "boolean"},
            permissions={"type": "array", "items": _TEXT},
        ),
        "AuthMember": _object(
            id=_UUID,
            user_id=_UUID,
            org_id=_UUID,
            user=_ref("AuthUser"),
            role_id=_UUID,
            role_name=_TEXT,
            joined_at=_INSTANT,
            created_at=_INSTANT,
            updated_at=_INSTANT,
        ),
        "AuthMemberPatch": _object(("roleId",), role_id=_UUID, roleId=_UUID),
        "AuthActiveOrg": _object(id=_UUID, slug=_TEXT, role_id=_UUID),
        "AuthPermissions": _object(permissions={"type": "array", "items": _TEXT}, org=_ref("AuthActiveOrg")),
        "AuthPermissionQuery": _object(("org",), permissions={"type": "array", "items": _TEXT}, org=_TEXT),
        "AuthPermissionChecks": _object(
            permissions={"type": "array", "items": _TEXT},
            checks={"type": "array", "items": _object(permission=_TEXT, granted={"type": "boolean"})},
            org=_ref("AuthActiveOrg"),
        ),
        "AuthPermissionVerdict": _object(
            ("missing",), allowed={"type": "boolean"}, missing={"type": "array", "items": _TEXT}
        ),
        "AuthPermissionContext": _object(("org",), org=_ref("AuthActiveOrg")),
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(optional: tuple[str, ...] = (), /, **properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def _answer(schema: str, *, many: bool = False) -> Json:
    body = {"type": "array", "items": _ref(schema)} if many else _ref(schema)
    return {"description": "Done", "content": {"application/json": {"schema": body}}}


def _empty(description: str) -> Json:
    return {"description": description}


def _parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema}


_REASONS = {
    400: "The request is not valid",
    401: "The credential is missing or not valid",
    403: "The caller may not do this",
    404: "There is no such thing",
    409: "It exists already",
    429: "Too many attempts",
}


def _operation(
    summary: str,
    answers: dict[str, Json],
    refusals: tuple[int, ...],
    body: str | None,
    parameters: list[Json],
    *,
    form: bool = False,
    body_required: bool = True,
) -> Json:
    operation: Json = {
        "tags": ["auth"],
        "summary": summary,
        "responses": {**answers, **{str(status): _empty(_REASONS[status]) for status in refusals}},
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        kinds = ["application/json", "application/x-www-form-urlencoded"] if form else ["application/json"]
        operation["requestBody"] = {
            "required": body_required,
            "content": {kind: {"schema": _ref(body)} for kind in kinds},
        }
    return operation


def _public(
    summary: str,
    answers: dict[str, Json],
    refusals: tuple[int, ...],
    body: str | None = None,
    parameters: list[Json] | None = None,
    *,
    form: bool = False,
    body_required: bool = True,
) -> Json:
    operation = _operation(summary, answers, refusals, body, parameters or [], form=form, body_required=body_required)
    return {**operation, "security": []}


def _user(
    summary: str,
    answers: dict[str, Json],
    refusals: tuple[int, ...],
    body: str | None = None,
    parameters: list[Json] | None = None,
) -> Json:
    refused = tuple(sorted({401, *refusals}))
    return {
        **_operation(summary, answers, refused, body, parameters or []),
        "security": [{"bearerAuth": []}],
    }
