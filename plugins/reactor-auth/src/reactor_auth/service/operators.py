"""Platform operators: who they are, how they come to be, and what they did (contract kernel.md §4.6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from reactor_auth import emails, limits
from reactor_auth.audit import AuditLog
from reactor_auth.config import LimitsConfig
from reactor_auth.errors import UserDisabled, UserNotFound
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Caller
from reactor_auth.operators_model import Entry, LogPage
from reactor_auth.queries import operators as sql
from reactor_auth.queries import users as user_sql
from reactor_auth.service.enrolment import remove_all
from reactor_auth.service.letters import Letters
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Clock, Database, Forbidden, ReactorError, Tx, Unauthenticated, ValidationError


class LastOperator(Forbidden):
    """The platform must keep at least one operator."""

    code = "last_operator"
    hint = "Promote somebody else first."


class Operators:
    """Makes and unmakes operators, and keeps their log."""

    def __init__(
        self,
        config: LimitsConfig,
        db: Database,
        clock: Clock,
        audit: AuditLog,
        sessions: Sessions,
        letters: Letters,
        limiter: RateLimiter,
    ) -> None:
        self._rates = config
        self._db = db
        self._clock = clock
        self._audit = audit
        self._sessions = sessions
        self._letters = letters
        self._limiter = limiter

    def count(self, entry: Entry) -> int:
        """Return how many operators there are."""
        with self._db.begin() as tx:
            found: int = tx.execute(sql.count()).scalar_one()
            self._log(tx, entry)
        return found

    def bootstrap(self, email: str, entry: Entry) -> UUID:
        """Make the first operator.

        Raises:
            ValidationError: there is one already, also where two callers try at once.
            UserNotFound, UserDisabled
        """
        with self._db.begin() as tx:
            tx.execute(sql.lock())
            if tx.execute(sql.count()).scalar_one():
                raise ValidationError(
                    "there are operators already", hint="An operator promotes others: POST /auth/v1/operators/promote."
                )
            return self._grant(tx, email, entry, by=None)

    def promote(self, email: str, caller: Caller, entry: Entry) -> UUID:
        """Make somebody an operator; fine where it is one.

        Raises:
            UserNotFound, UserDisabled
        """
        with self._db.begin() as tx:
            tx.execute(sql.lock())
            return self._grant(tx, email, entry, by=caller.user_id)

    def demote(self, email: str, caller: Caller, entry: Entry) -> UUID:
        """Take the role away and end the user's sessions, whose tokens still name its scopes.

        Raises:
            UserNotFound: no such user, or it is no operator.
            LastOperator
        """
        with self._db.begin() as tx:
            tx.execute(sql.lock())
            user = self._user(tx, email)
            if tx.execute(sql.membership(user.id)).one_or_none() is None:
                raise UserNotFound("there is no operator with this e-mail address")
            now = self._clock.now()
            tx.execute(sql.revoke(user.id, now))
            if not tx.execute(sql.count()).scalar_one():
                raise LastOperator
            self._sessions.revoke(tx, user.id, "operator_demoted", entry.origin)
            self._audit.record(tx, "operator.revoked", entry.origin, actor=caller.user_id, resource=f"user:{user.id}")
            self._log(tx, replace(entry, resource_id=user.id))
            return UUID(str(user.id))

    def remove_factors(self, email: str, caller: Caller, entry: Entry) -> UUID:
        """Remove all second factors of a user that lost them; fine where there are none. Raises UserNotFound."""
        with self._db.begin() as tx:
            user = user_of(self._user(tx, email, lock=True))
            removed = remove_all(tx, self._sessions, self._letters, user)
            if removed:
                resource = f"user:{user.id}"
                self._audit.record(
                    tx,
                    "mfa.removed",
                    entry.origin,
                    actor=caller.user_id,
                    resource=resource,
                    by="operator",
                    removed=removed,
                )
            self._log(tx, replace(entry, resource_id=user.id), details={"removed": removed})
        return user.id

    def log_page(self, limit: int, offset: int, actor: UUID | None, entry: Entry) -> LogPage:
        """Read the audit log, newest first."""
        with self._db.begin() as tx:
            rows = list(tx.execute(sql.entries(limit, offset, actor)).all())
            total: int = tx.execute(sql.count_entries(actor)).scalar_one()
            self._log(tx, entry)
        return LogPage(rows, total)

    def note_refusal(self, entry: Entry, refusal: ReactorError) -> None:
        """Write down that something was refused, or failed.

        A client's network gets so many rows a minute; what it is refused beyond them is counted in one more of each kind.
        """
        denied = isinstance(refusal, (Unauthenticated, Forbidden)) and not isinstance(refusal, LastOperator)
        status, code = "denied" if denied else "error", refusal.error_code
        address = entry.origin.address
        with self._db.begin() as tx:
            limit = limits.for_address("operator_refusals", address, self._rates.operator_refusals_per_address)
            # The window's row is locked by counting, so one address' refusals follow one another.
            if self._limiter.count(tx, limit):
                since, network = self._clock.now() - timedelta(seconds=limits.MINUTE), limits.network(address)
                counted = sql.count_repeated(entry.action, status, code, network, entry.actor, since)
                if tx.execute(counted).first() is None:
                    self._log(tx, entry, status, {"code": code, "repeated": 1, "network": network})
            else:
                self._log(tx, entry, status, {"code": code})

    def _grant(self, tx: Tx, email: str, entry: Entry, *, by: UUID | None) -> UUID:
        user = self._user(tx, email)
        if user.disabled_at is not None:
            raise UserDisabled
        if tx.execute(sql.grant(user.id, by, self._clock.now())).one_or_none() is not None:
            self._audit.record(tx, "operator.granted", entry.origin, actor=by, resource=f"user:{user.id}")
        self._log(tx, replace(entry, resource_id=user.id))
        return UUID(str(user.id))

    def _user(self, tx: Tx, email: str, *, lock: bool = False) -> Any:
        row = tx.execute(user_sql.by_email(emails.demand(email), lock=lock)).one_or_none()
        if row is None:
            raise UserNotFound
        return row

    def _log(self, tx: Tx, entry: Entry, status: str = "success", details: dict[str, Any] | None = None) -> None:
        now: datetime = self._clock.now()
        tx.execute(
            sql.insert_entry(
                {
                    "ts": now,
                    "actor_user_id": entry.actor,
                    "actor_ip": entry.origin.address,
                    "actor_user_agent": entry.origin.user_agent,
                    "action": entry.action,
                    "scope_used": entry.scope,
                    "resource_type": None if entry.resource_id is None else "user",
                    "resource_id": None if entry.resource_id is None else str(entry.resource_id),
                    "status": status,
                    "details": details or {},
                    "step_up_used": entry.step_up_used,
                }
            )
        )
