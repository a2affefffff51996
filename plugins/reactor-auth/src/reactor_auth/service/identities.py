"""The accounts at other providers that belong to a user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from reactor_auth import emails
from reactor_auth.audit import AuditLog
from reactor_auth.config import AuthConfig
from reactor_auth.errors import SessionRevoked, SignUpDisabled, UserDisabled, UserNotFound
from reactor_auth.events import UserCreated
from reactor_auth.extensions import Extensions
from reactor_auth.model import Caller, Origin, User
from reactor_auth.queries import identities as sql
from reactor_auth.queries import passkeys as passkey_sql
from reactor_auth.queries import users as user_sql
from reactor_auth.service.letters import Letters
from reactor_auth.service.rows import user_of
from reactor_auth.service.step_up import StepUp
from reactor_auth.social.errors import (
    EmailRequired,
    IdentityExists,
    IdentityNotFound,
    LastSignInMethod,
    LocalEmailUnverified,
    ProviderEmailUnverified,
)
from reactor_auth.social.providers import Profile
from reactor_kernel.api import Clock, Database, Tx, uuid7


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """An account at a provider that signs its user in."""

    id: UUID
    provider: str
    email: str | None
    created_at: datetime
    last_used_at: datetime


class Identities:
    """Finds, links, lists and removes identities."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        audit: AuditLog,
        extensions: Extensions,
        letters: Letters,
        step_up: StepUp,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._audit = audit
        self._extensions = extensions
        self._letters = letters
        self._step_up = step_up

    def of_user(self, user_id: UUID) -> list[LinkedIdentity]:
        """List a user's identities, oldest first."""
        with self._db.begin(readonly=True) as tx:
            found = tx.execute(sql.of_user(user_id)).all()
        return [LinkedIdentity(row.id, row.provider, row.email, row.created_at, row.last_used_at) for row in found]

    def demand_step_up(self, caller: Caller) -> None:
        """Raise MfaRequired where the account has a second factor that was not verified just now."""
        with self._db.begin(readonly=True) as tx:
            self._step_up.demand_if_enrolled(tx, caller)

    def remove(self, caller: Caller, identity_id: UUID) -> None:
        """Detach an identity from the caller.

        Raises:
            IdentityNotFound, LastSignInMethod
            MfaRequired: the account's second factor was not verified just now.
        """
        with self._db.begin() as tx:
            # The lock on the user keeps two removals from taking the last two ways in at once.
            user = tx.execute(user_sql.by_id(caller.user_id, lock=True)).one_or_none()
            if user is None:
                raise UserNotFound
            owned = {row.id for row in tx.execute(sql.of_user(caller.user_id))}
            if identity_id not in owned:
                raise IdentityNotFound
            self._step_up.demand_if_enrolled(tx, caller)
            if len(owned) == 1 and not self._has_other_way_in(tx, user):
                raise LastSignInMethod
            provider = tx.execute(sql.delete_identity(caller.user_id, identity_id)).scalar_one()
            self._audit.record(
                tx,
                "identity.unlinked",
                caller.origin,
                actor=caller.user_id,
                resource=f"identity:{identity_id}",
                provider=provider,
            )

    def _has_other_way_in(self, tx: Tx, user: Any) -> bool:
        """Tell whether a user may sign in with a password, a passkey, or a code in a mail to a confirmed address."""
        if user.password_hash is not None or tx.execute(passkey_sql.credentials_of(user.id)).first() is not None:
            return True
        return bool(user.email) and user.email_verified and self._letters.arrive

    # -- within the transaction of a sign-in ---------------------------------------------------------------------------

    def sign_in(self, tx: Tx, provider: str, profile: Profile, origin: Origin) -> User:
        """Return the user a profile stands for: its own, else one with the same verified address, else a new one.

        Raises:
            UserDisabled, EmailRequired, ProviderEmailUnverified, LocalEmailUnverified, SignUpDisabled, SignUpRefused
        """
        now = self._clock.now()
        tx.execute(sql.lock_identity(provider, profile.uid))
        known = tx.execute(sql.by_uid(provider, profile.uid)).one_or_none()
        if known is not None:
            _demand_enabled(known)
            tx.execute(sql.touch(known.identity_id, profile.email, _facts(profile), now))
            return user_of(known)
        address = None if profile.email is None else emails.parse(profile.email)
        if address is None:
            raise EmailRequired
        if not profile.email_verified:
            raise ProviderEmailUnverified
        row = tx.execute(sql.verified_user_by_email(address)).one_or_none()
        if row is None:
            row = (
                self._create(tx, address, provider, profile, origin)
                or tx.execute(sql.verified_user_by_email(address)).one()
            )
        _demand_enabled(row)
        if not row.email_verified:
            # Whoever registered the address without owning it must not be joined by its owner.
            raise LocalEmailUnverified
        self._link(tx, row.id, provider, profile, origin)
        return user_of(row)

    def link(
        self, tx: Tx, user_id: UUID, session_id: UUID | None, provider: str, profile: Profile, origin: Origin
    ) -> None:
        """Attach a profile to the user who asked for it, whose session must still be live.

        Raises:
            SessionRevoked, UserDisabled, IdentityExists
        """
        tx.execute(sql.lock_identity(provider, profile.uid))
        row = None if session_id is None else tx.execute(sql.live_session(user_id, session_id)).one_or_none()
        if row is None:
            raise SessionRevoked
        _demand_enabled(row)
        known = tx.execute(sql.by_uid(provider, profile.uid)).one_or_none()
        if known is None:
            self._link(tx, user_id, provider, profile, origin)
        elif known.id == user_id:
            tx.execute(sql.touch(known.identity_id, profile.email, _facts(profile), self._clock.now()))
        else:
            raise IdentityExists

    def _create(self, tx: Tx, address: str, provider: str, profile: Profile, origin: Origin) -> Any:
        if not self._config.signup_enabled:
            raise SignUpDisabled
        facts = _facts(profile)
        self._extensions.demand_signup(address, facts, f"oauth:{provider}", origin, email_verified=True)
        row = tx.execute(sql.insert_verified_user(uuid7(), address, facts, self._clock.now())).one_or_none()
        if row is not None:
            self._audit.record(tx, "user.signup", origin, actor=row.id, resource=f"user:{row.id}")
            tx.publish("auth.user.created", UserCreated(str(row.id), row.email))
        return row

    def _link(self, tx: Tx, user_id: UUID, provider: str, profile: Profile, origin: Origin) -> None:
        identity_id = uuid7()
        tx.execute(
            sql.insert_identity(
                identity_id, user_id, provider, profile.uid, profile.email, _facts(profile), self._clock.now()
            )
        )
        self._audit.record(
            tx, "identity.linked", origin, actor=user_id, resource=f"identity:{identity_id}", provider=provider
        )


def _demand_enabled(row: Any) -> None:
    if row.disabled_at is not None:
        raise UserDisabled


def _facts(profile: Profile) -> dict[str, Any]:
    facts = {"name": profile.name, "avatar_url": profile.picture}
    return {key: value for key, value in facts.items() if value is not None}
