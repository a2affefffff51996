"""Second factors and passkeys in the OpenAPI document."""

from __future__ import annotations

from reactor_auth.openapi import (
    _ANY_OBJECT,
    _INSTANT,
    _TEXT,
    _UUID,
    Json,
    _answer,
    _empty,
    _object,
    _parameter,
    _public,
    _ref,
    _user,
)

_NULLABLE_TEXT: Json = {"type": ["string", "null"]}
_NULLABLE_INSTANT: Json = {"type": ["string", "null"], "format": "date-time"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_FACTOR = [_parameter("factor_id")]
_CREDENTIAL = [_parameter("credential_id")]

PATHS: dict[str, Json] = {
    "/factors": {
        "get": _user("The caller's second factors", {"200": _answer("AuthFactors")}, (403,)),
        "post": _user(
            "Enrol an authenticator app", {"201": _answer("AuthEnrolment")}, (400, 403, 409), "AuthFactorCreate"
        ),
    },
    "/factors/{factor_id}": {
        "delete": _user("Remove a second factor", {"204": _empty("Removed")}, (400, 403, 404), parameters=_FACTOR)
    },
    "/factors/{factor_id}/verify": {
        "post": _user(
            "Verify a code in this session",
            {"200": _answer("AuthSteppedUp")},
            (400, 403, 404, 429),
            "AuthCode",
            _FACTOR,
        )
    },
    "/factors/recovery": {
        "post": _user("Use a recovery code", {"200": _answer("AuthSteppedUp")}, (400, 403, 429), "AuthCode")
    },
    "/factors/recovery-codes": {
        "post": _user("Replace all recovery codes", {"200": _answer("AuthRecoveryCodes")}, (403,))
    },
    "/webauthn/register/start": {
        "post": _user(
            "Begin to register a passkey", {"200": _answer("AuthCeremony")}, (400, 403, 409), "AuthPasskeyName"
        )
    },
    "/webauthn/register/finish": {
        "post": _user(
            "Register a passkey", {"200": _answer("AuthPasskeyRegistered")}, (400, 403, 409), "AuthCeremonyFinish"
        )
    },
    "/webauthn/authenticate/start": {
        "post": _user("Begin to verify a passkey in this session", {"200": _answer("AuthCeremony")}, (400, 403))
    },
    "/webauthn/authenticate/finish": {
        "post": _user(
            "Verify a passkey in this session",
            {"200": _answer("AuthPasskeyVerified")},
            (400, 403, 429),
            "AuthCeremonyFinish",
        )
    },
    "/webauthn/login/start": {
        "post": _public("Begin to sign in with a passkey", {"200": _answer("AuthCeremony")}, (400, 429))
    },
    "/webauthn/login/finish": {
        "post": _public(
            "Sign in with a passkey", {"200": _answer("AuthSignedIn")}, (400, 401, 403, 429), "AuthCeremonyFinish"
        )
    },
    "/webauthn/credentials": {"get": _user("The caller's passkeys", {"200": _answer("AuthPasskeys")}, (403,))},
    "/webauthn/credentials/{credential_id}": {
        "patch": _user(
            "Rename a passkey", {"200": _answer("AuthPasskey")}, (400, 403, 404), "AuthPasskeyName", _CREDENTIAL
        ),
        "delete": _user("Remove a passkey", {"200": _answer("AuthMessage")}, (403, 404), parameters=_CREDENTIAL),
    },
}

SCHEMAS: dict[str, Json] = {
    "AuthFactor": _object(
        id=_UUID,
        type={"type": "string", "enum": ["totp", "webauthn"]},
        friendly_name=_NULLABLE_TEXT,
        verified={"type": "boolean"},
        created_at=_INSTANT,
        last_used_at=_NULLABLE_INSTANT,
    ),
    "AuthFactors": _object(
        factors={"type": "array", "items": _ref("AuthFactor")}, recovery_codes_left={"type": "integer"}
    ),
    "AuthFactorCreate": _object(
        ("friendly_name",), factor_type={"type": "string", "enum": ["totp"]}, friendly_name=_TEXT
    ),
    "AuthEnrolment": _object(id=_UUID, type=_TEXT, totp=_object(secret=_TEXT, uri=_TEXT)),
    "AuthCode": _object(code=_TEXT),
    "AuthSteppedUp": _object(
        ("recovery_codes",),
        access_token=_TEXT,
        token_type=_TEXT,
        refresh_token=_TEXT,
        expires_in={"type": "integer"},
        expires_at=_INSTANT,
        recovery_codes=_TEXTS,
    ),
    "AuthRecoveryCodes": _object(recovery_codes=_TEXTS),
    "AuthPasskeyName": _object(("name",), name=_TEXT),
    "AuthCeremony": _object(session_id=_UUID, options=_object(publicKey=_ANY_OBJECT)),
    "AuthCeremonyFinish": _object(("name",), session_id=_UUID, credential=_ANY_OBJECT, name=_TEXT),
    "AuthPasskeyRegistered": _object(("recovery_codes",), credential_id=_UUID, message=_TEXT, recovery_codes=_TEXTS),
    "AuthPasskeyVerified": _object(
        success={"type": "boolean"},
        credential_id=_TEXT,
        access_token=_TEXT,
        refresh_token=_TEXT,
        expires_at=_INSTANT,
    ),
    "AuthPasskey": _object(
        id=_UUID, name=_NULLABLE_TEXT, created_at=_INSTANT, last_used_at=_NULLABLE_INSTANT, transports=_TEXTS
    ),
    "AuthPasskeys": _object(credentials={"type": "array", "items": _ref("AuthPasskey")}),
    "AuthMessage": _object(message=_TEXT),
}
