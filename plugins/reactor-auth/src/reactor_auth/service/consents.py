"""What users allowed applications, remembered and withdrawn."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from reactor_auth import oauth_scopes
from reactor_auth.audit import AuditLog
from reactor_auth.model import Caller
from reactor_auth.oauth_errors import ConsentNotFound
from reactor_auth.oauth_model import Client, Consent
from reactor_auth.queries import oauth_clients as sql
from reactor_auth.queries import oauth_codes as code_sql
from reactor_auth.service.clients import client_of
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Clock, Database, Tx

# A form that is sent twice says nothing new the second time; whoever is asked again later does agree again.
_SAME_CLICK = timedelta(seconds=5)


class Consents:
    """Remembers consents per user and client; one covers the scopes it was given for."""

    def __init__(self, db: Database, clock: Clock, sessions: Sessions, audit: AuditLog) -> None:
        self._db = db
        self._clock = clock
        self._sessions = sessions
        self._audit = audit

    def covers(self, user_id: UUID, client: Client, scopes: tuple[str, ...]) -> bool:
        """Tell whether the user allowed the client all of these scopes before."""
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.consent(user_id, client.client_id)).one_or_none()
        return row is not None and not oauth_scopes.uncovered(scopes, row.scopes)

    def remember(self, tx: Tx, user_id: UUID, client: Client, scopes: tuple[str, ...]) -> bool:
        """Add scopes to what the user allowed the client; tell whether that says anything new.

        The caller writes the audit row, and holds the user's browser, so that no other consent comes between.
        """
        row = tx.execute(sql.consent(user_id, client.client_id, lock=True)).one_or_none()
        now = self._clock.now()
        known: list[str] = [] if row is None else row.scopes
        if row is not None and not oauth_scopes.uncovered(scopes, known) and now - row.granted_at < _SAME_CLICK:
            return False
        tx.execute(sql.allow(user_id, client.client_id, list(dict.fromkeys([*known, *scopes])), now))
        return True

    def still_covers(self, tx: Tx, user_id: UUID, client: Client, scopes: tuple[str, ...]) -> bool:
        """Tell like `covers`, and let nobody withdraw the consent before `tx` ends."""
        row = tx.execute(sql.consent(user_id, client.client_id, lock=True)).one_or_none()
        return row is not None and not oauth_scopes.uncovered(scopes, row.scopes)

    def all(self, user_id: UUID) -> list[Consent]:
        """List what the user allowed, newest first."""
        with self._db.begin(readonly=True) as tx:
            return [
                Consent(client_of(row), tuple(row.allowed), row.granted_at)
                for row in tx.execute(sql.consents_of(user_id))
            ]

    def withdraw(self, caller: Caller, client_id: str) -> None:
        """Forget a consent, and end the user's sessions that were opened for the client, and what waits to become one.

        Raises ConsentNotFound.
        """
        with self._db.begin() as tx:
            found = None if "\x00" in client_id else tx.execute(sql.withdraw(caller.user_id, client_id)).one_or_none()
            if found is None:
                raise ConsentNotFound
            for statement in code_sql.end_pending_for(caller.user_id, client_id):
                tx.execute(statement)
            live = [row.id for row in tx.execute(sql.live_sessions_of(client_id, caller.user_id))]
            for session_id in live:
                self._sessions.revoke(tx, caller.user_id, "consent_withdrawn", caller.origin, only=session_id)
            self._audit.record(
                tx,
                "oauth.consent_withdrawn",
                caller.origin,
                actor=caller.user_id,
                resource=f"oauth_client:{client_id}",
                sessions=len(live),
            )
