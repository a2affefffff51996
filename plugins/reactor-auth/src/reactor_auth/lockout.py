"""Waits after repeated failures to sign in, shared by all nodes (contract auth.md §7.3).

Two things are counted: failures for one e-mail address from one place (a client address), and failures for one e-mail
address from all places it has never been signed in from. A place from which somebody did sign in is *known* for a while and
waits for its own failures only, so that guessing from elsewhere cannot lock its user out. Nobody's session is touched.

Attempts are counted before the password is looked at: a burst of parallel guesses is counted one by one, and while a wait
lasts the right password gets the same answer as a wrong one. What is refused does not count, so hammering a closed door
does not keep it closed. Addresses nobody has are counted alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reactor_auth.config import LockoutConfig
from reactor_auth.limits import fingerprint, network
from reactor_auth.model import Origin
from reactor_auth.queries import lockout as sql
from reactor_kernel.api import Clock, RawResult, Tx

PLACE, ACCOUNT = "place", "account"


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is remembered of one account, or of one account at one place; instants in seconds since the epoch."""

    failures: int = 0
    failed_at: float = 0.0
    locked_until: float = 0.0
    known_until: float = 0.0

    def wait(self, now: float) -> int:
        """Return the whole seconds until the next attempt is allowed; 0 for now."""
        return max(0, math.ceil(self.locked_until - now))


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an account and of a place before an attempt; `wait` is 0 where it may be made."""

    place: str
    account: str
    there: Attempts
    everywhere: Attempts
    known_place: bool
    wait: int


def charged(attempts: Attempts, now: float, threshold: int, config: LockoutConfig) -> Attempts:
    """Count an attempt as failed, with a wait that doubles with each failure from the threshold on."""
    calm = attempts.failed_at < now - config.forget_secs
    failures = 1 if calm else attempts.failures + 1
    locked_until = 0.0
    if threshold and failures >= threshold:
        # Beyond 2**30 the longest wait is reached whatever the first one is.
        doubled = config.first_wait_secs * 2 ** min(failures - threshold, 30)
        locked_until = now + min(doubled, config.longest_wait_secs)
    return replace(attempts, failures=failures, failed_at=now, locked_until=locked_until)


class Lockout:
    """Counts attempts to prove who one is by a password."""

    def __init__(self, config: LockoutConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def standing(self, tx: Tx, email: str, origin: Origin) -> Standing:
        """Look whether an attempt may be made; until `tx` ends nobody else counts for this account."""
        place, account = _buckets(email, origin)
        now = self._clock.now().timestamp()
        there, everywhere = self._read(tx, place, account)
        known = origin.address is not None and there.known_until > now
        wait = there.wait(now) if known else max(there.wait(now), everywhere.wait(now))
        return Standing(place, account, there, everywhere, known, wait)

    def charge(self, tx: Tx, standing: Standing) -> dict[str, int]:
        """Count an attempt as failed; return the seconds that the next one waits, by what waits, should it be so."""
        now, config = self._clock.now().timestamp(), self._config
        there = charged(standing.there, now, config.failures_per_place, config)
        locks, changed = {PLACE: there.wait(now)}, {standing.place: there}
        if not standing.known_place:
            everywhere = charged(standing.everywhere, now, config.failures_per_account, config)
            locks[ACCOUNT] = everywhere.wait(now)
            changed[standing.account] = everywhere
        self._write(tx, changed, now)
        return {scope: secs for scope, secs in locks.items() if secs}

    def settle(self, tx: Tx, email: str, origin: Origin) -> None:
        """Forget the failures of somebody who signed in, and know the place from now on.

        At a known place what was counted elsewhere stays: somebody else may be guessing there.
        """
        place, account = _buckets(email, origin)
        now = self._clock.now().timestamp()
        there, everywhere = self._read(tx, place, account)
        changed = {place: Attempts(known_until=now + self._config.known_place_secs if origin.address else 0.0)}
        if there.known_until <= now and everywhere.failures:
            changed[account] = Attempts()
        self._write(tx, changed, now)

    def _read(self, tx: Tx, place: str, account: str) -> tuple[Attempts, Attempts]:
        _, found = tx.run([sql.lock(account), sql.read(place, account)])
        known = dict(map(_attempts, _rows(found)))
        return known.get(place, Attempts()), known.get(account, Attempts())

    def _write(self, tx: Tx, changed: dict[str, Attempts], now: float) -> None:
        kept_until = now + self._config.forget_secs
        tx.run(
            [
                sql.write(
                    bucket,
                    row.failures,
                    row.failed_at,
                    row.locked_until,
                    row.known_until,
                    max(kept_until, row.locked_until, row.known_until),
                )
                for bucket, row in changed.items()
            ]
        )


def _buckets(email: str, origin: Origin) -> tuple[str, str]:
    """Return the buckets of the place and of the account; neither shows the address."""
    return f"place:{fingerprint(f'{network(origin.address)} {email}')}", f"account:{fingerprint(email)}"


def _rows(found: RawResult) -> list[tuple[str, ...]]:
    return [tuple((value or b"").decode() for value in row) for row in found.rows]


def _attempts(row: tuple[str, ...]) -> tuple[str, Attempts]:
    bucket, failures, failed_at, locked_until, known_until = row
    return bucket, Attempts(int(failures), float(failed_at), float(locked_until), float(known_until))
