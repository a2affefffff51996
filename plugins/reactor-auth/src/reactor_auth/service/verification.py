"""What one-time tokens do: confirm addresses, sign in, change addresses, reset passwords (contract auth.md §3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import changes, emails, limits
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.errors import (
    EmailExists,
    OneTimeTokenRefused,
    SignUpDisabled,
    UserDisabled,
)
from reactor_auth.events import ApiKeyChanged, UserCreated, UserUpdated
from reactor_auth.extensions import Extensions
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Origin, Tokens, User
from reactor_auth.passwords import Passwords
from reactor_auth.purposes import Purpose
from reactor_auth.queries import users as sql
from reactor_auth.queries import ways_in
from reactor_auth.service.letters import Letters
from reactor_auth.service.one_time import OneTimeTokens
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Clock, Database, DatabaseFault, Tx, uuid7

AMR = ("otp",)
_UNIQUE_VIOLATION = "23505"


class Verification:
    """Uses one-time tokens up."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        passwords: Passwords,
        sessions: Sessions,
        limiter: RateLimiter,
        audit: AuditLog,
        changes_: Changes,
        tokens: OneTimeTokens,
        letters: Letters,
        extensions: Extensions,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._sessions = sessions
        self._limiter = limiter
        self._audit = audit
        self._changes = changes_
        self._tokens = tokens
        self._letters = letters
        self._extensions = extensions
        self._acts: dict[Purpose, Callable[[Tx, Row[Any], Origin], User]] = {
            Purpose.SIGNUP: self._confirm,
            Purpose.RECOVERY: self._confirm,
            Purpose.MAGIC_LINK: self._let_in,
            Purpose.EMAIL_CHANGE: self._change_email,
        }

    def verify(self, token: str, purpose: Purpose, origin: Origin, *, sign_in: bool) -> tuple[User, Tokens | None]:
        """Use a token up for its purpose; with `sign_in` also open a session, where the purpose allows it.

        Raises:
            OneTimeTokenRefused, UserDisabled, EmailExists, SignUpDisabled, SignUpRefused, TooManyAttempts
        """
        self._limiter.spend([limits.for_verification(self._config.limits, origin.address)])
        opens = sign_in and purpose is not Purpose.EMAIL_CHANGE
        signer = self._sessions.signer() if opens else None
        try:
            with self._db.begin() as tx:
                row = self._tokens.find(tx, token, [purpose])
                if row is None:
                    raise OneTimeTokenRefused
                user = self._acts[purpose](tx, row, origin)
                self._tokens.use(tx, row.id)
                grant = self._sessions.open(tx, user, AMR, origin) if opens else None
        except DatabaseFault as fault:
            raise _taken(fault) from fault
        return user, None if grant is None or signer is None else self._sessions.tokens(grant, signer)

    def exchange(self, email: str, secret: str, origin: Origin) -> tuple[User, Tokens]:
        """Sign in with the code of a mail, or with the token of its link.

        Raises:
            OneTimeTokenRefused: also for an address nobody has.
            UserDisabled, SignUpDisabled, SignUpRefused, TooManyAttempts
        """
        self._limiter.spend([limits.for_verification(self._config.limits, origin.address)])
        address = emails.parse(email)
        if address is None:
            raise OneTimeTokenRefused
        signer = self._sessions.signer()
        with self._db.begin() as tx:
            if secret.isascii() and secret.isdigit():
                row = self._tokens.match_code(tx, address, secret)
            else:
                row = self._tokens.find(tx, secret, [Purpose.MAGIC_LINK])
                row = row if row is not None and row.email == address else None
            grant = None
            if row is not None:
                user = self._let_in(tx, row, origin)
                self._tokens.use(tx, row.id)
                grant = self._sessions.open(tx, user, AMR, origin)
        if grant is None:
            # Raised only now: that the code was tried must stay.
            raise OneTimeTokenRefused
        return grant.user, self._sessions.tokens(grant, signer)

    def reset_password(self, token: str, password: str, origin: Origin, *, field: str) -> User:
        """Set a new password and end all sessions; a password that is refused leaves the token as it is.

        Raises:
            OneTimeTokenRefused, WeakPassword, UserDisabled, TooManyAttempts
        """
        self._limiter.spend([limits.for_verification(self._config.limits, origin.address)])
        with self._db.begin() as tx:
            if self._tokens.find(tx, token, [Purpose.RECOVERY]) is None:
                raise OneTimeTokenRefused
        self._passwords.demand_strength(password, field)
        self._extensions.demand_password(password, field)
        password_hash = self._passwords.hash(password)
        with self._db.begin() as tx:
            # It may have been used while the hash was computed.
            row = self._tokens.find(tx, token, [Purpose.RECOVERY])
            if row is None:
                raise OneTimeTokenRefused
            user = self._owner(tx, row)
            self._tokens.retire(tx, user.id)
            values = {"password_hash": password_hash, "email_verified": True}
            user = self._set(tx, user, values)
            self._record(tx, "user.password_reset", user, origin)
            self._sessions.revoke(tx, user.id, "password_changed", origin)
            self._announce(tx, user, "email_verified", "password")
            self._letters.password_changed(tx, user, origin)
        return user

    def _confirm(self, tx: Tx, row: Row[Any], origin: Origin) -> User:
        user = self._owner(tx, row)
        if user.email_verified:
            return user
        user = self._set(tx, user, {"email_verified": True})
        self._record(tx, "user.verified", user, origin)
        self._announce(tx, user, "email_verified")
        return user

    def _let_in(self, tx: Tx, row: Row[Any], origin: Origin) -> User:
        """Return the user of a link or code, made now where there is none; the address is proven."""
        found = tx.execute(sql.by_email(row.email)).one_or_none() if row.user_id is None else None
        if row.user_id is None and found is None:
            return self._make(tx, row.email, origin)
        user = self._locked(tx, row.user_id if found is None else found.id)
        if user.email != row.email:
            # The account has moved to another address since.
            raise OneTimeTokenRefused
        if user.email_verified:
            return user
        # Whoever chose the password has never shown that the address is theirs; whoever reads it must not share the
        # account with them, so whatever else they prepared to come back by is shut as well.
        self._sessions.revoke(tx, user.id, "password_changed", origin)
        self._tokens.retire(tx, user.id, [Purpose.EMAIL_CHANGE])
        removed = self._shut(tx, user.id)
        user = self._set(tx, user, {"email_verified": True, "password_hash": None})
        self._record(tx, "user.verified", user, origin, password="removed", removed=removed)
        self._announce(tx, user, "email_verified", "factors", "password")
        return user

    def _shut(self, tx: Tx, user_id: UUID) -> dict[str, int]:
        """Remove every other way into an account; return how many of each kind there were."""
        removed = {name: tx.execute(statement).rowcount for name, statement in ways_in.ways_in(user_id).items()}
        keys = tx.execute(ways_in.revoke_keys(user_id, self._clock.now())).all()
        for key in keys:
            tx.publish("auth.apikey.changed", ApiKeyChanged(str(user_id), str(key.org_id), str(key.id), "revoked"))
        return {name: count for name, count in {**removed, "api_keys": len(keys)}.items() if count}

    def _make(self, tx: Tx, email: str, origin: Origin) -> User:
        if not self._config.signup_enabled:
            raise SignUpDisabled
        self._extensions.demand_signup(email, {}, "otp", origin, email_verified=True)
        inserted = sql.insert_user(uuid7(), email, None, {}, self._clock.now(), email_verified=True)
        made = tx.execute(inserted).one_or_none()
        if made is None:
            # Somebody else took the address a moment ago.
            raise OneTimeTokenRefused
        user = user_of(made)
        self._record(tx, "user.signup", user, origin, method="otp")
        tx.publish("auth.user.created", UserCreated(str(user.id), user.email))
        return user

    def _change_email(self, tx: Tx, row: Row[Any], origin: Origin) -> User:
        before = self._locked(tx, row.user_id)
        taken = tx.execute(sql.by_email(row.email)).one_or_none()
        if taken is not None and taken.id != before.id:
            raise EmailExists
        # Links sent to the old address must not open the account any more.
        self._tokens.retire(tx, before.id)
        self._letters.email_changed(tx, before, row.email)
        user = self._set(tx, before, {"email": row.email, "email_verified": True})
        self._record(tx, "user.email_changed", user, origin)
        self._announce(tx, user, "email", "email_verified")
        return user

    def _owner(self, tx: Tx, row: Row[Any]) -> User:
        """Lock the user of a token that was sent to the address it has now."""
        user = self._locked(tx, row.user_id)
        if user.email != row.email:
            raise OneTimeTokenRefused
        return user

    def _locked(self, tx: Tx, user_id: UUID) -> User:
        row = tx.execute(sql.by_id(user_id, lock=True)).one_or_none()
        if row is None:
            # Its account was deleted a moment ago, and the token with it.
            raise OneTimeTokenRefused
        user = user_of(row)
        if user.disabled_at is not None:
            raise UserDisabled
        return user

    def _set(self, tx: Tx, user: User, values: dict[str, Any]) -> User:
        tx.execute(sql.change(user.id, values, self._clock.now()))
        return user_of(tx.execute(sql.by_id(user.id)).one())

    def _record(self, tx: Tx, event_type: str, user: User, origin: Origin, **details: Any) -> None:
        self._audit.record(tx, event_type, origin, actor=user.id, resource=f"user:{user.id}", **details)

    def _announce(self, tx: Tx, user: User, *changed: str) -> None:
        tx.publish("auth.user.updated", UserUpdated(str(user.id), sorted(changed)))
        self._changes.announce(tx, changes.user(user.id))


def _taken(fault: DatabaseFault) -> Exception:
    """Two users may reach for one address at the same moment."""
    return EmailExists() if fault.sqlstate == _UNIQUE_VIOLATION else fault
