"""Passkeys in use: as a second factor of a session, and to sign in without a password (contract auth.md §3.12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import limits
from reactor_auth.audit import AuditLog
from reactor_auth.ceremonies import Assertion, Ceremonies, Json
from reactor_auth.config import AuthConfig
from reactor_auth.errors import InvalidCredentials, UserDisabled, ValidationError
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Caller, Origin, Tokens, User
from reactor_auth.queries import passkeys as sql
from reactor_auth.queries import users as user_sql
from reactor_auth.service.challenges import AUTHENTICATION, LOGIN, Ceremony, Challenges
from reactor_auth.service.enrolment import StepUpDone, note_in_browser, session_of
from reactor_auth.service.passkeys import known_of
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import PASSKEY, Grant, Sessions
from reactor_kernel.api import Clock, Database, ReactorError, Tx

T = TypeVar("T")


class PasskeyProofs:
    """Takes passkeys as second factor and as sign-in."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        ceremonies: Ceremonies,
        challenges: Challenges,
        sessions: Sessions,
        limiter: RateLimiter,
        audit: AuditLog,
    ) -> None:
        self._rates = config.limits
        self._db = db
        self._clock = clock
        self._ceremonies = ceremonies
        self._challenges = challenges
        self._sessions = sessions
        self._limiter = limiter
        self._audit = audit

    def begin_step_up(self, caller: Caller) -> Ceremony:
        """Ask for one of the caller's passkeys. Raises ValidationError where there is none, PasskeysUnavailable."""
        if caller.browser_id is None:
            session_of(caller)
        with self._db.begin() as tx:
            known = known_of(tx, caller.user_id)
            if not known:
                raise ValidationError(
                    "the account has no passkey", hint="Register one: POST /auth/v1/webauthn/register/start."
                )
            made = self._ceremonies.authentication(known, verify_user=False)
            return self._challenges.begin(tx, AUTHENTICATION, made, caller)

    def finish_step_up(self, caller: Caller, ceremony_id: UUID, credential: Json) -> tuple[bytes, StepUpDone]:
        """Note the second factor in the caller's session; return the credential used and fresh tokens.

        Raises:
            InvalidCredential, PermissionDenied: the ceremony is over, or another user's or session's.
            ValidationError, InvalidCredentials, UserDisabled, TooManyAttempts, SessionRevoked
        """
        session_id = session_of(caller)
        signer = self._sessions.signer()

        def note(tx: Tx, user: User) -> Grant:
            return self._sessions.step_up(tx, user, session_id, PASSKEY)

        used, grant = self._step_up(caller, ceremony_id, credential, note)
        return used, StepUpDone(self._sessions.tokens(grant, signer))

    def step_up_browser(self, caller: Caller, ceremony_id: UUID, credential: Json) -> None:
        """Note the second factor in the caller's browser. Raises what `finish_step_up` raises."""

        def note(tx: Tx, user: User) -> None:
            note_in_browser(tx, caller, PASSKEY, self._clock.now())

        self._step_up(caller, ceremony_id, credential, note)

    def _step_up(
        self, caller: Caller, ceremony_id: UUID, credential: Json, then: Callable[[Tx, User], T]
    ) -> tuple[bytes, T]:
        self._limiter.spend([limits.for_second_factor(self._rates, caller.user_id)])
        assertion = self._ceremonies.assertion(credential)
        ceremony = self._challenges.end(ceremony_id, AUTHENTICATION, caller)

        def note(tx: Tx, user: User, passkey_id: UUID) -> T:
            done = then(tx, user)
            resource = f"factor:{passkey_id}"
            self._audit.record(tx, "mfa.verified", caller.origin, actor=user.id, resource=resource, type="webauthn")
            return done

        done = self._prove(assertion, ceremony.challenge, caller.origin, note, owner=caller.user_id)
        return assertion.credential_id, done

    def begin_login(self, origin: Origin) -> Ceremony:
        """Ask for any passkey of this server. Raises PasskeysUnavailable, TooManyAttempts."""
        self._limiter.spend([limits.for_verification(self._rates, origin.address)])
        made = self._ceremonies.authentication((), verify_user=True)
        with self._db.begin() as tx:
            return self._challenges.begin(tx, LOGIN, made)

    def finish_login(self, ceremony_id: UUID, credential: Json, origin: Origin) -> tuple[User, Tokens]:
        """Open a session for the passkey's user; it has both factors, for the authenticator checked who holds it.

        Raises:
            InvalidCredential: the ceremony is over.
            ValidationError, InvalidCredentials, UserDisabled, TooManyAttempts
        """
        signer = self._sessions.signer()

        def open_session(tx: Tx, user: User, _: UUID) -> Grant:
            return self._sessions.open(tx, user, (PASSKEY,), origin, mfa_at=self._clock.now())

        grant = self.log_in(ceremony_id, credential, origin, open_session)
        return grant.user, self._sessions.tokens(grant, signer)

    def log_in(self, ceremony_id: UUID, credential: Json, origin: Origin, then: Callable[[Tx, User, UUID], T]) -> T:
        """Check a passkey that says whose it is, and do `then` for its user in the same transaction.

        Raises what `finish_login` raises.
        """
        rates = self._rates
        self._limiter.spend(
            [limits.for_address("login", origin.address, rates.login_per_address, rates.login_window_secs)]
        )
        assertion = self._ceremonies.assertion(credential)
        ceremony = self._challenges.end(ceremony_id, LOGIN, None)
        return self._prove(assertion, ceremony.challenge, origin, then, owner=None)

    def _prove(
        self,
        assertion: Assertion,
        challenge: bytes,
        origin: Origin,
        then: Callable[[Tx, User, UUID], T],
        *,
        owner: UUID | None,
    ) -> T:
        """Check an answer, count the use, and do what follows from it in the same transaction.

        Without `owner` the passkey says whose it is, and must have checked who holds it.
        """
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.by_credential_id(assertion.credential_id)).one_or_none()
        if row is None or not _belongs(row, assertion, owner):
            raise self._failed(owner, "unknown_passkey", origin, InvalidCredentials("this passkey is not registered"))
        try:
            counter = self._ceremonies.verified(assertion, challenge, row.public_key, verify_user=owner is None)
        except InvalidCredentials as refusal:
            raise self._failed(row.user_id, "wrong_passkey", origin, refusal) from refusal
        with self._db.begin() as tx:
            user = tx.execute(user_sql.by_id(row.user_id, lock=True)).one_or_none()
            is_gone = user is None or user.disabled_at is not None
            grew = not is_gone and tx.execute(sql.use(row.id, counter, self._clock.now())).first() is not None
            if user is not None and grew:
                return then(tx, user_of(user), row.id)
        if is_gone:
            raise self._failed(row.user_id, "user_disabled", origin, UserDisabled())
        raise self._failed(
            row.user_id,
            "passkey_counter",
            origin,
            InvalidCredentials("the passkey's counter did not grow; it may have been copied, or was removed meanwhile"),
        )

    def _failed(self, actor: UUID | None, reason: str, origin: Origin, refusal: ReactorError) -> ReactorError:
        with self._db.begin() as tx:
            self._audit.record(tx, "login.failed", origin, actor=actor, reason=reason)
        return refusal


def _belongs(row: Row[Any], assertion: Assertion, owner: UUID | None) -> bool:
    """Tell whether a passkey is the owner's; a signing-in one must name its user itself."""
    if owner is not None:
        return bool(row.user_id == owner)
    return bool(assertion.user_handle == row.user_id.bytes)
