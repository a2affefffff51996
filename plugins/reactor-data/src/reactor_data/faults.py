"""What Postgres refuses, as an answer: SQLSTATE to status and code (contract data.md §6.2 and §6.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reactor_data.errors import DataError
from reactor_data.raised import raised_error
from reactor_kernel.api import DatabaseFault, DatabaseUnavailable, PoolTimeout

# Applied top-down: the first prefix that fits decides.
_BY_PREFIX: tuple[tuple[str, int, str], ...] = (
    ("08", 503, "database_unavailable"),
    ("09", 500, "database_error"),
    ("0L", 403, "permission_denied"),
    ("0P", 403, "permission_denied"),
    ("22", 400, "invalid_input"),
    ("23503", 409, "conflict"),
    ("23505", 409, "conflict"),
    ("23502", 400, "constraint_violation"),
    ("23514", 400, "constraint_violation"),
    ("23P01", 400, "constraint_violation"),
    ("25006", 405, "method_not_allowed"),
    ("25", 500, "database_error"),
    ("28", 403, "permission_denied"),
    ("2D", 500, "database_error"),
    ("38", 500, "database_error"),
    ("39", 500, "database_error"),
    ("3B", 500, "database_error"),
    ("40", 500, "database_error"),
    ("42P17", 500, "database_error"),
    ("42883", 404, "function_not_found"),
    ("42P01", 404, "table_not_found"),
    ("42703", 400, "column_not_found"),
    ("42", 400, "invalid_input"),
    ("53400", 500, "database_error"),
    ("53", 503, "database_unavailable"),
    ("54", 500, "database_error"),
    ("55", 500, "database_error"),
    ("57P01", 503, "database_unavailable"),
    ("57", 500, "database_error"),
    ("58", 500, "database_error"),
    ("F0", 500, "database_error"),
    ("HV", 500, "database_error"),
    ("P0001", 400, "raised"),
    ("P0", 500, "database_error"),
    ("XX", 500, "database_error"),
)
_ROW_SECURITY = re.compile(
    r'row-level security policy(?: "(?P<policy>.+)")?(?: \(USING expression\))? for table "(?P<table>.+)"\Z'
)


def explain_fault(
    fault: DatabaseFault, *, policies: Mapping[tuple[str, str], str], subject: str, scope: str, anonymous: bool
) -> DataError:
    """Turn a refusal into the error the caller sees.

    `subject` is the relation or function, `scope` select, insert, update, delete or execute; `policies` maps a table and the
    native name of a policy to the declared name.
    """
    state = fault.sqlstate
    if state == "42501":
        return _refusal(fault, policies, subject, scope, anonymous)
    if state == "PGRST":
        return raised_error(fault.primary, fault.detail)
    status, code = _classify(fault)
    hint = fault.db_hint
    if hint is None and state == "57014" and "statement timeout" in fault.primary:
        hint = "The statement ran longer than [data] statement_timeout_ms allows."
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return DataError(status, code, fault.primary, pgrst=state, detail=fault.detail, hint=hint, headers=headers)


def explain_outage(outage: DatabaseUnavailable | PoolTimeout) -> DataError:
    """Give an outage the codes that PostgREST's clients know, beside the platform's own."""
    slow = isinstance(outage, PoolTimeout)
    return DataError(
        504 if slow else 503,
        outage.error_code,
        outage.message,
        pgrst="PGRST003" if slow else "PGRST001",
        hint=outage.error_hint,
        headers=outage.headers,
    )


def _classify(fault: DatabaseFault) -> tuple[int, str]:
    state = fault.sqlstate
    if state == "21000":
        return (400 if fault.primary.endswith("requires a WHERE clause") else 500), "database_error"
    if state == "22023" and fault.primary.startswith('role "') and fault.primary.endswith("does not exist"):
        return 401, "unauthorized"
    if state.startswith("PT"):
        digits = state[2:]
        return (int(digits) if digits.isdigit() and 200 <= int(digits) <= 599 else 500), "raised"
    if state == "42883" and fault.primary.startswith("function xmlagg("):
        return 406, "not_acceptable"
    for prefix, status, code in _BY_PREFIX:
        if state.startswith(prefix):
            return status, code
    return 400, "database_error"


def _refusal(
    fault: DatabaseFault, policies: Mapping[tuple[str, str], str], subject: str, scope: str, anonymous: bool
) -> DataError:
    status = 401 if anonymous else 403
    headers = {"WWW-Authenticate": "Bearer"} if anonymous else None
    violated = _ROW_SECURITY.search(fault.primary)
    if violated is None:
        return DataError(
            status,
            "permission_denied",
            fault.primary,
            pgrst=fault.sqlstate,
            detail=fault.detail,
            hint=fault.db_hint or f"A migration may grant it: grant {scope} on {subject} to the caller's role.",
            details={"function" if scope == "execute" else "table": subject, "scope": scope},
            headers=headers,
        )
    table, native = violated.group("table"), violated.group("policy")
    facts: dict[str, object] = {"table": table, "scope": scope}
    if native is None:
        hint = f"No policy of {table} allows this {scope}, or the row would not be visible to the caller afterwards."
    else:
        declared = policies.get((table, native), native)
        facts["policy"] = declared
        hint = f'The row does not satisfy the check of policy "{declared}" on {table}.'
    return DataError(
        status,
        "policy_denied",
        fault.primary,
        pgrst=fault.sqlstate,
        detail=fault.detail,
        hint=hint,
        details=facts,
        headers=headers,
    )
