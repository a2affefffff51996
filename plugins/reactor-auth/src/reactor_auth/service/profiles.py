"""The signed-in user's own account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import changes, emails, limits
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.errors import (
    EmailDisabled,
    EmailExists,
    InvalidCredentials,
    LastOwner,
    NotOrgMember,
    OrgNotFound,
    UserNotFound,
)
from reactor_auth.events import UserDeleted, UserUpdated
from reactor_auth.extensions import Extensions
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Caller, OrgSummary, ProfileChange, User
from reactor_auth.passwords import Passwords
from reactor_auth.permissions import OWNER
from reactor_auth.purposes import Purpose
from reactor_auth.queries import orgs as org_sql
from reactor_auth.queries import users as sql
from reactor_auth.queries import verification as token_sql
from reactor_auth.service.letters import Letters
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Sessions
from reactor_auth.service.sign_in_guard import SignInGuard
from reactor_auth.service.step_up import StepUp
from reactor_kernel.api import Clock, Database, Tx

# Everything but the confirmation of the present address.
_LINKS = tuple(purpose.word for purpose in Purpose if purpose is not Purpose.SIGNUP)


class Profiles:
    """Reads, changes and deletes a user on the user's own behalf."""

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
        guard: SignInGuard,
        step_up: StepUp,
        *,
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
        self._guard = guard
        self._step_up = step_up
        self._letters = letters
        self._extensions = extensions

    def user(self, user_id: UUID) -> User:
        """Return a user. Raises UserNotFound."""
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.by_id(user_id)).one_or_none()
        if row is None:
            raise UserNotFound
        return user_of(row)

    def whoami(self, user_id: UUID) -> tuple[User, list[OrgSummary]]:
        """Return a user with the organisations it is in and the role it has there."""
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.by_id(user_id)).one_or_none()
            if row is None:
                raise UserNotFound
            found = tx.execute(org_sql.summaries_of_user(user_id)).all()
        return user_of(row), [OrgSummary(org.id, org.slug, org.role) for org in found]

    def change(self, caller: Caller, change: ProfileChange) -> User:
        """Change the caller's account; a new password ends all other sessions, a new address waits to be confirmed.

        Raises:
            ValidationError, WeakPassword, EmailDisabled, EmailExists, InvalidCredentials, OrgNotFound, NotOrgMember,
            TooManyAttempts
            MfaRequired: a new password or address, and the account's second factor was not verified just now.
        """
        wanted_email = None if change.email is None else emails.demand(change.email)
        if change.password is not None:
            self._passwords.demand_strength(change.password)
            self._extensions.demand_password(change.password)
        before = self._with_hash(caller.user_id)
        if wanted_email == before.email:
            wanted_email = None
        if change.password is not None or wanted_email is not None:
            self._demand_step_up(caller)
        if wanted_email is not None:
            if not self._letters.arrive:
                raise EmailDisabled
            rates, address = self._config.limits, caller.origin.address
            self._limiter.spend([limits.for_mail(rates, wanted_email), limits.for_mail_from(rates, address)])
        if change.current_password is not None:
            self._demand_current(before, change.current_password, caller)
        values: dict[str, Any] = {}
        if change.metadata is not None:
            values["metadata"] = change.metadata
        if change.default_org is not None:
            values["default_org_id"] = change.default_org.org_id
        if change.password is not None:
            values["password_hash"] = self._passwords.hash(change.password)
        if not values and wanted_email is None:
            return user_of(before)
        with self._db.begin() as tx:
            current = _locked(tx, caller.user_id)
            if change.current_password is not None and current.password_hash != before.password_hash:
                raise InvalidCredentials("the password was changed meanwhile")
            if change.default_org is not None and change.default_org.org_id is not None:
                _demand_membership(tx, change.default_org.org_id, caller.user_id)
            if change.password is not None:
                # Links that somebody else had sent, to another address for instance, must not outlive the old password.
                tx.execute(token_sql.retire_of_user(caller.user_id, _LINKS, self._clock.now()))
            if wanted_email is not None:
                self._wish_email(tx, user_of(current), wanted_email)
            if values:
                tx.execute(sql.change(caller.user_id, values, self._clock.now()))
            self._note(tx, caller, user_of(current), values, email_pending=wanted_email is not None)
            return user_of(tx.execute(sql.by_id(caller.user_id)).one())

    def _wish_email(self, tx: Tx, user: User, wanted: str) -> None:
        """Mail the new address, which becomes the user's once it is confirmed."""
        taken = tx.execute(sql.by_email(wanted)).one_or_none()
        if taken is not None and not self._config.require_verified_email:
            raise EmailExists
        if taken is not None:
            # A server whose sign-up does not tell which addresses are taken does not tell it here either.
            self._letters.account_exists(tx, user_of(taken))
        else:
            self._letters.email_change(tx, user, wanted)

    def _note(self, tx: Tx, caller: Caller, user: User, values: dict[str, Any], *, email_pending: bool) -> None:
        """Write what follows from a change: audit rows, events, ended sessions, dropped caches."""
        resource = f"user:{caller.user_id}"
        changed = sorted("password" if name == "password_hash" else name for name in values)
        if "password" in changed:
            self._audit.record(tx, "user.password_changed", caller.origin, actor=caller.user_id, resource=resource)
            self._sessions.revoke(tx, caller.user_id, "password_changed", caller.origin, keep=caller.session_id)
            self._letters.password_changed(tx, user, caller.origin)
        others = [name for name in changed if name != "password"] + ["pending_email"] * email_pending
        if others:
            self._audit.record(
                tx,
                "user.updated",
                caller.origin,
                actor=caller.user_id,
                resource=resource,
                changed=others,
            )
        if changed:
            tx.publish("auth.user.updated", UserUpdated(str(caller.user_id), changed))
            self._changes.announce(tx, changes.user(caller.user_id))

    def delete(self, caller: Caller) -> None:
        """Disable the caller's account and end its sessions; the address stays taken until the account is erased.

        Raises:
            LastOwner: naming the organisations that would be left without an owner.
            MfaRequired: the account's second factor was not verified just now.
        """
        self._demand_step_up(caller)
        with self._db.begin() as tx:
            owned = tx.execute(org_sql.lock_owned(caller.user_id, OWNER)).all()
            orphaned = [
                org.slug
                for org in owned
                if not tx.execute(org_sql.other_owners(org.id, caller.user_id, OWNER)).scalar_one()
            ]
            if orphaned:
                raise LastOwner(details={"orgs": orphaned})
            now = self._clock.now()
            user = user_of(_locked(tx, caller.user_id))
            tx.execute(sql.change(caller.user_id, {"disabled_at": now, "deleted_at": now}, now))
            self._sessions.revoke(tx, caller.user_id, "user_deleted", caller.origin)
            resource = f"user:{caller.user_id}"
            self._audit.record(tx, "user.deleted", caller.origin, actor=caller.user_id, resource=resource)
            self._letters.account_deleted(tx, user)
            tx.publish("auth.user.deleted", UserDeleted(str(caller.user_id)))
            self._changes.announce(tx, changes.user(caller.user_id))

    def _demand_step_up(self, caller: Caller) -> None:
        with self._db.begin(readonly=True) as tx:
            self._step_up.demand_if_enrolled(tx, caller)

    def _with_hash(self, user_id: UUID) -> Any:
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.by_id(user_id)).one_or_none()
        if row is None:
            raise UserNotFound
        return row

    def _demand_current(self, row: Any, password: str, caller: Caller) -> None:
        # Counted like a sign-in: otherwise a stolen access token could guess the password without limit.
        admission = self._guard.admit(row.email, caller.origin, by_address=False)
        if not self._passwords.fits(password, row.password_hash):
            waits = self._guard.failed(admission)
            details: dict[str, Any] = {"waits": waits} if waits else {}
            with self._db.begin() as tx:
                self._audit.record(
                    tx, "login.failed", caller.origin, actor=caller.user_id, reason="wrong_current_password", **details
                )
            raise InvalidCredentials("current_password is wrong", fields={"current_password": ["is wrong"]})
        with self._db.begin() as tx:
            self._guard.settle(tx, row.email, caller.origin)


def _locked(tx: Tx, user_id: UUID) -> Row[Any]:
    """Lock a user who may have been deleted since the request began. Raises UserNotFound."""
    row = tx.execute(sql.by_id(user_id, lock=True)).one_or_none()
    if row is None:
        raise UserNotFound
    return row


def _demand_membership(tx: Tx, org_id: UUID, user_id: UUID) -> None:
    if tx.execute(org_sql.by_ref(org_id)).one_or_none() is None:
        raise OrgNotFound
    if tx.execute(org_sql.standing(org_id, user_id)).one_or_none() is None:
        raise NotOrgMember
