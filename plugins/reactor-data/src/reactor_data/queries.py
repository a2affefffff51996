"""Statements of the service that are not compiled from a request."""

from __future__ import annotations

from reactor_data.query.compiler import AFFECTED
from reactor_kernel.api import Identity, Statement, uuid7

_AUDIT = f"""
insert into _reactor_data.audit_events
  (id, actor_user_id, actor_apikey_id, org_id, request_id, event_type, table_name, row_count, details)
values ($1, $2, $3, $4, $5, $6, $7, nullif(current_setting('{AFFECTED}', true), '')::int, '{{}}')
"""

_AUDIT_ROWS = """
insert into _reactor_data.audit_events
  (id, actor_user_id, actor_apikey_id, org_id, request_id, event_type, table_name, row_count, details)
values ($1, $2, $3, $4, $5, $6, $7, $8, jsonb_build_object('policy_decisions', $9::jsonb))
"""

_AUDIT_DENIED = """
insert into _reactor_data.audit_events
  (id, actor_user_id, actor_apikey_id, org_id, request_id, event_type, table_name, row_count, details)
values ($1, $2, $3, $4, $5, $6, $7, 0, '{"denied": true}')
"""

_AUDIT_CALL = """
insert into _reactor_data.audit_events
  (id, actor_user_id, actor_apikey_id, org_id, request_id, event_type, table_name, details)
values ($1, $2, $3, $4, $5, $6, $7,
  jsonb_build_object('fn', $8::text, 'args', $9::jsonb, 'security', $10::text))
"""

_AUDIT_CALL_DENIED = """
insert into _reactor_data.audit_events
  (id, actor_user_id, actor_apikey_id, org_id, request_id, event_type, table_name, row_count, details)
values ($1, $2, $3, $4, $5, $6, $7, 0, jsonb_build_object('denied', true, 'fn', $8::text))
"""

EVENT_TYPES = {"insert": "rows.insert", "update": "rows.update", "delete": "rows.delete", "execute": "rpc.invoke"}


def audit(identity: Identity, request_id: str, action: str, table: str) -> Statement:
    """Write what a mutation did, in its own transaction and with the number of rows the data statement handed over."""
    return Statement(_AUDIT, _actor(identity, request_id, action, table), as_owner=True)


def audit_rows(identity: Identity, request_id: str, table: str, rows: int, decisions: bytes) -> Statement:
    """Write what an insert row by row did: `decisions` is JSON, `[{row, decision, policy}]` of each row."""
    actor = _actor(identity, request_id, "insert", table)
    return Statement(_AUDIT_ROWS, (*actor, str(rows), decisions), as_owner=True)


def audit_call(
    identity: Identity, request_id: str, function: str, arguments: bytes, *, definer: bool, in_transaction: bool
) -> Statement:
    """Write that a function was called; `arguments` is JSON. `in_transaction` = within the call's own."""
    actor = _actor(identity, request_id, "execute", None)
    security = "definer" if definer else "invoker"
    return Statement(_AUDIT_CALL, (*actor, function, arguments, security), as_owner=in_transaction)


def audit_denied(identity: Identity, request_id: str, action: str, table: str) -> Statement:
    """Write that a mutation, or with the action `execute` a function's call, was refused.

    In a transaction of its own, because the mutation's is rolled back.
    """
    if action == "execute":
        return Statement(_AUDIT_CALL_DENIED, (*_actor(identity, request_id, action, None), table))
    return Statement(_AUDIT_DENIED, _actor(identity, request_id, action, table))


def _actor(identity: Identity, request_id: str, action: str, table: str | None) -> tuple[str | None, ...]:
    return (
        str(uuid7()),
        identity.user_id,
        identity.api_key_id,
        identity.org_id,
        request_id,
        EVENT_TYPES[action],
        table,
    )
