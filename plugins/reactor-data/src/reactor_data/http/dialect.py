"""The codes of PostgREST for what the platform itself refuses on this capability's routes (contract data.md §6.2)."""

from __future__ import annotations

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


def speak(told: ErrorFacts) -> ErrorMembers:
    """Repeat an error where PostgREST's clients read it."""
    code = _CODES.get(told.code)
    beside = {"code": code or told.code, "message": told.message, "details": None, "hint": told.hint}
    return ErrorMembers({} if code is None else {"pgrst_code": code}, beside)
