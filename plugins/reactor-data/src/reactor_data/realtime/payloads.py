"""A change as the JSON that clients read (contract data.md §10.2)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from reactor_kernel.api import Change

_NULL = msgspec.Raw(b"null")


class _Payload(msgspec.Struct):
    """The union of what Reactor's clients read; each value stands under every name one of them knows."""

    id: str
    seq: int
    event: str
    eventType: str
    op: str
    schema: str
    table: str
    commit_timestamp: str
    timestamp: str
    new: msgspec.Raw
    new_record: msgspec.Raw
    old: msgspec.Raw
    old_record: msgspec.Raw
    errors: None
    request_id: str | None


_encode = msgspec.json.Encoder().encode


def make_change(
    event: str,
    seq: int,
    *,
    schema: str,
    table: str,
    timestamp: str,
    new: bytes | None,
    old: bytes | None,
    request_id: str | None,
) -> Change:
    """Make a change with its payload."""
    identifier = change_id(seq, timestamp)
    fresh = _NULL if new is None else msgspec.Raw(new)
    gone = _NULL if old is None else msgspec.Raw(old)
    payload = _Payload(
        identifier,
        seq,
        event,
        event,
        event.lower(),
        schema,
        table,
        timestamp,
        timestamp,
        fresh,
        fresh,
        gone,
        gone,
        None,
        request_id,
    )
    return Change(seq, identifier, event, schema, table, timestamp, new, old, request_id, _encode(payload))


def change_id(seq: int, timestamp: str) -> str:
    """Return the UUIDv7 of a change: its time, and its number where others have randomness, so that it never differs."""
    milliseconds = int(datetime.fromisoformat(timestamp).timestamp() * 1000)
    return str(UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | 2 << 62 | seq & (1 << 62) - 1))
