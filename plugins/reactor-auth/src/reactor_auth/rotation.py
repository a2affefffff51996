"""Renews the signing key: published first, then signing, verifying a while longer, then withdrawn (contract auth.md §4.5)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reactor_auth.changes import KEYS, Changes
from reactor_auth.config import AuthConfig
from reactor_auth.errors import RotationPending
from reactor_auth.metrics import AuthMetrics
from reactor_auth.model import Origin
from reactor_auth.queries import keys as sql
from reactor_auth.signing import ALGORITHM, SigningKeys
from reactor_kernel.api import Clock, Database, StopSignal, Tx

if TYPE_CHECKING:
    from reactor_auth.audit import AuditLog

LONGEST_PERIOD_SECS = 60.0
NOBODY = Origin(None, None)


@dataclass(frozen=True, slots=True)
class Rotation:
    """A key change. Tokens of the previous key verify until `previous_retires_at`."""

    kid: str
    activates_at: datetime
    previous_kid: str | None
    previous_retires_at: datetime


class KeyRotation:
    """Rotates the signing key of all nodes; a change is one transaction, and every node is told."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        keys: SigningKeys,
        audit: AuditLog,
        changes: Changes,
        metrics: AuthMetrics,
    ) -> None:
        self._lead = timedelta(seconds=config.key_lead_secs)
        self._overlap = timedelta(seconds=config.key_overlap_secs)
        self._period = timedelta(seconds=config.key_rotation_secs)
        self._db = db
        self._clock = clock
        self._keys = keys
        self._audit = audit
        self._changes = changes
        self._metrics = metrics

    def rotate(self, origin: Origin, *, lead: timedelta | None = None, trigger: str = "admin") -> Rotation:
        """Publish a new key that signs after `lead` (`[auth] key_lead_secs` where absent).

        Raises:
            RotationPending: a published key does not sign yet.
        """
        made = self._keys.generate()
        with self._db.begin() as tx:
            now = self._clock.now()
            kid, activates_at = self._newest(tx)
            if kid is not None and activates_at > now:
                raise RotationPending(details={"kid": kid, "activates_at": activates_at.isoformat()})
            rotation = self._replace(tx, made, now, now + (self._lead if lead is None else lead))
            self._note(tx, rotation, origin, trigger)
        self._metrics.rotated(trigger)
        return rotation

    def replace_compromised(self, origin: Origin) -> Rotation:
        """Sign with a new key at once and withdraw every other: what they signed is refused from now on."""
        made = self._keys.generate()
        with self._db.begin() as tx:
            now = self._clock.now()
            self._newest(tx)
            rotation = self._replace(tx, made, now, now)
            tx.run([sql.retire_all_but(rotation.kid, now)])
            rotation = Rotation(rotation.kid, now, rotation.previous_kid, now)
            self._note(tx, rotation, origin, "compromised")
        self._metrics.rotated("compromised")
        return rotation

    def run(self, stop: StopSignal) -> None:
        """Rotate and withdraw keys as their time comes, until told to stop; for one node at a time."""
        pause = min(
            [LONGEST_PERIOD_SECS, *(span.total_seconds() / 4 for span in (self._period, self._overlap) if span)]
        )
        while True:
            self.tend()
            if stop.wait(max(pause, 0.5)):
                return

    def tend(self) -> None:
        """Do what is due now."""
        if self._is_due():
            # Pending: somebody rotated meanwhile.
            with contextlib.suppress(RotationPending):
                self.rotate(NOBODY, trigger="scheduled")
        self._retire()

    def _is_due(self) -> bool:
        if not self._period:
            return False
        with self._db.begin(readonly=True) as tx:
            kid, activated_at = _newest(tx)
        # The next key is published ahead, so that it signs when this one's time is over.
        return kid is not None and self._clock.now() >= activated_at + self._period - self._lead

    def _retire(self) -> None:
        now = self._clock.now()
        with self._db.begin() as tx:
            [retired] = tx.run([sql.retire_rotated(now - self._overlap, now)])
            for (kid,) in retired.rows:
                self._audit.record(
                    tx, "signing_key.retired", NOBODY, actor=None, resource=f"signing_key:{(kid or b'').decode()}"
                )
            if retired.rows:
                self._changes.announce(tx, KEYS)

    def _newest(self, tx: Tx) -> tuple[str | None, datetime]:
        tx.run([sql.LOCK_CREATION])
        return _newest(tx)

    def _replace(self, tx: Tx, made: tuple[str, str, str], now: datetime, activates_at: datetime) -> Rotation:
        kid, sealed, public_pem = made
        ended, _ = tx.run(
            [sql.end_signing(activates_at), sql.insert_key(kid, ALGORITHM, sealed, public_pem, now, activates_at)]
        )
        previous = (ended.rows[0][0] or b"").decode() if ended.rows else None
        return Rotation(kid, activates_at, previous, activates_at + self._overlap)

    def _note(self, tx: Tx, rotation: Rotation, origin: Origin, trigger: str) -> None:
        self._audit.record(
            tx,
            "signing_key.rotated",
            origin,
            actor=None,
            resource=f"signing_key:{rotation.kid}",
            trigger=trigger,
            previous=rotation.previous_kid,
            activates_at=rotation.activates_at.isoformat(),
        )
        self._changes.announce(tx, KEYS)


def _newest(tx: Tx) -> tuple[str | None, datetime]:
    [found] = tx.run([sql.NEWEST])
    if not found.rows:
        return None, datetime.fromtimestamp(0, UTC)
    kid, activated_at = found.rows[0]
    return (kid or b"").decode(), datetime.fromtimestamp(float(activated_at or 0), UTC)
