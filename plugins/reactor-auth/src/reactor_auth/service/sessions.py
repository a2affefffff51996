"""Sessions: opened by a sign-in, carried on by refresh tokens, ended by many hands (contract auth.md §4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import changes
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.errors import InvalidRefreshToken, RefreshTokenReuse, SessionRevoked, TooManyAttempts, UserDisabled
from reactor_auth.events import SessionRevoked as SessionRevokedEvent
from reactor_auth.limits import Limit, RateLimiter
from reactor_auth.model import Caller, Origin, Scope, Tokens, User
from reactor_auth.queries import orgs as org_sql
from reactor_auth.queries import sessions as sql
from reactor_auth.sealing import Sealer
from reactor_auth.service.platform import platform_scopes_of
from reactor_auth.service.rows import user_of
from reactor_auth.signing import Signer, SigningKeys
from reactor_auth.tokens import MAX_ORGS_CLAIMED, AccessTokens, digest, new_refresh_token
from reactor_kernel.api import Clock, Database, ReactorError, Tx, uuid7


@dataclass(frozen=True, slots=True)
class Grant:
    """What a transaction decided to hand out; the access token is signed after the commit."""

    user: User
    session_id: UUID
    amr: tuple[str, ...]
    orgs: tuple[UUID, ...]
    refresh_token: str
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
        operator_secs: int = 0,
    ) -> None:
        self._operator_secs = operator_secs
        self._config = config
        self._db = db
        self._clock = clock
        self._keys = keys
        self._tokens = tokens
        self._sealer = sealer
        self._limiter = limiter
        self._audit = audit
        self._changes = changes_

    def signer(self) -> Signer:
        """Return the signing key; asked for before a transaction begins, so that none is wasted on a broken key."""
        return self._keys.signer()

    def open(self, tx: Tx, user: User, amr: tuple[str, ...], origin: Origin) -> Grant:
        """Open a session for a user."""
        now, session_id = self._clock.now(), uuid7()
        tx.execute(sql.insert_session(session_id, user.id, list(amr), origin.address, origin.user_agent, now))
        refresh_token = self._add_token(tx, uuid7(), session_id, now)
        self._audit.record(
            tx, "session.created", origin, actor=user.id, resource=f"session:{session_id}", amr=list(amr)
        )
        scopes, scopes_end = self._platform_scopes(tx, user.id, now, now)
        return Grant(user, session_id, amr, self._orgs(tx, user.id), refresh_token, scopes, scopes_end)

    def tokens(self, grant: Grant, signer: Signer) -> Tokens:
        """Sign the access token of a grant."""
        now = self._clock.now()
        access_token, expires_at = self._tokens.issue(
            signer,
            grant.user,
            grant.session_id,
            grant.amr,
            grant.orgs,
            scopes=grant.scopes,
            not_after=grant.scopes_end,
        )
        seconds = max(0, int((expires_at - now).total_seconds()))
        return Tokens(access_token, grant.refresh_token, expires_at, seconds)

    def refresh(self, refresh_token: str, origin: Origin) -> Tokens:
        """Exchange a refresh token.

        Raises:
            InvalidRefreshToken, RefreshTokenReuse, SessionRevoked, UserDisabled, TooManyAttempts
        """
        signer = self.signer()
        with self._db.begin() as tx:
            outcome = self._rotate(tx, refresh_token, origin)
        if isinstance(outcome, ReactorError):
            # Raised only now: what the refusal changed (a revoked session, a counted attempt) must stay.
            raise outcome
        return self.tokens(outcome, signer)

    def _rotate(self, tx: Tx, refresh_token: str, origin: Origin) -> Grant | ReactorError:
        now = self._clock.now()
        row = tx.execute(sql.presented(digest(refresh_token))).one_or_none()
        if row is None:
            return InvalidRefreshToken()
        if row.revoked_at is not None:
            return SessionRevoked()
        if row.disabled_at is not None:
            return UserDisabled()
        successor = None
        if row.used_at is not None:
            successor = self._successor_in_grace(tx, row, now)
            if successor is None:
                self._end(tx, row.id, [row.session_id], "reuse_detected", origin, now)
                return RefreshTokenReuse()
        elif row.expires_at <= now:
            return InvalidRefreshToken()
        wait = self._limiter.count(tx, Limit(f"refresh:{row.session_id}", self._config.limits.refresh_per_session))
        if wait:
            return TooManyAttempts(wait)
        if successor is None:
            successor = self._replace(tx, row, origin, now)
        scopes, scopes_end = self._platform_scopes(tx, row.id, row.session_created_at, now)
        amr, orgs = tuple(row.amr), self._orgs(tx, row.id)
        return Grant(user_of(row), row.session_id, amr, orgs, successor, scopes, scopes_end)

    def _replace(self, tx: Tx, row: Row[Any], origin: Origin, now: datetime) -> str:
        successor_id = uuid7()
        successor = self._add_token(tx, successor_id, row.session_id, now)
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
        """End the session a refresh token belongs to; fine where it has ended. Raises InvalidRefreshToken."""
        with self._db.begin() as tx:
            row = tx.execute(sql.session_of(digest(refresh_token))).one_or_none()
            if row is None:
                raise InvalidRefreshToken
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
        """Revoke live sessions of a user: all, `only` one, or all but `keep`; return how many ended."""
        ids = list(tx.execute(sql.lock_live(user_id, only=only, keep=keep)).scalars())
        if ids:
            self._end(tx, user_id, ids, reason, origin, self._clock.now())
        return len(ids)

    def _end(self, tx: Tx, user_id: UUID, ids: list[UUID], reason: str, origin: Origin, now: datetime) -> None:
        tx.execute(sql.revoke(ids, now))
        event_type = "session.reuse_detected" if reason == "reuse_detected" else "session.revoked"
        for session_id in ids:
            self._audit.record(tx, event_type, origin, actor=user_id, resource=f"session:{session_id}", reason=reason)
        tx.publish(
            "auth.session.revoked", SessionRevokedEvent(str(user_id), [str(session_id) for session_id in ids], reason)
        )
        self._changes.announce(tx, *(changes.session(session_id) for session_id in ids))

    def _add_token(self, tx: Tx, token_id: UUID, session_id: UUID, now: datetime) -> str:
        token = new_refresh_token()
        expires_at = now + timedelta(seconds=self._config.refresh_ttl_secs)
        tx.execute(sql.insert_refresh_token(token_id, session_id, digest(token), now, expires_at))
        return token

    def _platform_scopes(
        self, tx: Tx, user_id: UUID, since: datetime, now: datetime
    ) -> tuple[tuple[str, ...], datetime | None]:
        """Return an operator's scopes and when they end: some time after signing in, however often it refreshes."""
        end = since + timedelta(seconds=self._operator_secs)
        if now >= end:
            return (), None
        scopes = tuple(sorted(platform_scopes_of(tx, user_id)))
        return scopes, end if scopes else None

    def _orgs(self, tx: Tx, user_id: UUID) -> tuple[UUID, ...]:
        return tuple(tx.execute(org_sql.newest_ids_of_user(user_id, MAX_ORGS_CLAIMED)).scalars())


def _purpose(token_id: UUID) -> str:
    return f"refresh_successor:{token_id}"
