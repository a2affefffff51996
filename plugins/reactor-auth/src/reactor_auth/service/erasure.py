"""Erases the personal data of accounts that were deleted some time ago, and of anonymous ones that were abandoned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Select

from reactor_auth.audit import AuditLog
from reactor_auth.config import AuthConfig
from reactor_auth.events import UserErased
from reactor_auth.model import Origin
from reactor_auth.queries import erasure as sql
from reactor_kernel.api import Clock, Database, StopSignal

NOBODY = Origin(None, None)


class Erasure:
    """Removes accounts for good, one transaction each."""

    def __init__(self, config: AuthConfig, db: Database, clock: Clock, audit: AuditLog) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._audit = audit

    def erase_due(self, stop: StopSignal) -> int:
        """Erase every account whose grace period is over; return how many went.

        The user goes with everything that hangs on it. Of the audit log stays that something happened and when; address,
        program and details go.
        """
        return self._erase(sql.due(self._clock.now() - timedelta(days=self._config.deletion_grace_days)), stop)

    def erase_abandoned(self, stop: StopSignal) -> int:
        """Erase anonymous users whom nobody can be any more, `anonymous_keep_days` after they were last seen.

        Never sooner than their last refresh token has expired; whoever has another way in, or is in an organisation, stays.
        """
        config, now = self._config, self._clock.now()
        if not config.anonymous_keep_days:
            return 0
        kept = max(timedelta(days=config.anonymous_keep_days), timedelta(seconds=config.refresh_ttl_secs))
        return self._erase(sql.abandoned(now - kept), stop)

    def _erase(self, found: Select[Any], stop: StopSignal) -> int:
        erased = 0
        while not stop.is_set():
            with self._db.begin() as tx:
                row = tx.execute(found).one_or_none()
                if row is None:
                    break
                if row.email:
                    for statement in sql.forget_address(row.email):
                        tx.execute(statement)
                tx.execute(sql.blank_audit(row.id))
                tx.execute(sql.blank_operations(row.id))
                tx.execute(sql.remove(row.id))
                self._audit.record(tx, "user.erased", NOBODY, actor=None, resource=f"user:{row.id}")
                tx.publish("auth.user.erased", UserErased(str(row.id)))
            erased += 1
        return erased
