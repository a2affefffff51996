"""Sliding-window limits that all nodes share (contract auth.md §7.3)."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from reactor_auth.config import LimitsConfig
from reactor_auth.errors import TooManyAttempts
from reactor_auth.metrics import AuthMetrics
from reactor_auth.queries import limits as sql
from reactor_kernel.api import Clock, Database, Tx

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` within any `window_secs` into a bucket; 0 attempts means no limit."""

    bucket: str
    attempts: int
    window_secs: int = MINUTE


def for_account(action: str, email: str, attempts: int, window_secs: int = MINUTE) -> Limit:
    """Limit by e-mail address, whether or not a user has it; the address itself is not stored."""
    return Limit(f"{action}:account:{fingerprint(email)}", attempts, window_secs)


def for_address(action: str, address: str | None, attempts: int, window_secs: int = MINUTE) -> Limit:
    """Limit by client address; IPv6 callers by their /64, which one subscriber owns whole."""
    return Limit(f"{action}:address:{network(address)}", attempts if address else 0, window_secs)


def for_place(action: str, email: str, address: str | None, attempts: int, window_secs: int = MINUTE) -> Limit:
    """Limit by e-mail and client address together, for places whose user others must not lock out."""
    return Limit(f"{action}:place:{fingerprint(f'{network(address)} {email}')}", attempts, window_secs)


def for_mail(config: LimitsConfig, email: str) -> Limit:
    """Limit the mails somebody may have sent to one address: verification, password reset and one-time codes alike."""
    return for_account("mail", email, config.mail_per_account, config.mail_window_secs)


def for_mail_from(config: LimitsConfig, address: str | None) -> Limit:
    """Limit by client address how many mails somebody may have sent, whomever to."""
    return for_address("mail", address, config.mail_per_address, config.mail_window_secs)


def for_notices(config: LimitsConfig, email: str) -> Limit:
    """Limit the notices an account sends to an address that nobody has confirmed."""
    return for_account("notice", email, config.mail_per_account, config.mail_window_secs)


def for_verification(config: LimitsConfig, address: str | None) -> Limit:
    """Limit by client address how often one-time tokens (verification, invitations) are presented."""
    return for_address("verify", address, config.verify_per_address, config.verify_window_secs)


def for_second_factor(config: LimitsConfig, user_id: UUID) -> Limit:
    """Limit how often second factors of one user are tried, over all sessions."""
    return Limit(f"second_factor:user:{user_id}", config.second_factor_per_user, config.second_factor_window_secs)


class RateLimiter:
    """Counts attempts in Postgres: this window's, plus the share of the last window's that is still within reach."""

    def __init__(self, db: Database, clock: Clock, metrics: AuthMetrics | None = None) -> None:
        self._db = db
        self._clock = clock
        self._metrics = metrics

    def spend(self, limits: Iterable[Limit]) -> None:
        """Count one attempt, in a transaction of its own so that failing afterwards does not undo it.

        Raises:
            TooManyAttempts: with the seconds to wait.
        """
        active = sorted((limit for limit in limits if limit.attempts), key=lambda limit: limit.bucket)
        if not active:
            return
        with self._db.begin() as tx:
            waits = [self.count(tx, limit) for limit in active]
        if any(waits):
            raise TooManyAttempts(max(waits))

    def count(self, tx: Tx, limit: Limit) -> int:
        """Count one attempt within `tx`; return the seconds to wait, 0 where it is allowed."""
        if not limit.attempts:
            return 0
        now, window = self._clock.now(), limit.window_secs
        start = datetime.fromtimestamp(now.timestamp() // window * window, UTC)
        row = tx.execute(sql.hit(limit.bucket, start, timedelta(seconds=window), limit.attempts + 1)).one()
        elapsed = max(0.0, (now - row.window_start).total_seconds())
        wait = seconds_to_wait(row.hits, row.previous_hits, elapsed, limit.attempts, window)
        if wait and self._metrics is not None:
            self._metrics.limited(limit.bucket.partition(":")[0])
        return wait


def seconds_to_wait(hits: int, previous: int, elapsed: float, limit: int, window: float = MINUTE) -> int:
    """Return 0 when `hits` (this attempt included) are within the limit, else whole seconds until one would be."""
    share = max(0.0, 1 - elapsed / window)
    if previous * share + hits <= limit:
        return 0
    if hits < limit:
        # Enough of the previous window must fall out of sight.
        wait = window * (1 - (limit - hits - 1) / previous) - elapsed
    else:
        wait = window - elapsed + window * max(0.0, 1 - (limit - 1) / hits)
    return max(1, math.ceil(wait))


def fingerprint(text: str) -> str:
    """Return what stands for an address in a bucket's name."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def network(address: str | None) -> str:
    """Return the network one subscriber has: an IPv4 address, an IPv6 /64."""
    if address is None:
        return "unknown"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return fingerprint(address)
    if parsed.version == 6:
        return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
    return str(parsed)
