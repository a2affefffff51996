"""The document's part about mail and the life of accounts."""

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
    _public,
    _query,
    _ref,
    _user,
)

_NULLABLE_TEXT: Json = {"type": ["string", "null"]}
_NULLABLE_INSTANT: Json = {"type": ["string", "null"], "format": "date-time"}

_PAGE: Json = {"description": "A page", "content": {"text/html": {"schema": _TEXT}}}
_RESEND = _public(
    "Send the mail that asks to confirm an address", {"200": _answer("AuthMailSent")}, (400, 429), "AuthAddress"
)

PATHS: dict[str, Json] = {
    "/verify": {
        "get": _public(
            "Follow the link of a mail; a browser gets a page with a button",
            {"200": {**_answer("AuthVerified"), "description": "Done, or a page"}},
            (400, 401, 403, 429),
            parameters=[
                _query("token", _TEXT),
                _query("type", {"type": "string", "enum": ["signup", "recovery", "email_change", "magiclink"]}),
                _query("redirect_to", _TEXT),
            ],
        ),
        "post": _public(
            "Use the token of a mail up",
            {"200": _answer("AuthVerification"), "303": _empty("For a form: the front end")},
            (400, 401, 403, 404, 409, 429),
            "AuthVerify",
            form=True,
        ),
    },
    "/verify/resend": {"post": _RESEND},
    "/resend": {"post": _RESEND},
    "/password-reset/request": {
        "post": _public("Send a link for a new password", {"202": _answer("AuthMessage")}, (400, 429), "AuthAddress")
    },
    "/recover": {
        "post": _public("Send a link for a new password", {"204": _empty("Taken")}, (400, 429), "AuthAddress")
    },
    "/password-reset/confirm": {
        "post": _public(
            "Set a new password with the token of a mail",
            {"200": _answer("AuthResetDone")},
            (400, 401, 403, 429),
            "AuthResetConfirm",
        )
    },
    "/reset": {
        "get": _public("The form for a new password", {"200": _PAGE}, (), parameters=[_query("token", _TEXT)]),
        "post": _public("What the form posts", {"200": _PAGE}, (400, 429)),
    },
    "/otp": {
        "post": _public("Send a link and a code to sign in", {"202": _answer("AuthMessage")}, (400, 429), "AuthOtp")
    },
    "/user/export": {
        "get": _user("Everything the account owns", {"200": _answer("AuthExport")}, (404,)),
    },
    "/_admin/outbox": {
        "get": _user(
            "Mails that wait or were sent, for operators",
            {"200": _answer("AuthOutbox")},
            (400, 403),
            parameters=[_query("limit", {"type": "integer"}), _query("to", _TEXT)],
        )
    },
}

SCHEMAS: dict[str, Json] = {
    "AuthAddress": _object(email=_TEXT),
    "AuthMessage": _object(message=_TEXT),
    "AuthMailSent": _object(sent={"type": "boolean"}, message=_TEXT),
    "AuthOtp": _object(("create_user", "redirect_to"), email=_TEXT, create_user={"type": "boolean"}, redirect_to=_TEXT),
    "AuthVerify": _object(("type", "redirect_to"), token=_TEXT, type=_TEXT, redirect_to=_TEXT),
    "AuthVerification": _object(
        ("session", "status", "user_id", "org_id", "email", "requires_signup"),
        user={"anyOf": [_ref("AuthUser"), {"type": "null"}]},
        session=_ref("AuthSession"),
        # Of an invitation.
        status={"type": "string", "enum": ["joined", "pending_signup"]},
        user_id={"type": ["string", "null"], "format": "uuid"},
        org_id={"type": "string", "format": "uuid"},
        email=_TEXT,
        requires_signup={"type": "boolean"},
    ),
    "AuthVerified": _object(
        ("user", "session"),
        verified={"type": "boolean"},
        email=_TEXT,
        message=_TEXT,
        user=_ref("AuthUser"),
        session=_ref("AuthSession"),
    ),
    "AuthResetConfirm": _object(("new_password", "password"), token=_TEXT, new_password=_TEXT, password=_TEXT),
    "AuthResetDone": _object(success={"type": "boolean"}, message=_TEXT),
    "AuthExport": _ANY_OBJECT,
    "AuthOutbox": _object(
        mails={
            "type": "array",
            "items": _object(
                ("subject", "text", "html"),
                id=_UUID,
                template=_TEXT,
                to=_TEXT,
                state={"type": "string", "enum": ["queued", "sent", "logged", "expired", "failed"]},
                attempts={"type": "integer"},
                created_at=_INSTANT,
                due_at=_NULLABLE_INSTANT,
                finished_at=_NULLABLE_INSTANT,
                last_error=_NULLABLE_TEXT,
                subject=_TEXT,
                text=_TEXT,
                html=_TEXT,
            ),
        }
    ),
}
