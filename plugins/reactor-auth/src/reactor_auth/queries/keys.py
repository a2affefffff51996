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

# Every key that verifies: kid, algorithm, private key (sealed), public key, and from when until when it signs (epoch).
PUBLISHED = Statement(
    "SELECT kid, algorithm, private_key_pem, public_key_pem, extract(epoch FROM activated_at), "
    "extract(epoch FROM rotated_at) FROM _reactor_auth.signing_keys "
    "WHERE retired_at IS NULL ORDER BY rotated_at IS NOT NULL, activated_at DESC"
)

# The newest key, whether it signs already or is only published: kid, activated_at (epoch).
NEWEST = Statement(
    "SELECT kid, extract(epoch FROM activated_at) FROM _reactor_auth.signing_keys "
    "WHERE rotated_at IS NULL AND retired_at IS NULL",
    prepare=False,
)


def insert_key(
    kid: str, algorithm: str, private_sealed: str, public_pem: str, now: datetime, activated_at: datetime | None = None
) -> Statement:
    """Store a new key that signs from `activated_at`, else from now."""
    return Statement(
        "INSERT INTO _reactor_auth.signing_keys "
        "(kid, algorithm, private_key_pem, public_key_pem, created_at, activated_at) VALUES ($1, $2, $3, $4, $5, $6)",
        (kid, algorithm, private_sealed, public_pem, now.isoformat(), (activated_at or now).isoformat()),
        prepare=False,
    )


def end_signing(at: datetime) -> Statement:
    """Let the key that signs do so only until `at`; returns its kid."""
    return Statement(
        "UPDATE _reactor_auth.signing_keys SET rotated_at = $1 WHERE rotated_at IS NULL AND retired_at IS NULL "
        "RETURNING kid",
        (at.isoformat(),),
        prepare=False,
    )


def retire_rotated(rotated_before: datetime, now: datetime) -> Statement:
    """Withdraw keys that stopped signing long enough ago and forget their private halves; returns their kids."""
    return Statement(
        "UPDATE _reactor_auth.signing_keys SET retired_at = $2, private_key_pem = '' "
        "WHERE retired_at IS NULL AND rotated_at <= $1 RETURNING kid",
        (rotated_before.isoformat(), now.isoformat()),
        prepare=False,
    )


def retire_all_but(kid: str, now: datetime) -> Statement:
    """Withdraw every other key at once and forget the private halves."""
    return Statement(
        "UPDATE _reactor_auth.signing_keys SET retired_at = $2, rotated_at = least(coalesce(rotated_at, $2), $2), "
        "private_key_pem = '' WHERE retired_at IS NULL AND kid <> $1",
        (kid, now.isoformat()),
        prepare=False,
    )
