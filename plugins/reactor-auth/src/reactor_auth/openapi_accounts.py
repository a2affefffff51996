"""The document's part about mail and the life of accounts."""

from __future__ import annotations

from reactor_auth.openapi import _INSTANT, _TEXT, _UUID, Json, _answer, _object, _query, _user

_NULLABLE_TEXT: Json = {"type": ["string", "null"]}
_NULLABLE_INSTANT: Json = {"type": ["string", "null"], "format": "date-time"}

PATHS: dict[str, Json] = {
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
