"""The caller's passkeys: registered, listed, renamed (contract auth.md §3.12); `Factors` removes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth.audit import AuditLog
from reactor_auth.ceremonies import Ceremonies, Json, KnownPasskey
from reactor_auth.errors import CredentialExists, CredentialNotFound, MfaRequired
from reactor_auth.events import UserUpdated
from reactor_auth.model import Caller
from reactor_auth.queries import passkeys as sql
from reactor_auth.service.challenges import REGISTRATION, Ceremony, Challenges
from reactor_auth.service.enrolment import (
    UNVERIFIED_LIFE,
    demand_room,
    issue_first_codes,
    lock_user,
    session_of,
)
from reactor_auth.service.letters import Letters
from reactor_auth.service.step_up import StepUp
from reactor_kernel.api import Clock, Database, Tx, uuid7


class Passkeys:
    """Registers, lists and renames passkeys."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        ceremonies: Ceremonies,
        challenges: Challenges,
        step_up: StepUp,
        audit: AuditLog,
        letters: Letters,
    ) -> None:
        self._db = db
        self._clock = clock
        self._ceremonies = ceremonies
        self._challenges = challenges
        self._step_up = step_up
        self._audit = audit
        self._letters = letters

    def all(self, caller: Caller) -> list[Row[Any]]:
        """List the caller's passkeys in order of registration."""
        with self._db.begin(readonly=True) as tx:
            return list(tx.execute(sql.credentials_of(caller.user_id)).all())

    def rename(self, caller: Caller, row_id: UUID, name: str) -> Row[Any]:
        """Give a passkey another name. Raises CredentialNotFound."""
        session_of(caller)
        with self._db.begin() as tx:
            if tx.execute(sql.credentials_of(caller.user_id, row_id)).one_or_none() is None:
                raise CredentialNotFound
            tx.execute(sql.rename(row_id, name))
            self._record(tx, "mfa.renamed", caller, row_id, type="webauthn")
            return tx.execute(sql.credentials_of(caller.user_id, row_id)).one()

    def begin(self, caller: Caller, name: str | None) -> Ceremony:
        """Ask for a new passkey.

        Raises:
            PasskeysUnavailable, FactorLimitReached
            MfaRequired: the account has a factor that was not verified just now.
        """
        with self._db.begin() as tx:
            user = lock_user(tx, caller)
            self._step_up.demand_if_enrolled(tx, caller)
            demand_room(tx, caller.user_id, self._clock.now() - UNVERIFIED_LIFE)
            known = known_of(tx, caller.user_id)
            made = self._ceremonies.registration(user.id, user.email or str(user.id), known)
            return self._challenges.begin(tx, REGISTRATION, made, caller, name)

    def finish(
        self, caller: Caller, ceremony_id: UUID, credential: Json, name: str | None
    ) -> tuple[UUID, tuple[str, ...]]:
        """Store a new passkey; return its id, and recovery codes where it is the account's first factor.

        Raises:
            InvalidCredential, PermissionDenied: the ceremony is over, or another user's or session's.
            ValidationError, CredentialExists, FactorLimitReached, MfaRequired
        """
        ceremony = self._challenges.end(ceremony_id, REGISTRATION, caller)
        passkey = self._ceremonies.registered(credential, ceremony.challenge)
        row_id, now = uuid7(), self._clock.now()
        with self._db.begin() as tx:
            user = lock_user(tx, caller)
            # Another factor may have come to the account since the ceremony began.
            if self._step_up.is_missing(tx, caller):
                raise MfaRequired
            demand_room(tx, caller.user_id, now - UNVERIFIED_LIFE)
            stored = tx.execute(
                sql.insert_credential(
                    row_id,
                    caller.user_id,
                    passkey.credential_id,
                    passkey.public_key,
                    passkey.aaguid,
                    passkey.counter,
                    list(passkey.transports),
                    name or ceremony.name,
                    now,
                )
            )
            if stored.one_or_none() is None:
                raise CredentialExists
            codes = issue_first_codes(tx, caller.user_id, now)
            self._record(tx, "mfa.enrolled", caller, row_id, type="webauthn", aaguid=str(passkey.aaguid))
            tx.publish("auth.user.updated", UserUpdated(str(caller.user_id), ["factors"]))
            self._letters.factors_changed(tx, user, "A passkey was added.")
        return row_id, tuple(codes)

    def _record(self, tx: Tx, event_type: str, caller: Caller, row_id: UUID, **details: Any) -> None:
        resource = f"factor:{row_id}"
        self._audit.record(tx, event_type, caller.origin, actor=caller.user_id, resource=resource, **details)


def known_of(tx: Tx, user_id: UUID) -> list[KnownPasskey]:
    """Return a user's passkeys as a browser is told of them."""
    rows = tx.execute(sql.credentials_of(user_id)).all()
    return [KnownPasskey(row.credential_id, tuple(row.transports)) for row in rows]
