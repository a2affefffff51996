"""Challenges of WebAuthn ceremonies: each lives five minutes, ends once, and belongs to one user and session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth.ceremonies import Json
from reactor_auth.errors import PermissionDenied, ceremony_over
from reactor_auth.model import Caller
from reactor_auth.queries import passkeys as sql
from reactor_kernel.api import Clock, Database, Tx, uuid7

LIFE = timedelta(minutes=5)
REGISTRATION, AUTHENTICATION, LOGIN = "registration", "authentication", "login"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A ceremony that has begun: its id, and what the browser is asked."""

    id: UUID
    options: Json


class Challenges:
    """Begins and ends ceremonies."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def begin(
        self, tx: Tx, kind: str, made: tuple[bytes, Json], caller: Caller | None = None, name: str | None = None
    ) -> Ceremony:
        """Remember a challenge and what it was made for; `made` comes from `Ceremonies`."""
        challenge, options = made
        now, ceremony_id = self._clock.now(), uuid7()
        tx.execute(
            sql.insert_challenge(
                ceremony_id,
                kind,
                challenge,
                now,
                now + LIFE,
                user_id=None if caller is None else caller.user_id,
                session_id=None if caller is None else caller.session_id,
                browser_id=None if caller is None else caller.browser_id,
                name=name,
            )
        )
        return Ceremony(ceremony_id, options)

    def end(self, ceremony_id: UUID, kind: str, caller: Caller | None) -> Row[Any]:
        """Take a challenge, in a transaction of its own: an answer that does not hold has used it up as well.

        Raises:
            InvalidCredential: there is no such ceremony, or it is over.
            PermissionDenied: another user, or another session of this user, began it.
        """
        now = self._clock.now()
        with self._db.begin() as tx:
            row = tx.execute(sql.challenge(ceremony_id)).one_or_none()
            if row is None or row.challenge_type != kind:
                raise ceremony_over()
            if caller is not None and row.user_id != caller.user_id:
                raise PermissionDenied("another user began this ceremony")
            if caller is not None and (row.session_id, row.browser_id) != (caller.session_id, caller.browser_id):
                raise PermissionDenied("another session began this ceremony")
            if row.consumed_at is not None or row.expires_at <= now:
                raise ceremony_over()
            tx.execute(sql.consume(ceremony_id, now))
            return row
