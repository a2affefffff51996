"""Sessions: opened by a sign-in, carried on by refresh tokens, ended by many hands (contract auth.md §4.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import changes
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.errors import (
    InvalidRefreshToken,
    PermissionDenied,
    RefreshTokenReuse,
    SessionRevoked,
    TooManyAttempts,
    UserDisabled,
)
from reactor_auth.events import SessionRevoked as SessionRevokedEvent
from reactor_auth.limits import Limit, RateLimiter
from reactor_auth.lockout import Lockout
from reactor_auth.metrics import AuthMetrics
from reactor_auth.model import Caller, Origin, Scope, Tokens, User
from reactor_auth.queries import factors as factor_sql
from reactor_auth.queries import grants as grant_sql
from reactor_auth.queries import oauth_codes as browser_sql
from reactor_auth.queries import sessions as sql
from reactor_auth.sealing import Sealer
from reactor_auth.service import bindings
from reactor_auth.service.bindings import Bound, Presenter
from reactor_auth.service.platform import PlatformScopes
from reactor_auth.service.rows import user_of
from reactor_auth.service.session_life import SessionLife
from reactor_auth.signing import Signer, SigningKeys
from reactor_auth.tokens import MAX_ORGS_CLAIMED, AccessTokens, digest, new_refresh_token
from reactor_kernel.api import Clock, Database, ReactorError, Tx, uuid7

# What `amr` says of second factors: authenticator app, passkey or security key, recovery code (RFC 8176).
TOTP, PASSKEY, RECOVERY_CODE = "totp", "hwk", "otp"
SECOND_FACTORS = (TOTP, PASSKEY, RECOVERY_CODE)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a transaction decided to hand out; the access token is signed after the commit."""

    user: User
    session_id: UUID
    amr: tuple[str, ...]
    orgs: tuple[UUID, ...]
    refresh_token: str
    # The access token outlives neither this nor its own time.
    session_ends_at: datetime | None = None
    # What other plugins add to the access token.
    claims: Mapping[str, Any] = field(default_factory=dict)
    bound: Bound = field(default_factory=Bound)
    mfa_at: datetime | None = None
    mfa_required: bool = False
    # An operator's, where the session is bound to no client; the access token does not outlive them.
    scopes: tuple[str, ...] = ()
    scopes_end: datetime | None = None


class Sessions:
    """Opens, refreshes and ends sessions."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        keys: SigningKeys,
        tokens: AccessTokens,
        sealer: Sealer,
        limiter: RateLimiter,
        audit: AuditLog,
        changes_: Changes,
        lockout: Lockout,
        metrics: AuthMetrics,
        *,
        platform: PlatformScopes,
        claims: Callable[[User], Mapping[str, Any]] | None = None,
        opened: Callable[[Tx, User, Origin], None] | None = None,
    ) -> None:
        """Make the service; `claims` are added to a user's access tokens, `opened` hears of each new session."""
        self.platform = platform
        self._config = config
        self._db = db
        self._clock = clock
        self._keys = keys
        self._tokens = tokens
        self._sealer = sealer
        self._limiter = limiter
        self._audit = audit
        self._changes = changes_
        self._lockout = lockout
        self._metrics = metrics
        self._life = SessionLife(config.session_max_secs, config.session_idle_secs)
        self._claims = claims or (lambda user: {})
        self._opened = opened or (lambda tx, user, origin: None)

    def signer(self) -> Signer:
        """Return the signing key; asked for before a transaction begins, so that none is wasted on a broken key."""
        return self._keys.signer()

    def open(
        self, tx: Tx, user: User, amr: tuple[str, ...], origin: Origin, *, mfa_at: datetime | None = None
    ) -> Grant:
        """Open a session for a user; `mfa_at` is when a second factor was verified, where `amr` has one."""
        now, session_id = self._clock.now(), uuid7()
        tx.execute(sql.insert_session(session_id, user.id, list(amr), origin.address, origin.user_agent, now, mfa_at))
        ends_at = self._life.ends_at(now)
        refresh_token = self._add_token(tx, uuid7(), session_id, now, ends_at)
        # A password settles this where it is proved, with or without a session.
        if user.email and "pwd" not in amr:
            self._lockout.settle(tx, user.email, origin)
        self._audit.record(
            tx, "session.created", origin, actor=user.id, resource=f"session:{session_id}", amr=list(amr)
        )
        self._opened(tx, user, origin)
        return self._grant(tx, user, session_id, amr, mfa_at, refresh_token, ends_at, now)

    def step_up(self, tx: Tx, user: User, session_id: UUID, method: str) -> Grant:
        """Note that a second factor was verified in a session, with a further chain of refresh tokens for it.

        The caller writes the audit row. Raises SessionRevoked.
        """
        now = self._clock.now()
        row = tx.execute(factor_sql.step_up(session_id, user.id, method, now)).one_or_none()
        ends_at = None if row is None else self._life.ends_at(row.created_at)
        if row is None or (ends_at is not None and ends_at <= now):
            raise SessionRevoked
        self._changes.announce(tx, changes.session(session_id))
        refresh_token = self._add_token(tx, uuid7(), session_id, now, ends_at)
        bound = bindings.of_session(tx, session_id, user.id, self.platform)
        return self._grant(tx, user, session_id, tuple(row.amr), now, refresh_token, ends_at, row.created_at, bound)

    def step_down(self, tx: Tx, user_id: UUID, *, keep: UUID | None = None) -> None:
        """Make all of a user's sessions, or all but `keep`, forget that a second factor was verified in them.

        The user's browsers must sign in anew.
        """
        self._end_browsers(tx, user_id)
        # Locked in order of id first, as whoever ends several sessions does.
        tx.execute(sql.lock_live(user_id, keep=keep))
        tx.execute(factor_sql.step_down(user_id, SECOND_FACTORS, keep=keep))
        # What the user's API keys may do can depend on a factor as well.
        self._changes.announce(tx, changes.user(user_id))

    def _grant(
        self,
        tx: Tx,
        user: User,
        session_id: UUID,
        amr: tuple[str, ...],
        mfa_at: datetime | None,
        refresh_token: str,
        ends_at: datetime | None,
        signed_in_at: datetime,
        bound: Bound | None = None,
    ) -> Grant:
        standing = tx.execute(grant_sql.standing(user.id, MAX_ORGS_CLAIMED)).one()
        scopes, scopes_end = self.platform.lasting(standing.scopes, signed_in_at)
        return Grant(
            user,
            session_id,
            amr,
            tuple(standing.orgs),
            refresh_token,
            session_ends_at=ends_at,
            claims=self._claims(user),
            bound=bound or Bound(),
            mfa_at=mfa_at,
            mfa_required=mfa_at is None and standing.enrolled,
            scopes=scopes,
            scopes_end=scopes_end,
        )

    def tokens(self, grant: Grant, signer: Signer) -> Tokens:
        """Sign the access token of a grant."""
        now = self._clock.now()
        # A client gets the platform scopes that it asked for; they are among the claims of its binding.
        scopes, scopes_end = (
            (grant.scopes, grant.scopes_end) if grant.bound.binding is None else ((), grant.bound.ends_at)
        )
        access_token, expires_at = self._tokens.issue(
            signer,
            grant.user,
            grant.session_id,
            grant.amr,
            grant.orgs,
            not_after=_earliest(grant.session_ends_at, scopes_end),
            extra={**grant.claims, **grant.bound.claims},
            mfa_at=grant.mfa_at,
            scopes=scopes,
        )
        seconds = max(0, int((expires_at - now).total_seconds()))
        return Tokens(access_token, grant.refresh_token, expires_at, seconds, grant.bound.binding, grant.mfa_required)

    def refresh(self, refresh_token: str, origin: Origin, presenter: Presenter | None = None) -> Tokens:
        """Exchange a refresh token.

        Raises:
            InvalidRefreshToken, RefreshTokenReuse, SessionRevoked, UserDisabled, TooManyAttempts, InvalidScope
        """
        signer = self.signer()
        with self._db.begin() as tx:
            outcome = self._rotate(tx, refresh_token, origin, presenter or Presenter())
        if isinstance(outcome, ReactorError):
            # Raised only now: what the refusal changed (a revoked session, a counted attempt) must stay.
            raise outcome
        return self.tokens(outcome, signer)

    def _rotate(self, tx: Tx, refresh_token: str, origin: Origin, presenter: Presenter) -> Grant | ReactorError:
        now = self._clock.now()
        row = tx.execute(sql.presented(digest(refresh_token))).one_or_none()
        if row is None:
            return InvalidRefreshToken()
        if row.revoked_at is not None:
            return SessionRevoked()
        if row.disabled_at is not None:
            return UserDisabled()
        over = self._life.over(row.session_created_at, row.session_seen_at, now)
        if over is not None:
            self.end(tx, row.id, [row.session_id], over, origin, now)
            return SessionRevoked()
        bound = bindings.for_refresh(tx, row.session_id, row.id, presenter, self.platform)
        if isinstance(bound, ReactorError):
            return bound
        successor = None
        if row.used_at is not None:
            successor = self._successor_in_grace(tx, row, now)
            if successor is None:
                self.end(tx, row.id, [row.session_id], "reuse_detected", origin, now)
                return RefreshTokenReuse()
        elif row.expires_at <= now:
            return InvalidRefreshToken()
        rates = self._config.limits
        wait = self._limiter.count(
            tx, Limit(f"refresh:{row.session_id}", rates.refresh_per_session, rates.refresh_window_secs)
        )
        if wait:
            return TooManyAttempts(wait)
        if successor is None:
            successor = self._replace(tx, row, origin, now)
        since, mfa_at = row.session_created_at, row.mfa_at
        ends_at = self._life.ends_at(since)
        return self._grant(tx, user_of(row), row.session_id, tuple(row.amr), mfa_at, successor, ends_at, since, bound)

    def _replace(self, tx: Tx, row: Row[Any], origin: Origin, now: datetime) -> str:
        successor_id = uuid7()
        ends_at = self._life.ends_at(row.session_created_at)
        successor = self._add_token(tx, successor_id, row.session_id, now, ends_at)
        sealed = None
        if self._config.refresh_reuse_grace_secs:
            sealed = self._sealer.seal(successor.encode(), _purpose(row.token_id))
        tx.execute(sql.mark_used(row.token_id, successor_id, sealed, now))
        tx.execute(sql.forget_sealed(row.token_id))
        tx.execute(sql.touch(row.session_id, now))
        self._audit.record(tx, "session.refreshed", origin, actor=row.id, resource=f"session:{row.session_id}")
        return successor

    def _successor_in_grace(self, tx: Tx, row: Row[Any], now: datetime) -> str | None:
        """Return the successor of the immediately preceding token, while the grace period lasts."""
        if row.successor_sealed is None:
            return None
        if now - row.used_at > timedelta(seconds=self._config.refresh_reuse_grace_secs):
            return None
        successor = tx.execute(sql.use_count(row.replaced_by)).one_or_none()
        if successor is None or successor.used_at is not None or successor.expires_at <= now:
            return None
        return self._sealer.open(row.successor_sealed, _purpose(row.token_id)).decode()

    def log_out(self, caller: Caller, scope: Scope) -> None:
        """End the caller's session, all of the user's, or all but the caller's."""
        with self._db.begin() as tx:
            self._revoke_scope(tx, caller.user_id, caller.session_id, scope, caller.origin)

    def log_out_by_token(self, refresh_token: str, scope: Scope, origin: Origin) -> None:
        """End the session a refresh token belongs to; fine where it has ended, which ends no others.

        Raises:
            InvalidRefreshToken: unknown, or it was used or has expired and is to end more than its own session.
            PermissionDenied: it belongs to an application, which wants to end more than its own session.
        """
        with self._db.begin() as tx:
            row = tx.execute(sql.session_of(digest(refresh_token))).one_or_none()
            if row is None:
                raise InvalidRefreshToken
            if scope is not Scope.LOCAL:
                if bindings.is_of_application(tx, row.session_id):
                    raise PermissionDenied("an application may end its own session only; leave scope out")
                if row.revoked_at is not None:
                    return
                if row.used_at is not None or row.expires_at <= self._clock.now():
                    raise InvalidRefreshToken("a refresh token that was used or has expired ends its own session only")
            self._revoke_scope(tx, row.user_id, row.session_id, scope, origin)

    def _revoke_scope(self, tx: Tx, user_id: UUID, session_id: UUID | None, scope: Scope, origin: Origin) -> None:
        if scope is Scope.GLOBAL:
            self.revoke(tx, user_id, "logout", origin)
        elif scope is Scope.OTHERS:
            self.revoke(tx, user_id, "logout", origin, keep=session_id)
        elif session_id is not None:
            self.revoke(tx, user_id, "logout", origin, only=session_id)

    def revoke(
        self,
        tx: Tx,
        user_id: UUID,
        reason: str,
        origin: Origin,
        *,
        only: UUID | None = None,
        keep: UUID | None = None,
    ) -> int:
        """Revoke live sessions of a user: all, `only` one, or all but `keep`; return how many ended.

        Unless it is `only` one, the user's browsers must sign in anew as well, and codes and devices that wait are void.
        """
        if only is None:
            self._end_browsers(tx, user_id)
        ids = list(tx.execute(sql.lock_live(user_id, only=only, keep=keep)).scalars())
        if ids:
            self.end(tx, user_id, ids, reason, origin, self._clock.now())
        return len(ids)

    def _end_browsers(self, tx: Tx, user_id: UUID) -> None:
        tx.execute(browser_sql.end_browsers_of(user_id))
        for statement in browser_sql.end_pending_of(user_id):
            tx.execute(statement)

    def end(self, tx: Tx, user_id: UUID, ids: list[UUID], reason: str, origin: Origin, now: datetime) -> None:
        """End sessions of a user that the transaction has locked, and tell everybody."""
        tx.execute(sql.revoke(ids, now))
        event_type = "session.reuse_detected" if reason == "reuse_detected" else "session.revoked"
        for session_id in ids:
            self._audit.record(tx, event_type, origin, actor=user_id, resource=f"session:{session_id}", reason=reason)
        tx.publish(
            "auth.session.revoked", SessionRevokedEvent(str(user_id), [str(session_id) for session_id in ids], reason)
        )
        tx.after_commit(lambda: self._metrics.sessions_ended(reason, len(ids)))
        self._changes.announce(tx, *(changes.session(session_id) for session_id in ids))

    def _add_token(
        self, tx: Tx, token_id: UUID, session_id: UUID, now: datetime, ends_at: datetime | None = None
    ) -> str:
        token = new_refresh_token()
        expires_at = now + timedelta(seconds=self._config.refresh_ttl_secs)
        if ends_at is not None:
            expires_at = min(expires_at, ends_at)
        tx.execute(sql.insert_refresh_token(token_id, session_id, digest(token), now, expires_at))
        return token


def _purpose(token_id: UUID) -> str:
    return f"refresh_successor:{token_id}"


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
