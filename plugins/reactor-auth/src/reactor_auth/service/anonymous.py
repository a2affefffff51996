"""Users without an address, who may get one later."""

from __future__ import annotations

from typing import Any

from reactor_auth import limits
from reactor_auth.audit import AuditLog
from reactor_auth.config import AuthConfig
from reactor_auth.errors import AnonymousDisabled
from reactor_auth.events import UserCreated
from reactor_auth.extensions import Extensions
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Origin, Tokens, User
from reactor_auth.queries import users as sql
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Clock, Database, uuid7

AMR = ("anonymous",)


class Anonymous:
    """Makes anonymous users."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        sessions: Sessions,
        limiter: RateLimiter,
        audit: AuditLog,
        extensions: Extensions,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._sessions = sessions
        self._limiter = limiter
        self._audit = audit
        self._extensions = extensions

    def sign_up(self, metadata: dict[str, Any], origin: Origin) -> tuple[User, Tokens]:
        """Make a user without an address, with a session. Raises AnonymousDisabled, SignUpRefused, TooManyAttempts."""
        if not (self._config.anonymous_users_enabled and self._config.signup_enabled):
            raise AnonymousDisabled
        config = self._config.limits
        self._limiter.spend(
            [limits.for_address("signup", origin.address, config.signup_per_address, config.signup_window_secs)]
        )
        self._extensions.demand_signup(None, metadata, "anonymous", origin)
        signer = self._sessions.signer()
        with self._db.begin() as tx:
            inserted = sql.insert_user(uuid7(), None, None, metadata, self._clock.now())
            user = user_of(tx.execute(inserted).one())
            self._audit.record(tx, "user.signup", origin, actor=user.id, resource=f"user:{user.id}", method="anonymous")
            tx.publish("auth.user.created", UserCreated(str(user.id), user.email))
            grant = self._sessions.open(tx, user, AMR, origin)
        return user, self._sessions.tokens(grant, signer)
