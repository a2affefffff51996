"""Browsers that signed in on the pages of this server, so that signing in once serves several clients."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import limits
from reactor_auth.audit import AuditLog
from reactor_auth.ceremonies import Json
from reactor_auth.config import AuthConfig
from reactor_auth.errors import EmailNotVerified
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Origin, Scope, Tokens, User
from reactor_auth.oauth_model import Browser, SignIn
from reactor_auth.queries import factors as factor_sql
from reactor_auth.queries import oauth_codes as sql
from reactor_auth.service.accounts import PASSWORD, Accounts
from reactor_auth.service.passkey_proofs import PasskeyProofs
from reactor_auth.service.rows import user_of
from reactor_auth.service.second_factor import SecondFactor
from reactor_auth.service.sessions import PASSKEY, Sessions
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Database, Tx, uuid7


class Browsers:
    """Signs browsers in and out; a browser is known by a cookie of which only the hash is stored."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        accounts: Accounts,
        sessions: Sessions,
        factors: SecondFactor,
        limiter: RateLimiter,
        audit: AuditLog,
        proofs: PasskeyProofs,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._accounts = accounts
        self._sessions = sessions
        self.factors = factors
        self._limiter = limiter
        self._audit = audit
        self._proofs = proofs

    def find(self, cookie: str | None) -> tuple[Browser | None, bool]:
        """Return who a browser is signed in as, and whether a second factor is still owed."""
        if not cookie:
            return None, False
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.browser(digest(cookie), self._clock.now())).one_or_none()
            if row is None:
                return None, False
            user = user_of(row)
            owed = row.mfa_at is None and self.factors.needed(tx, user)
        return Browser(row.browser_id, user.email, _sign_in(row)), owed

    def sign_in(self, email: str, password: str, origin: Origin, *, replacing: str | None = None) -> str:
        """Check a password and sign the browser in; return its cookie, which takes the place of `replacing`.

        Raises:
            InvalidCredentials, UserDisabled, TooManyAttempts
        """
        cookie = secrets.token_urlsafe(32)

        def open_(tx: Tx, user: User) -> None:
            self._open(tx, user, cookie, PASSWORD, origin, replacing)

        self._accounts.authenticate(email, password, origin, open_)
        return cookie

    def sign_in_with_passkey(
        self, ceremony_id: UUID, credential: Json, origin: Origin, *, replacing: str | None = None
    ) -> str:
        """Check a passkey, which is both factors, and sign the browser in; return its cookie.

        Raises what `PasskeyProofs.finish_login` raises.
        """
        cookie = secrets.token_urlsafe(32)

        def open_(tx: Tx, user: User, _: UUID) -> None:
            self._open(tx, user, cookie, (PASSKEY,), origin, replacing, mfa_at=self._clock.now())

        self._proofs.log_in(ceremony_id, credential, origin, open_)
        return cookie

    def _open(
        self,
        tx: Tx,
        user: User,
        cookie: str,
        amr: tuple[str, ...],
        origin: Origin,
        replacing: str | None,
        *,
        mfa_at: datetime | None = None,
    ) -> None:
        browser_id, now = uuid7(), self._clock.now()
        if replacing is not None:
            tx.execute(sql.end_browser(digest(replacing)))
        tx.execute(
            sql.insert_browser(
                {
                    "id": browser_id,
                    "token_hash": digest(cookie),
                    "user_id": user.id,
                    "amr": list(amr),
                    "auth_time": now,
                    "mfa_at": mfa_at,
                    "ip": origin.address,
                    "user_agent": origin.user_agent,
                    "expires_at": now + timedelta(seconds=self._config.browser_session_secs),
                }
            )
        )
        resource = f"browser_session:{browser_id}"
        self._audit.record(tx, "session.created", origin, actor=user.id, resource=resource, amr=list(amr))

    def sign_up(self, email: str, password: str, origin: Origin, *, replacing: str | None = None) -> str:
        """Make an account and sign the browser in to it; return its cookie, which takes the place of `replacing`.

        Raises:
            SignUpDisabled, ValidationError, WeakPassword, EmailExists, TooManyAttempts
            EmailNotVerified: the address must be confirmed first; also where it is taken, which only its owner is told.
        """
        signed_up: tuple[User, Tokens | None] = self._accounts.sign_up(email, password, {}, origin)
        if signed_up[1] is None:
            raise EmailNotVerified
        # A browser needs no tokens; clients get their own.
        self._sessions.log_out_by_token(signed_up[1].refresh_token, Scope.LOCAL, origin)
        return self.sign_in(email, password, origin, replacing=replacing)

    def step_up(self, browser: Browser, user: User, code: str, origin: Origin) -> bool:
        """Verify the second factor of a browser; tell whether it was right. Raises TooManyAttempts."""
        self._limiter.spend([limits.for_second_factor(self._config.limits, user.id)])
        resource = f"browser_session:{browser.id}"
        with self._db.begin() as tx:
            method = self.factors.verified(tx, user, code)
            if method is not None:
                tx.execute(factor_sql.step_up_browser(browser.id, user.id, method, self._clock.now()))
                self._audit.record(tx, "mfa.verified", origin, actor=user.id, resource=resource, type=method)
            else:
                self._audit.record(tx, "login.failed", origin, actor=user.id, resource=resource, reason="wrong_code")
        return method is not None

    def sign_out(self, cookie: str, origin: Origin) -> UUID | None:
        """Forget a browser; return whose it was."""
        with self._db.begin() as tx:
            row = tx.execute(sql.end_browser(digest(cookie))).one_or_none()
            if row is None:
                return None
            self._audit.record(
                tx,
                "session.revoked",
                origin,
                actor=row.user_id,
                resource=f"browser_session:{row.id}",
                reason="logout",
            )
            user_id: UUID = row.user_id
            return user_id


def held(tx: Tx, browser: Browser, now: datetime) -> SignIn | None:
    """Lock a browser until the transaction ends; return how it is signed in, None where that has ended meanwhile."""
    row = tx.execute(sql.hold_browser(browser.id, now)).one_or_none()
    return None if row is None or row.id != browser.sign_in.user_id else _sign_in(row)


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(row.id, tuple(row.amr), row.auth_time, row.mfa_at)
