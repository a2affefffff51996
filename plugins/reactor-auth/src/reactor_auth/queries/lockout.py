"""Statements about failed attempts to sign in; raw, so that each step of an attempt is one round trip."""

from __future__ import annotations

from reactor_kernel.api import Statement


def lock(bucket: str) -> Statement:
    """Wait until no other transaction counts for this account; held until the transaction ends."""
    return Statement("SELECT pg_advisory_xact_lock(hashtextextended('reactor_auth ' || $1::text, 0))", (bucket,))


def read(place: str, account: str) -> Statement:
    """Read what is remembered: bucket, failures, and three instants in seconds since the epoch."""
    return Statement(
        "SELECT bucket, failures, extract(epoch FROM failed_at), extract(epoch FROM locked_until), "
        "extract(epoch FROM known_until) FROM _reactor_auth.sign_in_attempts WHERE bucket IN ($1, $2)",
        (place, account),
    )


def write(
    bucket: str, failures: int, failed_at: float, locked_until: float, known_until: float, expires_at: float
) -> Statement:
    """Remember; instants in seconds since the epoch."""
    return Statement(
        "INSERT INTO _reactor_auth.sign_in_attempts "
        "(bucket, failures, failed_at, locked_until, known_until, expires_at) "
        "VALUES ($1, $2, to_timestamp($3), to_timestamp($4), to_timestamp($5), to_timestamp($6)) "
        "ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, failed_at = excluded.failed_at, "
        "locked_until = excluded.locked_until, known_until = excluded.known_until, expires_at = excluded.expires_at",
        (bucket, str(failures), repr(failed_at), repr(locked_until), repr(known_until), repr(expires_at)),
    )
