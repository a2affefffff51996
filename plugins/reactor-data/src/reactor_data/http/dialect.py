"""The codes of PostgREST for what the platform itself refuses on this capability's routes (contract data.md §6.2)."""

from __future__ import annotations

from collections.abc import Mapping

from reactor_kernel.api import ErrorFacts, ErrorMembers

_CODES = {
    "unauthorized": "PGRST302",
    "invalid_token": "PGRST301",
    "token_expired": "PGRST303",
    "method_not_allowed": "PGRST117",
    "not_found": "PGRST125",
    "permission_denied": "42501",
    "internal_error": "PGRSTX00",
    "database_unavailable": "PGRST001",
    "pool_timeout": "PGRST003",
}


_CALL_CODES = _CODES | {"method_not_allowed": "PGRST101"}


def speak(told: ErrorFacts) -> ErrorMembers:
    """Repeat an error where PostgREST's clients read it."""
    return _repeated(told, _CODES)


def speak_of_calls(told: ErrorFacts) -> ErrorMembers:
    """As `speak`, on the route of functions: a method that they do not answer has a code of its own."""
    return _repeated(told, _CALL_CODES)


def _repeated(told: ErrorFacts, codes: Mapping[str, str]) -> ErrorMembers:
    code = codes.get(told.code)
    beside = {"code": code or told.code, "message": told.message, "details": None, "hint": told.hint}
    return ErrorMembers({} if code is None else {"pgrst_code": code}, beside)
