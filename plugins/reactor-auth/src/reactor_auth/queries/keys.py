"""Statements about signing keys; raw, because every boot runs them and need not load SQLAlchemy for it."""

from __future__ import annotations

from datetime import datetime

from reactor_kernel.api import Statement

TABLE_EXISTS = Statement("SELECT to_regclass('_reactor_auth.signing_keys') IS NOT NULL", prepare=False)

ACTIVE_EXISTS = Statement(
    "SELECT EXISTS (SELECT FROM _reactor_auth.signing_keys WHERE rotated_at IS NULL AND retired_at IS NULL)",
    prepare=False,
)

# Waits until no other node is making a key; held until the transaction ends.
LOCK_CREATION = Statement(
    "SELECT pg_advisory_xact_lock(hashtextextended('reactor_auth signing key', 0))", prepare=False
)

# Every key that verifies, the signing one first: kid, algorithm, private key (sealed), public key, whether it signs.
PUBLISHED = Statement(
    "SELECT kid, algorithm, private_key_pem, public_key_pem, rotated_at IS NULL FROM _reactor_auth.signing_keys "
    "WHERE retired_at IS NULL ORDER BY rotated_at IS NOT NULL, activated_at DESC"
)


def insert_key(kid: str, algorithm: str, private_sealed: str, public_pem: str, now: datetime) -> Statement:
    """Store a new active key."""
    return Statement(
        "INSERT INTO _reactor_auth.signing_keys "
        "(kid, algorithm, private_key_pem, public_key_pem, created_at, activated_at) VALUES ($1, $2, $3, $4, $5, $5)",
        (kid, algorithm, private_sealed, public_pem, now.isoformat()),
        prepare=False,
    )
