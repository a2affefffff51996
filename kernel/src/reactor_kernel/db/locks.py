"""Names turned into the numbers of Postgres' advisory locks."""

from __future__ import annotations

import hashlib


def lock_id(name: str) -> int:
    """Return a name's advisory lock: 63 bits of a stable hash, the same on every node and version."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 1
