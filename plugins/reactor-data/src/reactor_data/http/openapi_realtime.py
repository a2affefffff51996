"""Subscriptions as OpenAPI 3.1: the parameters they add to a read, and the stream they are answered with."""

from __future__ import annotations

from typing import Any

SUBSCRIPTION: list[dict[str, Any]] = [
    {"name": name, "in": where, "required": False, "schema": {"type": kind}, "description": text}
    for name, where, kind, text in (
        ("subscribe", "query", "string", "1 follows changes as server-sent events instead of reading rows"),
        ("event", "query", "string", "with subscribe: INSERT, UPDATE, DELETE, or several"),
        ("last_event_id", "query", "integer", "with subscribe: go on behind this event"),
        ("Last-Event-ID", "header", "integer", "the same"),
        ("access_token", "query", "string", "with subscribe: the token, where headers cannot be set"),
    )
]

CHANGES: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "events INSERT, UPDATE, DELETE, resync, overflow, token_expired, error and shutdown",
        }
    }
}
