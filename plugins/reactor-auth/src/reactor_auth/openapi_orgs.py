"""The OpenAPI part of roles, invitations, API keys, delegated tokens and the audit log."""

from __future__ import annotations

from reactor_auth.openapi import (
    _INSTANT,
    _TEXT,
    _UUID,
    Json,
    _answer,
    _empty,
    _object,
    _parameter,
    _public,
    _query,
    _user,
)

_TEXTS: Json = {"type": "array", "items": _TEXT}
_NULLABLE_TEXT: Json = {"type": ["string", "null"]}
_NULLABLE_INSTANT: Json = {"type": ["string", "null"], "format": "date-time"}
_NULLABLE_UUID: Json = {"type": ["string", "null"], "format": "uuid"}
_ORG = [_parameter("ref")]
_ROLE = [_parameter("ref"), _parameter("role_id")]
_INVITATION = [_parameter("ref"), _parameter("invitation")]
_KEY = [_parameter("key_id")]

_MAKE_KEY = _user("Make an API key", {"201": _answer("AuthNewApiKey")}, (400, 403, 404, 409), "AuthApiKeyCreate")
_REVOKE_KEY = _user("Revoke an API key", {"200": _answer("AuthMessage")}, (400, 403, 404), parameters=_KEY)
_JOIN = (400, 401, 403, 404, 409, 429)

PATHS: dict[str, Json] = {
    "/orgs/{ref}/roles": {
        "post": _user("Make a role", {"201": _answer("AuthRole")}, (400, 403, 404, 409), "AuthRoleCreate", _ORG)
    },
    "/orgs/{ref}/roles/{role_id}": {
        "patch": _user("Change a role", {"200": _answer("AuthRole")}, (400, 403, 404, 409), "AuthRolePatch", _ROLE),
        "delete": _user("Delete a role", {"204": _empty("Deleted")}, (400, 403, 404, 409), parameters=_ROLE),
    },
    "/orgs/{ref}/invitations": {
        "get": _user(
            "Its pending invitations", {"200": _answer("AuthInvitation", many=True)}, (403, 404), parameters=_ORG
        ),
        "post": _user(
            "Invite somebody", {"201": _answer("AuthNewInvitation")}, (400, 403, 404, 409, 429), "AuthInvite", _ORG
        ),
    },
    "/orgs/{ref}/invitations/{invitation}": {
        "delete": _user("Withdraw an invitation", {"204": _empty("Withdrawn")}, (400, 403, 404), parameters=_INVITATION)
    },
    "/orgs/{ref}/invitations/{invitation}/accept": {
        "post": _public(
            "Accept an invitation by the token in the path",
            {"200": _answer("AuthJoining")},
            _JOIN,
            parameters=_INVITATION,
        )
    },
    "/invitations": {
        "get": _user("What the caller is invited to", {"200": _answer("AuthInvitation", many=True)}, (403,))
    },
    "/invitations/{invitation}": {
        "delete": _user(
            "Withdraw an invitation",
            {"204": _empty("Withdrawn")},
            (400, 403, 404),
            parameters=[_parameter("invitation")],
        )
    },
    "/invitations/accept": {
        "post": _public(
            "Accept an invitation",
            {"200": _answer("AuthJoining")},
            _JOIN,
            "AuthAccept",
            [_query("token", _TEXT)],
            body_required=False,
        )
    },
    "/api-keys": {
        "get": _user("The caller's API keys", {"200": _answer("AuthApiKeys")}, (403,)),
        "post": _MAKE_KEY,
    },
    "/api-keys/{key_id}": {"delete": _REVOKE_KEY},
    "/keys": {"post": _MAKE_KEY},
    "/keys/{key_id}": {"delete": _REVOKE_KEY},
    "/tokens/delegate": {
        "post": _user(
            "Make a token that may do less than the caller",
            {"200": _answer("AuthDelegated")},
            (400, 403, 404),
            "AuthDelegate",
        )
    },
    "/orgs/{ref}/audit": {
        "get": _user(
            "Its audit log, newest first",
            {"200": _answer("AuthAuditPage")},
            (400, 403, 404),
            parameters=[
                *_ORG,
                _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}),
                _query("cursor", _TEXT),
                {
                    **_query("type", _TEXT),
                    "description": "Event types separated by commas; `member.*` means every type of that family.",
                },
            ],
        )
    },
}

_INVITATION_FIELDS: Json = {
    "id": _UUID,
    "email": _TEXT,
    "org_id": _UUID,
    "org_name": _TEXT,
    "org_slug": _TEXT,
    "role_id": _UUID,
    "role_name": _TEXT,
    "status": {"type": "string", "enum": ["pending", "accepted", "expired", "revoked"]},
    "created_at": _INSTANT,
    "expires_at": _INSTANT,
}
_KEY_FIELDS: Json = {
    "id": _UUID,
    "name": _TEXT,
    "prefix": _TEXT,
    "key_prefix": _TEXT,
    "org_id": _UUID,
    "scopes": _TEXTS,
    "created_at": _INSTANT,
    "expires_at": _NULLABLE_INSTANT,
    "last_used_at": _NULLABLE_INSTANT,
}

SCHEMAS: dict[str, Json] = {
    "AuthMessage": _object(message=_TEXT),
    "AuthRoleCreate": _object(("description",), name=_TEXT, description=_NULLABLE_TEXT, permissions=_TEXTS),
    "AuthRolePatch": _object(
        ("name", "description", "permissions"), name=_TEXT, description=_NULLABLE_TEXT, permissions=_TEXTS
    ),
    "AuthInvite": _object(("role_id", "roleId"), email=_TEXT, role_id=_UUID, roleId=_UUID),
    "AuthInvitation": _object(**_INVITATION_FIELDS),
    "AuthNewInvitation": _object(**_INVITATION_FIELDS, invite_link=_TEXT),
    "AuthAccept": _object(("token",), token=_TEXT),
    "AuthJoining": {
        **_object(
            status={"type": "string", "enum": ["joined", "pending_signup"]},
            user_id=_NULLABLE_UUID,
            org_id=_UUID,
            email=_TEXT,
            requires_signup={"type": "boolean"},
        ),
        "description": "With the fields of AuthMember once joined.",
    },
    "AuthApiKey": _object(**_KEY_FIELDS),
    "AuthNewApiKey": _object(**_KEY_FIELDS, key=_TEXT),
    "AuthApiKeys": _object(keys={"type": "array", "items": {"$ref": "#/components/schemas/AuthApiKey"}}),
    "AuthApiKeyCreate": _object(
        ("scopes", "org_id", "expires_at", "expiresAt"),
        name=_TEXT,
        scopes={"type": ["array", "null"], "items": _TEXT},
        org_id=_UUID,
        expires_at=_INSTANT,
        expiresAt=_INSTANT,
    ),
    "AuthDelegate": _object(
        ("org", "expires_in", "audience"),
        scopes=_TEXTS,
        org=_TEXT,
        expires_in={"type": "integer", "minimum": 1, "maximum": 900, "default": 300},
        audience={"type": "string", "format": "uri"},
    ),
    "AuthDelegated": _object(
        access_token=_TEXT,
        issued_token_type=_TEXT,
        token_type=_TEXT,
        expires_in={"type": "integer"},
        expires_at=_INSTANT,
        scope=_TEXT,
        scopes=_TEXTS,
        org_id=_UUID,
    ),
    "AuthAuditEvent": _object(
        id=_UUID,
        ts=_INSTANT,
        type=_TEXT,
        actor_user_id=_NULLABLE_UUID,
        actor_apikey_id=_NULLABLE_UUID,
        resource=_NULLABLE_TEXT,
        ip=_NULLABLE_TEXT,
        user_agent=_NULLABLE_TEXT,
        details={"type": "object", "additionalProperties": True},
    ),
    "AuthAuditPage": _object(
        events={"type": "array", "items": {"$ref": "#/components/schemas/AuthAuditEvent"}},
        next_cursor=_NULLABLE_TEXT,
    ),
}
