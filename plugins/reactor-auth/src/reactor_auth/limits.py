"""Sliding-window limits that all nodes share (contract auth.md §7.3)."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reactor_auth.errors import TooManyAttempts
from reactor_auth.queries import limits as sql
from reactor_kernel.api import Clock, Database, Tx

WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `per_minute` attempts into a bucket; 0 means no limit."""

    bucket: str
    per_minute: int


def for_account(action: str, email: str, per_minute: int) -> Limit:
    """Limit by e-mail address, whether or not a user has it; the address itself is not stored."""
    return Limit(f"{action}:account:{hashlib.sha256(email.encode()).hexdigest()[:32]}", per_minute)


def for_address(action: str, address: str | None, per_minute: int) -> Limit:
    """Limit by client address; IPv6 callers by their /64, which one subscriber owns whole."""
    return Limit(f"{action}:address:{_network(address)}", per_minute if address else 0)


class RateLimiter:
    """Counts attempts in Postgres: this minute's, plus the share of the last minute's that is still within 60 s."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def spend(self, limits: Iterable[Limit]) -> None:
        """Count one attempt, in a transaction of its own so that failing afterwards does not undo it.

        Raises:
            TooManyAttempts: with the seconds to wait.
        """
        active = sorted((limit for limit in limits if limit.per_minute), key=lambda limit: limit.bucket)
        if not active:
            return
        with self._db.begin() as tx:
            waits = [self.count(tx, limit) for limit in active]
        if any(waits):
            raise TooManyAttempts(max(waits))

    def count(self, tx: Tx, limit: Limit) -> int:
        """Count one attempt within `tx`; return the seconds to wait, 0 where it is allowed."""
        if not limit.per_minute:
            return 0
        now = self._clock.now()
        row = tx.execute(sql.hit(limit.bucket, _window_of(now), WINDOW, limit.per_minute + 1)).one()
        elapsed = max(0.0, (now - row.window_start).total_seconds())
        return seconds_to_wait(row.hits, row.previous_hits, elapsed, limit.per_minute)


def seconds_to_wait(hits: int, previous: int, elapsed: float, limit: int) -> int:
    """Return 0 when `hits` (this attempt included) are within the limit, else whole seconds until one would be."""
    window = WINDOW.total_seconds()
    share = max(0.0, 1 - elapsed / window)
    if previous * share + hits <= limit:
        return 0
    if hits < limit:
        # Enough of the previous window must fall out of sight.
        wait = window * (1 - (limit - hits - 1) / previous) - elapsed
    else:
        wait = window - elapsed + window * max(0.0, 1 - (limit - 1) / hits)
    return max(1, math.ceil(wait))


def _window_of(now: datetime) -> datetime:
    length = WINDOW.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // length * length, UTC)


def _network(address: str | None) -> str:
    if address is None:
        return "unknown"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode()).hexdigest()[:32]
    if parsed.version == 6:
        return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
    return str(parsed)
