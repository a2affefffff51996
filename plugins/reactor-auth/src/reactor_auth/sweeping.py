"""Removes what has expired; runs on one node at a time."""

from __future__ import annotations

from datetime import timedelta

from reactor_auth.assembly import Auth
from reactor_auth.limits import WINDOW
from reactor_auth.queries import identities as identities_sql
from reactor_auth.queries import operators as operators_sql
from reactor_auth.queries import sweep as sql
from reactor_auth.tokens import LEEWAY_SECS
from reactor_kernel.api import StopSignal

PERIOD_SECS = 60.0
STEP_ROWS = 1000


class Sweeper:
    """Deletes expired refresh tokens, ended sessions and old rate windows, in steps of a thousand rows."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def run(self, stop: StopSignal) -> None:
        """Sweep every minute until told to stop."""
        while not stop.wait(PERIOD_SECS):
            removed = self.sweep(stop)
            if removed:
                self._auth.log.info("swept %d expired rows", removed)

    def sweep(self, stop: StopSignal) -> int:
        """Sweep once; return how many rows went."""
        config, now = self._auth.config, self._auth.clock.now()
        leeway = timedelta(seconds=LEEWAY_SECS)
        unseen_since = now - timedelta(seconds=config.refresh_ttl_secs) - leeway
        # A revoked session is kept while an access token can still name it, so that it answers session_revoked.
        revoked_before = now - timedelta(seconds=config.access_ttl_secs) - 2 * leeway
        with self._auth.db.begin() as tx:
            tx.execute(sql.sealed_successors(now - timedelta(seconds=config.refresh_reuse_grace_secs)))
        removed = 0
        for statement in (
            sql.expired_tokens(now, STEP_ROWS),
            sql.ended_sessions(unseen_since, revoked_before, STEP_ROWS),
            operators_sql.old_entries(now - timedelta(days=self._auth.operator_rules.audit_retention_days), STEP_ROWS),
            identities_sql.expired_states(now, STEP_ROWS),
            sql.old_windows(now - 3 * WINDOW, STEP_ROWS),
        ):
            more = True
            while more and not stop.is_set():
                with self._auth.db.begin() as tx:
                    count = tx.execute(statement).rowcount
                removed += count
                more = count == STEP_ROWS
        return removed
