"""`RAISE SQLSTATE 'PGRST'`: an error whose whole answer SQL decides (contract data.md §5.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from reactor_data.errors import DataError

_MESSAGE = "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'."
_DETAIL = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."


# A field name as HTTP has it, and a value without what would begin another field (RFC 9110 §5).
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_VALUE = re.compile(r"[ -~]*\Z")


class _Message(msgspec.Struct):
    code: str
    message: str
    details: str | None = None
    hint: str | None = None


class _Detail(msgspec.Struct):
    status: int
    headers: dict[str, str]
    status_text: str | None = None


def raised_error(message: str, detail: str | None) -> DataError:
    """Return the error that the JSON in MESSAGE and DETAIL describes; 500 PGRST121 where they do not describe one."""
    try:
        said = msgspec.json.decode(message, type=_Message)
    except (msgspec.DecodeError, UnicodeError):
        return _unreadable(f"Invalid JSON value for MESSAGE: '{message}'", _MESSAGE)
    if detail is None:
        return _unreadable("DETAIL is missing in the RAISE statement", _DETAIL)
    try:
        answer = msgspec.json.decode(detail, type=_Detail)
    except (msgspec.DecodeError, UnicodeError):
        return _unreadable(f"Invalid JSON value for DETAIL: '{detail}'", _DETAIL)
    if not 200 <= answer.status <= 599 or not are_headers(answer.headers):
        return _unreadable(f"Invalid JSON value for DETAIL: '{detail}'", _DETAIL)
    return DataError(
        answer.status,
        "raised",
        said.message,
        pgrst=said.code,
        detail=said.details,
        hint=said.hint,
        headers=answer.headers,
    )


def are_headers(found: Mapping[str, str]) -> bool:
    """Tell whether all of these can be headers of an answer."""
    return all(_NAME.match(name) and _VALUE.match(value) for name, value in found.items())


def _unreadable(detail: str, hint: str) -> DataError:
    message = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
    return DataError(500, "config_error", message, pgrst="PGRST121", detail=detail, hint=hint)
