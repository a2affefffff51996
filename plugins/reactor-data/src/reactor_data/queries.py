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

EVENT_TYPES = {"insert": "rows.insert", "update": "rows.update", "delete": "rows.delete"}


def audit(identity: Identity, request_id: str, action: str, table: str) -> Statement:
    """Write what a mutation did, in its own transaction and with the number of rows the data statement handed over."""
    return Statement(_AUDIT, _actor(identity, request_id, action, table), as_owner=True)


def audit_rows(identity: Identity, request_id: str, table: str, rows: int, decisions: bytes) -> Statement:
    """Write what an insert row by row did: `decisions` is JSON, `[{row, decision, policy}]` of each row."""
    actor = _actor(identity, request_id, "insert", table)
    return Statement(_AUDIT_ROWS, (*actor, str(rows), decisions), as_owner=True)


def audit_denied(identity: Identity, request_id: str, action: str, table: str) -> Statement:
    """Write that a mutation was refused; in a transaction of its own, because the mutation's is rolled back."""
    return Statement(_AUDIT_DENIED, _actor(identity, request_id, action, table))


def _actor(identity: Identity, request_id: str, action: str, table: str) -> tuple[str | None, ...]:
    return (
        str(uuid7()),
        identity.user_id,
        identity.api_key_id,
        identity.org_id,
        request_id,
        EVENT_TYPES[action],
        table,
    )
