"""Users and sessions, administered with the admin token; every audit row says so (contract auth.md §8.3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import changes, emails
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.errors import EmailExists, LastOwner, UserNotFound, invalid_field
from reactor_auth.events import UserCreated, UserDeleted, UserUpdated
from reactor_auth.model import OrgSummary, Origin, SessionRecord, User, UserChange
from reactor_auth.passwords import Passwords
from reactor_auth.permissions import OWNER
from reactor_auth.queries import administration as sql
from reactor_auth.queries import orgs as org_sql
from reactor_auth.queries import users as user_sql
from reactor_auth.queries import verification as token_sql
from reactor_auth.service.enrolment import remove_all
from reactor_auth.service.letters import Letters
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Clock, Database, DatabaseFault, Tx, uuid7

BY: dict[str, Any] = {"by": "admin"}
_UNIQUE_VIOLATION = "23505"


class Administration:
    """Makes, finds, changes, disables and deletes anybody's account."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        passwords: Passwords,
        sessions: Sessions,
        audit: AuditLog,
        changes_: Changes,
        letters: Letters,
    ) -> None:
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._sessions = sessions
        self._audit = audit
        self._changes = changes_
        self._letters = letters

    def users(self, limit: int, before: UUID | None, search: str | None, disabled: bool | None) -> list[User]:
        """List users, newest first: those made before `before` whose address contains `search`."""
        with self._db.begin(readonly=True) as tx:
            return [user_of(row) for row in tx.execute(sql.users_matching(limit, before, search, disabled))]

    def user(self, ref: str) -> tuple[User, bool, list[OrgSummary]]:
        """Return a user by id or e-mail address, whether it has a password, and its organisations."""
        with self._db.begin(readonly=True) as tx:
            row = find_user(tx, ref)
            orgs = tx.execute(org_sql.summaries_of_user(row.id)).all()
        return user_of(row), row.password_hash is not None, [OrgSummary(org.id, org.slug, org.role) for org in orgs]

    def create(
        self, email: str, password: str | None, email_verified: bool, metadata: dict[str, Any], origin: Origin
    ) -> User:
        """Make a user; one without a password signs in by other means, or sets one later.

        Raises:
            ValidationError, WeakPassword, EmailExists
        """
        address = emails.demand(email)
        password_hash = self._hash(password)
        with self._db.begin() as tx:
            inserted = sql.insert_user(uuid7(), address, password_hash, email_verified, metadata, self._clock.now())
            row = tx.execute(inserted).one_or_none()
            if row is None:
                raise EmailExists
            user = user_of(row)
            self._record(tx, "user.signup", origin, user.id)
            tx.publish("auth.user.created", UserCreated(str(user.id), user.email))
        return user

    def change(self, ref: str, change: UserChange, origin: Origin) -> User:
        """Change a user. Disabling and a new password end every session; the latter stays open for new sign-ins.

        Raises:
            UserNotFound, ValidationError, WeakPassword, EmailExists, LastOwner
        """
        values: dict[str, Any] = {}
        if change.email is not None:
            values["email"] = emails.demand(change.email)
        password_hash = self._hash(change.password)
        with self._db.begin() as tx:
            row = _locked(tx, ref, leaving=change.disabled is True)
            now = self._clock.now()
            if change.email_verified is not None:
                values["email_verified"] = change.email_verified
            if change.metadata is not None:
                values["metadata"] = change.metadata
            if change.disabled is not None and change.disabled != (row.disabled_at is not None):
                values["disabled_at"] = now if change.disabled else None
            values = {name: value for name, value in values.items() if getattr(row, name) != value}
            if password_hash is not None:
                values["password_hash"] = password_hash
            if not values:
                return user_of(row)
            try:
                tx.execute(user_sql.change(row.id, values, now))
            except DatabaseFault as fault:
                if fault.sqlstate == _UNIQUE_VIOLATION:
                    raise EmailExists from fault
                raise
            self._note_change(tx, row, values, origin)
            return user_of(tx.execute(user_sql.by_id(row.id)).one())

    def _note_change(self, tx: Tx, row: Row[Any], values: dict[str, Any], origin: Origin) -> None:
        changed = sorted({"password_hash": "password", "disabled_at": "disabled"}.get(name, name) for name in values)
        if changed == ["password"]:
            self._record(tx, "user.password_changed", origin, row.id)
        elif changed == ["email"]:
            self._record(tx, "user.email_changed", origin, row.id)
        else:
            disabled = {"disabled": values["disabled_at"] is not None} if "disabled_at" in values else {}
            self._record(tx, "user.updated", origin, row.id, changed=changed, **disabled)
        if values.get("disabled_at") is not None:
            self._sessions.revoke(tx, row.id, "disabled_by_admin", origin)
        elif "password_hash" in values:
            self._sessions.revoke(tx, row.id, "password_changed", origin)
        if {"password_hash", "email", "disabled_at"} & values.keys():
            # Links that were mailed before must not undo what the administrator did.
            tx.execute(token_sql.retire_of_user(row.id, None, self._clock.now()))
        tx.publish("auth.user.updated", UserUpdated(str(row.id), changed))
        self._changes.announce(tx, changes.user(row.id))

    def delete(self, ref: str, origin: Origin) -> UUID:
        """Delete a user with everything that is only its own; the address is free again.

        Raises:
            UserNotFound, LastOwner
        """
        with self._db.begin() as tx:
            row = _locked(tx, ref, leaving=True)
            self._sessions.revoke(tx, row.id, "user_deleted", origin)
            tx.execute(sql.delete_user(row.id))
            self._record(tx, "user.deleted", origin, row.id)
            tx.publish("auth.user.deleted", UserDeleted(str(row.id)))
            self._changes.announce(tx, changes.user(row.id))
        return UUID(str(row.id))

    def remove_factors(self, ref: str, origin: Origin) -> dict[str, int]:
        """Remove all second factors of a user that lost them; return how many of each kind. Raises UserNotFound."""
        with self._db.begin() as tx:
            user = user_of(_locked(tx, ref, leaving=False))
            removed = remove_all(tx, self._sessions, self._letters, user)
            if removed:
                self._record(tx, "mfa.removed", origin, user.id, removed=removed)
        return removed

    def sessions_of(self, ref: str) -> list[SessionRecord]:
        """List the live sessions of a user, the latest used first. Raises UserNotFound."""
        with self._db.begin(readonly=True) as tx:
            row = find_user(tx, ref)
            return [
                SessionRecord(
                    found.id, tuple(found.amr), found.ip, found.user_agent, found.created_at, found.last_seen_at
                )
                for found in tx.execute(sql.live_sessions(row.id))
            ]

    def end_sessions(self, ref: str, session_id: UUID | None, origin: Origin) -> int:
        """End a user's sessions, or one of them; return how many ended. Raises UserNotFound."""
        with self._db.begin() as tx:
            row = find_user(tx, ref)
            return self._sessions.revoke(tx, row.id, "ended_by_admin", origin, only=session_id)

    def _hash(self, password: str | None) -> str | None:
        if password is None:
            return None
        self._passwords.demand_strength(password)
        return self._passwords.hash(password)

    def _record(self, tx: Tx, event_type: str, origin: Origin, user_id: UUID, **details: Any) -> None:
        self._audit.record(tx, event_type, origin, actor=None, resource=f"user:{user_id}", **BY, **details)


def find_user(tx: Tx, ref: str) -> Row[Any]:
    """Find a user by id or e-mail address, with its password hash. Raises UserNotFound."""
    try:
        statement = user_sql.by_id(UUID(ref))
    except ValueError:
        address = emails.parse(ref)
        if address is None:
            raise UserNotFound from None
        statement = user_sql.by_email(address)
    row = tx.execute(statement).one_or_none()
    if row is None:
        raise UserNotFound
    return row


def cursor_of(text: str | None) -> UUID | None:
    """Read a cursor of a list. Raises ValidationError."""
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise invalid_field("cursor", "is not one that this list gave") from None


def _locked(tx: Tx, ref: str, *, leaving: bool) -> Row[Any]:
    """Find and lock a user; one that is `leaving` must leave no organisation without an owner.

    Raises:
        UserNotFound
        LastOwner: naming the organisations.
    """
    user_id = find_user(tx, ref).id
    if leaving:
        # Organisations before the user, as wherever else both are locked: two changes at once cannot deadlock.
        owned = tx.execute(org_sql.lock_owned(user_id, OWNER)).all()
        orphaned = [
            org.slug for org in owned if not tx.execute(org_sql.other_owners(org.id, user_id, OWNER)).scalar_one()
        ]
        if orphaned:
            raise LastOwner(details={"orgs": orphaned})
    row = tx.execute(user_sql.by_id(user_id, lock=True)).one_or_none()
    if row is None:
        raise UserNotFound
    return row
