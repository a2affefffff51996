"""Decides whether a password may be tried at all (contract auth.md §7.3)."""

from __future__ import annotations

from dataclasses import dataclass

from reactor_auth import limits
from reactor_auth.config import LimitsConfig
from reactor_auth.errors import TooManyAttempts
from reactor_auth.limits import RateLimiter
from reactor_auth.lockout import Lockout, Standing
from reactor_auth.metrics import AuthMetrics
from reactor_auth.model import Origin
from reactor_kernel.api import Database, Tx


@dataclass(frozen=True, slots=True)
class Admission:
    """An attempt that may be made. `locks` are the seconds the next one waits, by what waits, should this one fail."""

    locks: dict[str, int]


class SignInGuard:
    """Counts attempts to prove a password against limits and waits; the same work for addresses nobody has."""

    def __init__(
        self, config: LimitsConfig, db: Database, limiter: RateLimiter, lockout: Lockout, metrics: AuthMetrics
    ) -> None:
        self._config = config
        self._db = db
        self._limiter = limiter
        self._lockout = lockout
        self._metrics = metrics

    def admit(self, email: str, origin: Origin, *, by_address: bool = True) -> Admission:
        """Count an attempt as failed until `settle` says otherwise.

        What one guard refuses is not counted by the next: a client that hammers spends neither the account's attempts nor
        those of others.

        Raises:
            TooManyAttempts: with the seconds to wait, whether or not the account exists and the password is right.
        """
        config = self._config
        with self._db.begin() as tx:
            wait = 0
            if by_address:
                address = limits.for_address(
                    "login", origin.address, config.login_per_address, config.login_window_secs
                )
                wait = self._limiter.count(tx, address)
            admission = None if wait else self._admit(tx, email, origin)
        if isinstance(admission, Admission):
            return admission
        raise TooManyAttempts(wait or admission or 1)

    def _admit(self, tx: Tx, email: str, origin: Origin) -> Admission | int:
        """Return the seconds to wait, or count the attempt."""
        standing = self._lockout.standing(tx, email, origin)
        wait = standing.wait or self._limiter.count(tx, self._limit(email, origin, standing))
        return wait or Admission(self._lockout.charge(tx, standing))

    def failed(self, admission: Admission) -> dict[str, int]:
        """Count the waits a failure brought about; return them in seconds, by what waits, for the audit log."""
        for scope in admission.locks:
            self._metrics.locked_out(scope)
        return admission.locks

    def settle(self, tx: Tx, email: str, origin: Origin) -> None:
        """Forget the failures of somebody who proved the password."""
        self._lockout.settle(tx, email, origin)

    def _limit(self, email: str, origin: Origin, standing: Standing) -> limits.Limit:
        attempts, window = self._config.login_per_account, self._config.login_window_secs
        if standing.known_place:
            return limits.for_place("login", email, origin.address, attempts, window)
        return limits.for_account("login", email, attempts, window)
