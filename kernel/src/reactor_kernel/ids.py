"""Identifiers: UUIDv7 made by the application, and the project ref derived from a UUID (contract kernel.md §7.1)."""

from __future__ import annotations

import os
import time
import uuid

NIL = uuid.UUID(int=0)


def uuid7(now_ms: int | None = None) -> uuid.UUID:
    """Make a UUIDv7 (RFC 9562 §5.7) of the present millisecond."""
    stamp = int(time.time() * 1000) if now_ms is None else now_ms
    value = (stamp & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
