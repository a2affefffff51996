"""Authenticator apps and recovery codes: enrolled, verified, used, removed (contract auth.md §3.12)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import limits, totp
from reactor_auth.audit import AuditLog
from reactor_auth.config import AuthConfig
from reactor_auth.errors import CredentialNotFound, FactorNotFound, InvalidCode, MfaRequired
from reactor_auth.events import UserUpdated
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Caller, User
from reactor_auth.queries import factors as sql
from reactor_auth.queries import passkeys as passkey_sql
from reactor_auth.sealing import Sealer
from reactor_auth.service.enrolment import (
    UNVERIFIED_LIFE,
    Enrolment,
    Factor,
    StepUpDone,
    demand_room,
    forget_factor,
    issue_first_codes,
    lock_user,
    note_in_browser,
    place_of,
    replace_codes,
    session_of,
)
from reactor_auth.service.letters import Letters
from reactor_auth.service.sessions import RECOVERY_CODE, TOTP, Grant, Sessions
from reactor_auth.service.step_up import StepUp
from reactor_kernel.api import Clock, Database, Tx, uuid7

T = TypeVar("T")


class Factors:
    """Enrols, verifies and removes authenticator apps; makes and takes recovery codes."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        sealer: Sealer,
        sessions: Sessions,
        step_up: StepUp,
        limiter: RateLimiter,
        audit: AuditLog,
        letters: Letters,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._sealer = sealer
        self._sessions = sessions
        self._step_up = step_up
        self._limiter = limiter
        self._audit = audit
        self._letters = letters

    def all(self, caller: Caller) -> tuple[list[Factor], int]:
        """List the caller's factors, passkeys included, and count the recovery codes that are left."""
        with self._db.begin(readonly=True) as tx:
            apps = [_app(row) for row in tx.execute(sql.factors_of(caller.user_id, self._unverified_since()))]
            passkeys = [_passkey(row) for row in tx.execute(passkey_sql.credentials_of(caller.user_id))]
            left: int = tx.execute(sql.unused_codes(caller.user_id)).scalar_one()
        return apps + passkeys, left

    def enrol(self, caller: Caller, name: str | None) -> Enrolment:
        """Make a secret for an authenticator app; it counts for nothing until a code of it is verified.

        Raises:
            MfaRequired: the account has a factor that was not verified just now.
            FactorLimitReached
        """
        factor_id, secret = uuid7(), totp.new_secret()
        with self._db.begin() as tx:
            user = lock_user(tx, caller)
            self._step_up.demand_if_enrolled(tx, caller)
            demand_room(tx, caller.user_id, self._unverified_since())
            sealed = self._sealer.seal(secret.encode(), _purpose(factor_id))
            tx.execute(sql.insert_factor(factor_id, caller.user_id, name, sealed, self._clock.now()))
            self._record(tx, "mfa.enrolled", caller, factor_id, type=TOTP)
        return Enrolment(factor_id, secret, totp.uri(secret, user.email or str(user.id), self._config.mfa_name))

    def verify(self, caller: Caller, factor_id: UUID, code: str) -> StepUpDone:
        """Accept a code once and note the second factor in the caller's session.

        Raises:
            FactorNotFound, InvalidCode, TooManyAttempts, SessionRevoked
            MfaRequired: it would add a factor to an account whose other factor this session never verified.
        """
        session_id = session_of(caller)
        signer = self._sessions.signer()

        def note(tx: Tx, user: User) -> Grant:
            return self._sessions.step_up(tx, user, session_id, TOTP)

        grant, codes = self._verify(caller, factor_id, code, note)
        return StepUpDone(self._sessions.tokens(grant, signer), codes)

    def verify_in_browser(self, caller: Caller, factor_id: UUID, code: str) -> tuple[str, ...]:
        """Accept a code once and note the second factor in the caller's browser; return the recovery codes, if new.

        Raises what `verify` raises.
        """

        def note(tx: Tx, user: User) -> None:
            note_in_browser(tx, caller, TOTP, self._clock.now())

        return self._verify(caller, factor_id, code, note)[1]

    def _verify(
        self, caller: Caller, factor_id: UUID, code: str, note: Callable[[Tx, User], T]
    ) -> tuple[T, tuple[str, ...]]:
        self._spend(caller)
        codes: list[str] = []
        with self._db.begin() as tx:
            user = lock_user(tx, caller)
            row = tx.execute(sql.factor(caller.user_id, factor_id, self._unverified_since())).one_or_none()
            if row is None:
                raise FactorNotFound
            if row.verified_at is None and self._step_up.is_missing(tx, caller):
                raise MfaRequired
            if self._accepts(tx, row, code):
                if row.verified_at is None:
                    tx.execute(sql.delete_unverified(caller.user_id))
                    codes = issue_first_codes(tx, caller.user_id, self._clock.now())
                    self._publish(tx, caller)
                    self._tell(tx, user, "An authenticator app was added.")
                noted = note(tx, user)
                self._record(tx, "mfa.verified", caller, factor_id, type=TOTP, first=row.verified_at is None)
                return noted, tuple(codes)
        raise self._refused(caller, TOTP, InvalidCode())

    def recover(self, caller: Caller, code: str) -> StepUpDone:
        """Use a recovery code up in the place of a second factor.

        Raises:
            InvalidCode, TooManyAttempts, SessionRevoked
        """
        session_id = session_of(caller)
        self._spend(caller)
        signer = self._sessions.signer()
        grant = None
        with self._db.begin() as tx:
            user = lock_user(tx, caller)
            used = self._use_recovery_code(tx, user, code)
            if used is not None:
                grant = self._sessions.step_up(tx, user, session_id, RECOVERY_CODE)
                self._record(tx, "mfa.verified", caller, used[0], type="recovery_code", left=used[1])
        if grant is None:
            hint = "Each recovery code works once; one of a later set replaces all earlier ones."
            raise self._refused(caller, "recovery_code", InvalidCode(hint=hint))
        return StepUpDone(self._sessions.tokens(grant, signer))

    def renew_codes(self, caller: Caller) -> list[str]:
        """Replace all recovery codes.

        Raises:
            MfaRequired: no second factor was verified in this session in the last five minutes.
        """
        with self._db.begin() as tx:
            user = lock_user(tx, caller)
            self._step_up.demand_if_enrolled(tx, caller)
            if not tx.execute(sql.enrolled(caller.user_id)).scalar_one():
                raise MfaRequired("recovery codes stand in for a second factor, and the account has none")
            codes = replace_codes(tx, caller.user_id, self._clock.now())
            self._audit.record(
                tx,
                "mfa.recovery_codes_renewed",
                caller.origin,
                actor=caller.user_id,
                resource=f"user:{caller.user_id}",
                codes=len(codes),
            )
            self._tell(tx, user, "All recovery codes were replaced.")
        return codes

    def remove(self, caller: Caller, factor_id: UUID, *, passkeys_only: bool = False) -> None:
        """Remove an authenticator app or a passkey; other sessions must verify a factor anew.

        Raises:
            FactorNotFound, or CredentialNotFound with `passkeys_only`
            MfaRequired: no second factor was verified in this session in the last five minutes.
        """
        with self._db.begin() as tx:
            user = lock_user(tx, caller)
            app = None
            if not passkeys_only:
                app = tx.execute(sql.factor(caller.user_id, factor_id, self._unverified_since())).one_or_none()
            passkey = tx.execute(passkey_sql.credentials_of(caller.user_id, factor_id)).one_or_none()
            if app is None and passkey is None:
                raise CredentialNotFound if passkeys_only else FactorNotFound
            self._step_up.demand_if_enrolled(tx, caller)
            tx.execute(sql.delete_factor(factor_id) if app is not None else passkey_sql.delete_credential(factor_id))
            if app is None or app.verified_at is not None:
                forget_factor(tx, self._sessions, caller)
                self._publish(tx, caller)
                self._tell(tx, user, f"{'A passkey' if app is None else 'An authenticator app'} was removed.")
            self._record(tx, "mfa.removed", caller, factor_id, type=TOTP if app is not None else "webauthn")

    def needed(self, tx: Tx, user: User) -> bool:
        """Tell whether a user has a second factor, for forms that sign in."""
        return bool(tx.execute(sql.enrolled(user.id)).scalar_one())

    def verified(self, tx: Tx, user: User, code: str) -> str | None:
        """Use a code of one of a user's apps or a recovery code up, for forms that sign in.

        Returns what `amr` calls it, None for a wrong one. The caller counts attempts and writes the audit row.
        """
        since = self._unverified_since()
        for app in tx.execute(sql.factors_of(user.id, since)).all():
            if app.verified_at is not None:
                row = tx.execute(sql.factor(user.id, app.id, since)).one_or_none()
                if row is not None and self._accepts(tx, row, code):
                    return TOTP
        return RECOVERY_CODE if self._use_recovery_code(tx, user, code) is not None else None

    def _use_recovery_code(self, tx: Tx, user: User, code: str) -> tuple[UUID, int] | None:
        """Use a recovery code up; return its id and how many are left, None for a wrong one."""
        code_hash = totp.recovery_hash(user.id, code)
        if code_hash is None:
            return None
        used = tx.execute(sql.use_code(user.id, code_hash, self._clock.now())).scalar_one_or_none()
        if used is None:
            return None
        left: int = tx.execute(sql.unused_codes(user.id)).scalar_one()
        self._tell(tx, user, f"A recovery code was used; {left} are left.")
        return used, left

    def _spend(self, caller: Caller) -> None:
        self._limiter.spend([limits.for_second_factor(self._config.limits, caller.user_id)])

    def _accepts(self, tx: Tx, row: Row[Any], code: str) -> bool:
        now = self._clock.now()
        step = totp.step_of(self._sealer.open(row.secret, _purpose(row.id)).decode(), code, now)
        return step is not None and tx.execute(sql.accept_step(row.id, step, now)).first() is not None

    def _refused(self, caller: Caller, kind: str, refusal: InvalidCode) -> InvalidCode:
        with self._db.begin() as tx:
            self._audit.record(
                tx,
                "login.failed",
                caller.origin,
                actor=caller.user_id,
                resource=place_of(caller),
                reason="wrong_code",
                type=kind,
            )
        return refusal

    def _record(self, tx: Tx, event_type: str, caller: Caller, factor_id: UUID, **details: Any) -> None:
        resource = f"factor:{factor_id}"
        self._audit.record(tx, event_type, caller.origin, actor=caller.user_id, resource=resource, **details)

    def _publish(self, tx: Tx, caller: Caller) -> None:
        tx.publish("auth.user.updated", UserUpdated(str(caller.user_id), ["factors"]))

    def _tell(self, tx: Tx, user: User, change: str) -> None:
        self._letters.factors_changed(tx, user, change)

    def _unverified_since(self) -> datetime:
        return self._clock.now() - UNVERIFIED_LIFE


def _app(row: Row[Any]) -> Factor:
    return Factor(row.id, TOTP, row.friendly_name, row.created_at, row.verified_at, row.last_used_at)


def _passkey(row: Row[Any]) -> Factor:
    return Factor(row.id, "webauthn", row.name, row.created_at, row.created_at, row.last_used_at)


def _purpose(factor_id: UUID) -> str:
    return f"totp:{factor_id}"
