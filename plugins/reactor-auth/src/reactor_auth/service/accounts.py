"""Signing up and signing in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from reactor_auth import emails, limits
from reactor_auth.audit import AuditLog
from reactor_auth.config import AuthConfig
from reactor_auth.errors import EmailExists, EmailNotVerified, InvalidCredentials, SignUpDisabled, UserDisabled
from reactor_auth.events import UserCreated
from reactor_auth.extensions import Extensions
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Origin, Tokens, User
from reactor_auth.passwords import Passwords
from reactor_auth.purposes import Wish
from reactor_auth.queries import users as sql
from reactor_auth.service.invitations import Invitations
from reactor_auth.service.letters import Letters
from reactor_auth.service.mail_requests import MailRequests
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Sessions
from reactor_auth.service.sign_in_guard import Admission, SignInGuard
from reactor_kernel.api import Clock, Database, Tx, uuid7

PASSWORD = ("pwd",)
T = TypeVar("T")


class Accounts:
    """Makes users and checks their passwords."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        passwords: Passwords,
        sessions: Sessions,
        limiter: RateLimiter,
        audit: AuditLog,
        guard: SignInGuard,
        *,
        letters: Letters,
        requests: MailRequests,
        extensions: Extensions,
        invitations: Invitations,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._sessions = sessions
        self._limiter = limiter
        self._audit = audit
        self._guard = guard
        self._letters = letters
        self._requests = requests
        self._extensions = extensions
        self._invitations = invitations

    def sign_up(
        self, email: str, password: str, metadata: dict[str, Any], origin: Origin, *, invite_token: str | None = None
    ) -> tuple[User, Tokens | None]:
        """Make a user with a first session; with `require_verified_email` without one (see `_sign_up_unseen`).

        Raises:
            SignUpDisabled, ValidationError, WeakPassword, SignUpRefused, EmailExists, TooManyAttempts
            InvitationNotFound, InvitationUsed, InvitationEmailMismatch
        """
        if not self._config.signup_enabled:
            raise SignUpDisabled
        address = emails.demand(email)
        self._passwords.demand_strength(password)
        rates = self._config.limits
        self._limiter.spend(
            [limits.for_address("signup", origin.address, rates.signup_per_address, rates.signup_window_secs)]
        )
        self._extensions.demand_signup(address, metadata, "password", origin)
        self._extensions.demand_password(password)
        if self._config.require_verified_email:
            self._requests.spend(address, origin)
        password_hash = self._passwords.hash(password)
        if self._config.require_verified_email:
            return self._sign_up_unseen(address, password_hash, metadata, origin, invite_token), None
        signer = self._sessions.signer()
        with self._db.begin() as tx:
            inserted = sql.insert_user(uuid7(), address, password_hash, metadata, self._clock.now())
            row = tx.execute(inserted).one_or_none()
            if row is None:
                raise EmailExists
            user = user_of(row)
            self._audit.record(tx, "user.signup", origin, actor=user.id, resource=f"user:{user.id}")
            tx.publish("auth.user.created", UserCreated(str(user.id), user.email))
            self._letters.verification(tx, user)
            if invite_token is not None:
                user = self._invitations.join_new(tx, user, invite_token, origin)
            self._guard.settle(tx, address, origin)
            grant = self._sessions.open(tx, user, PASSWORD, origin)
        return user, self._sessions.tokens(grant, signer)

    def _sign_up_unseen(
        self, address: str, password_hash: str, metadata: dict[str, Any], origin: Origin, invite_token: str | None
    ) -> User:
        """Make a user that has to confirm the address; answer and do the same where the address is taken (decision 41).

        The mail that follows tells the owner of the address which of the two it was.
        """
        now, user_id = self._clock.now(), uuid7()
        with self._db.begin() as tx:
            if invite_token is not None:
                # Before the address is looked at, so that the refusal says nothing about it.
                self._invitations.demand(tx, address, invite_token)
            row = tx.execute(sql.insert_user(user_id, address, password_hash, metadata, now)).one_or_none()
            self._requests.note(tx, Wish.ACCOUNT, address, origin, user_id=str(user_id))
            if row is None:
                self._audit.record(tx, "login.failed", origin, actor=None, reason="signup_of_taken_email")
                return User(user_id, address, False, metadata, None, None, now, now)
            user = user_of(row)
            self._audit.record(tx, "user.signup", origin, actor=user.id, resource=f"user:{user.id}")
            tx.publish("auth.user.created", UserCreated(str(user.id), user.email))
            if invite_token is not None:
                self._invitations.join_new(tx, user, invite_token, origin)
        return user

    def sign_in(self, email: str, password: str, origin: Origin) -> tuple[User, Tokens]:
        """Check a password and open a session; a known and an unknown address cost and answer the same.

        Raises:
            InvalidCredentials, UserDisabled, EmailNotVerified, TooManyAttempts
        """
        signer = self._sessions.signer()
        user, grant = self.authenticate(
            email, password, origin, lambda tx, user: self._sessions.open(tx, user, PASSWORD, origin)
        )
        return user, self._sessions.tokens(grant, signer)

    def authenticate(self, email: str, password: str, origin: Origin, then: Callable[[Tx, User], T]) -> tuple[User, T]:
        """Check a password and do `then` in the transaction that finds it still right.

        Raises:
            InvalidCredentials, UserDisabled, TooManyAttempts
        """
        address = emails.parse(email)
        admission = self._guard.admit(address or email, origin)
        row = None
        if address is not None:
            with self._db.begin(readonly=True) as tx:
                row = tx.execute(sql.by_email(address)).one_or_none()
        stored: str | None = row.password_hash if row else None
        if not self._passwords.fits(password, stored) or row is None or stored is None:
            self._refuse(row.id if row else None, "wrong_password" if row else "unknown_email", origin, admission)
            raise InvalidCredentials
        if row.disabled_at is not None:
            self._refuse(row.id, "user_disabled", origin, admission)
            raise UserDisabled
        if self._config.require_verified_email and not row.email_verified:
            self._refuse(row.id, "email_not_verified", origin, admission)
            raise EmailNotVerified
        renewed = self._passwords.hash(password) if self._passwords.is_outdated(stored) else None
        with self._db.begin() as tx:
            # The password may have changed, or the user gone, while the hash was computed.
            current = tx.execute(sql.by_id(row.id, lock=True)).one_or_none()
            if current is None or current.password_hash != stored or current.disabled_at is not None:
                raise InvalidCredentials
            if renewed is not None:
                tx.execute(sql.rehash(row.id, stored, renewed))
            user = user_of(current)
            self._guard.settle(tx, user.email, origin)
            done = then(tx, user)
        return user, done

    def _refuse(self, actor: Any, reason: str, origin: Origin, admission: Admission) -> None:
        waits = self._guard.failed(admission)
        details: dict[str, Any] = {"waits": waits} if waits else {}
        with self._db.begin() as tx:
            self._audit.record(tx, "login.failed", origin, actor=actor, reason=reason, **details)
