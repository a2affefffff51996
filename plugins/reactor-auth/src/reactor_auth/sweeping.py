"""Removes what has expired; runs on one node at a time."""

from __future__ import annotations

from datetime import timedelta

from reactor_auth.assembly import Auth
from reactor_auth.config import LEEWAY_SECS
from reactor_auth.queries import factors as factor_sql
from reactor_auth.queries import identities as identities_sql
from reactor_auth.queries import mail as mail_sql
from reactor_auth.queries import oauth_codes as codes
from reactor_auth.queries import operators as operators_sql
from reactor_auth.queries import sweep as sql
from reactor_auth.queries import verification as verification_sql
from reactor_auth.queries.invitations import past as past_invitations
from reactor_auth.service.enrolment import UNVERIFIED_LIFE
from reactor_kernel.api import StopSignal

PERIOD_SECS = 60.0
STEP_ROWS = 1000
KEPT_INVITATIONS = timedelta(days=30)


class Sweeper:
    """Ends sessions whose time is over, erases accounts, and deletes what has expired, a thousand rows at a time."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def run(self, stop: StopSignal) -> None:
        """Sweep every minute until told to stop."""
        while not stop.wait(PERIOD_SECS):
            removed = self.sweep(stop)
            if removed:
                self._auth.log.info("swept %d expired rows", removed)

    def sweep(self, stop: StopSignal) -> int:
        """Sweep once; return how many rows ended or went."""
        config, now = self._auth.config, self._auth.clock.now()
        leeway = timedelta(seconds=LEEWAY_SECS)
        unseen_since = now - timedelta(seconds=config.refresh_ttl_secs) - leeway
        # A revoked session is kept while an access token can still name it, so that it answers session_revoked.
        revoked_before = now - timedelta(seconds=config.access_ttl_secs) - 2 * leeway
        with self._auth.db.begin() as tx:
            tx.execute(sql.sealed_successors(now - timedelta(seconds=config.refresh_reuse_grace_secs)))
        removed = self._auth.session_list.end_overdue(stop)
        removed += self._auth.erasure.erase_due(stop)
        removed += self._auth.erasure.erase_abandoned(stop)
        for statement in (
            # A day longer than they work, so that what became of one can be looked up.
            verification_sql.expired(now - timedelta(days=1), STEP_ROWS),
            mail_sql.finished(now - timedelta(days=config.mail.keep_days), STEP_ROWS),
            sql.expired_tokens(now, STEP_ROWS),
            sql.ended_sessions(unseen_since, revoked_before, STEP_ROWS),
            operators_sql.old_entries(now - timedelta(days=self._auth.operator_rules.audit_retention_days), STEP_ROWS),
            identities_sql.expired_states(now, STEP_ROWS),
            # A used code is kept for a while, so that presenting it again still ends the session it gave.
            *(codes.expired(table, now - timedelta(hours=1), STEP_ROWS) for table in codes.EXPIRING),
            factor_sql.over_challenges(now, STEP_ROWS),
            factor_sql.never_verified(now - UNVERIFIED_LIFE, STEP_ROWS),
            sql.old_windows(now, STEP_ROWS),
            sql.old_attempts(now, STEP_ROWS),
            past_invitations(now - KEPT_INVITATIONS, STEP_ROWS),
        ):
            more = True
            while more and not stop.is_set():
                with self._auth.db.begin() as tx:
                    count = tx.execute(statement).rowcount
                removed += count
                more = count == STEP_ROWS
        return removed
