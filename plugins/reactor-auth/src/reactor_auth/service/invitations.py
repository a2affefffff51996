"""Invitations into an organisation: sent to an address, accepted once by whoever has it (contract auth.md §3.9)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import changes, emails, limits
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.config import AuthConfig
from reactor_auth.errors import MembershipExists, RoleNotFound, TooManyAttempts, UserNotFound
from reactor_auth.events import InvitationChanged, MemberChanged
from reactor_auth.limits import RateLimiter
from reactor_auth.mail.mailer import Mailer
from reactor_auth.model import Caller, Member, Origin, User
from reactor_auth.org_errors import (
    InvitationEmailMismatch,
    InvitationNotFound,
    InvitationUsed,
)
from reactor_auth.permissions import ADMIN, INVITATIONS_READ, INVITATIONS_WRITE, MEMBER, OWNER
from reactor_auth.queries import invitations as sql
from reactor_auth.queries import orgs as org_sql
from reactor_auth.queries import users as user_sql
from reactor_auth.service.members import demand_reach
from reactor_auth.service.orgs import demand_permission, standing_in
from reactor_auth.service.rows import member_of, role_of, user_of
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Database, Tx, uuid7

LIFE = timedelta(days=7)
NAMES = (OWNER, ADMIN)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as it stands. `status` is pending, accepted, expired or revoked."""

    id: UUID
    email: str
    org_id: UUID
    org_name: str
    org_slug: str
    role_id: UUID
    role_name: str
    status: str
    created_at: datetime
    expires_at: datetime


class Invitations:
    """Invites, lists, withdraws, accepts."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        limiter: RateLimiter,
        audit: AuditLog,
        changes_: Changes,
        mailer: Mailer,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._limiter = limiter
        self._audit = audit
        self._changes = changes_
        self._mailer = mailer

    def invite(self, caller: Caller, ref: str, email: str, role_id: UUID | None) -> tuple[Invitation, str]:
        """Invite an address with a role, by default `member`; return the invitation and its link.

        An earlier invitation of the same address is withdrawn.

        Raises:
            ValidationError, OrgNotFound, NotOrgMember, PermissionDenied, RoleNotFound, MembershipExists, TooManyAttempts
        """
        address = emails.demand(email)
        token, invitation_id, now = secrets.token_urlsafe(32), uuid7(), self._clock.now()
        with self._db.begin() as tx:
            standing = standing_in(tx, ref, caller.user_id, lock=True, bounds=caller.bounds)
            demand_permission(standing, INVITATIONS_WRITE, names=NAMES)
            rows = (role_of(row) for row in tx.execute(org_sql.roles_of(standing.org.id)))
            role = next((role for role in rows if _is_meant(role.id, role.is_system, role.name, role_id)), None)
            if role is None:
                raise RoleNotFound
            demand_reach(standing, role)
            if tx.execute(sql.member_with_address(standing.org.id, address)).first():
                raise MembershipExists
            self._demand_calm(tx, standing.org.id, caller.user_id, address)
            replaced = tx.execute(sql.replace_open(standing.org.id, address, now)).first()
            tx.execute(
                sql.insert_invitation(
                    invitation_id, digest(token), address, standing.org.id, role.id, caller.user_id, now, now + LIFE
                )
            )
            invitation = self._one(tx, invitation_id)
            details: dict[str, Any] = {"email": address, "role": role.name}
            if replaced is not None:
                details["replaces"] = str(replaced.id)
            self._note(tx, "created", caller.user_id, caller.origin, invitation, **details)
            link = self._link(token)
            self._mailer.queue(
                tx,
                "invitation",
                address,
                {
                    "org_name": invitation.org_name,
                    "role_name": invitation.role_name,
                    "invite_link": link,
                    "expires_hours": LIFE // timedelta(hours=1),
                },
                expires_at=invitation.expires_at,
            )
        return invitation, link

    def of_org(self, caller: Caller, ref: str) -> list[Invitation]:
        """List the pending invitations of an organisation, newest first."""
        now = self._clock.now()
        with self._db.begin(readonly=True) as tx:
            standing = standing_in(tx, ref, caller.user_id, bounds=caller.bounds)
            demand_permission(standing, INVITATIONS_READ, names=NAMES)
            return [_invitation(row, now) for row in tx.execute(sql.pending_of_org(standing.org.id, now))]

    def of_user(self, caller: Caller) -> list[Invitation]:
        """List the pending invitations of the caller's verified address, newest first; none while it is not verified."""
        now = self._clock.now()
        with self._db.begin(readonly=True) as tx:
            user = _user(tx, caller.user_id)
            if not user.email_verified:
                return []
            return [_invitation(row, now) for row in tx.execute(sql.pending_of_address(user.email, now))]

    def revoke(self, caller: Caller, ref: str | None, invitation_id: UUID) -> None:
        """Withdraw a pending invitation of an organisation, found by the invitation where `ref` is None.

        Raises:
            OrgNotFound, NotOrgMember, PermissionDenied, InvitationNotFound
        """
        now = self._clock.now()
        with self._db.begin() as tx:
            org = ref or self._org_of(tx, caller, invitation_id)
            standing = standing_in(
                tx, org, caller.user_id, lock=True, bounds=caller.bounds, session_id=caller.session_id
            )
            demand_permission(standing, INVITATIONS_WRITE, names=NAMES)
            if tx.execute(sql.revoke(standing.org.id, invitation_id, now)).first() is None:
                raise InvitationNotFound
            invitation = self._one(tx, invitation_id)
            self._note(tx, "revoked", caller.user_id, caller.origin, invitation, email=invitation.email)

    def look_up(self, token: str, origin: Origin) -> Invitation:
        """Return what a token invites to. Raises InvitationNotFound, InvitationUsed, TooManyAttempts."""
        self._spend(origin)
        with self._db.begin(readonly=True) as tx:
            return self._acceptable(tx.execute(sql.by_token(digest(token), lock=False)).one_or_none())

    def accept(self, caller: Caller, token: str) -> tuple[Invitation, Member]:
        """Make the caller a member, if the invitation was sent to the caller's verified address.

        Raises:
            InvitationNotFound, InvitationUsed, InvitationEmailMismatch, MembershipExists, TooManyAttempts
        """
        self._spend(caller.origin)
        with self._db.begin() as tx:
            user = _user(tx, caller.user_id)
            return self._join(tx, user, token, caller.origin, verified=True)

    def demand(self, tx: Tx, email: str, token: str) -> None:
        """Raise unless a token invites an address: InvitationNotFound, InvitationUsed, InvitationEmailMismatch."""
        self._acceptable_for(email, tx.execute(sql.by_token(digest(token), lock=False)).one_or_none())

    def join_new(self, tx: Tx, user: User, token: str, origin: Origin) -> User:
        """Make a user that is just signing up a member, in the transaction that makes the user; return it as it is then.

        The address need not be verified yet: only its owner was given the token.

        Raises:
            InvitationNotFound, InvitationUsed, InvitationEmailMismatch
        """
        return self._join(tx, user, token, origin, verified=False)[1].user

    def _join(self, tx: Tx, user: User, token: str, origin: Origin, *, verified: bool) -> tuple[Invitation, Member]:
        now, token_hash = self._clock.now(), digest(token)
        # The organisation first, as everywhere: its lock keeps the role from going away meanwhile.
        org_id = tx.execute(sql.org_of(token_hash)).scalar_one_or_none()
        if org_id is None or tx.execute(org_sql.by_ref(org_id, lock=True)).first() is None:
            raise InvitationNotFound
        invitation = self._acceptable_for(user.email, tx.execute(sql.by_token(token_hash, lock=True)).one_or_none())
        if verified and not user.email_verified:
            raise InvitationEmailMismatch(
                "your e-mail address is not verified, so the invitation cannot be matched with it",
                hint="Verify your e-mail address first.",
            )
        if tx.execute(org_sql.standing(org_id, user.id)).first():
            raise MembershipExists
        tx.execute(sql.mark_used(invitation.id, user.id, now))
        tx.execute(org_sql.insert_membership(user.id, org_id, invitation.role_id, now))
        tx.execute(user_sql.set_first_default_org(user.id, org_id, now))
        self._note(tx, "accepted", user.id, origin, invitation, email=invitation.email)
        self._audit.record(
            tx,
            "member.joined",
            origin,
            actor=user.id,
            org_id=org_id,
            resource=f"user:{user.id}",
            user_id=str(user.id),
            role=invitation.role_name,
        )
        tx.publish("auth.member.changed", MemberChanged(str(org_id), str(user.id), "joined", invitation.role_name))
        self._changes.announce(tx, changes.user(user.id))
        return invitation, member_of(tx.execute(org_sql.members_of(org_id, user.id)).one())

    def _acceptable(self, row: Row[Any] | None) -> Invitation:
        if row is None:
            raise InvitationNotFound
        invitation = _invitation(row, self._clock.now())
        if invitation.status == "accepted":
            raise InvitationUsed
        if invitation.status != "pending":
            raise InvitationNotFound
        return invitation

    def _acceptable_for(self, email: str, row: Row[Any] | None) -> Invitation:
        invitation = self._acceptable(row)
        if email.lower() != invitation.email.lower():
            raise InvitationEmailMismatch(hint="Sign in with the address the invitation was sent to.")
        return invitation

    def _one(self, tx: Tx, invitation_id: UUID) -> Invitation:
        return _invitation(tx.execute(sql.by_id(invitation_id)).one(), self._clock.now())

    def _org_of(self, tx: Tx, caller: Caller, invitation_id: UUID) -> str:
        row = tx.execute(sql.by_id(invitation_id)).one_or_none()
        # A stranger must not learn which invitations exist.
        if row is None or tx.execute(org_sql.standing(row.org_id, caller.user_id)).first() is None:
            raise InvitationNotFound
        return str(row.org_id)

    def _demand_calm(self, tx: Tx, org_id: UUID, inviter: UUID, address: str) -> None:
        """Keep an organisation, or somebody with many of them, from flooding an address, and anybody from mailing everybody."""
        rates = self._config.limits
        window = rates.mail_window_secs
        waits = [
            self._limiter.count(tx, limit)
            for limit in (
                limits.for_account("invite", f"{org_id}:{address}", rates.mail_per_account, window),
                limits.for_account("invited", address, rates.invitations_per_account, window),
                limits.Limit(f"invite:user:{inviter}", rates.invitations_per_user, window),
            )
        ]
        if any(waits):
            raise TooManyAttempts(max(waits))

    def _spend(self, origin: Origin) -> None:
        self._limiter.spend([limits.for_verification(self._config.limits, origin.address)])

    def _link(self, token: str) -> str:
        return f"{self._config.front_url}/?{urlencode({'invite_token': token})}"

    def _note(self, tx: Tx, change: str, actor: UUID, origin: Origin, invitation: Invitation, **details: Any) -> None:
        self._audit.record(
            tx,
            f"invitation.{change}",
            origin,
            actor=actor,
            org_id=invitation.org_id,
            resource=f"invitation:{invitation.id}",
            **details,
        )
        tx.publish("auth.invitation.changed", InvitationChanged(str(invitation.org_id), str(invitation.id), change))


def _invitation(row: Row[Any], now: datetime) -> Invitation:
    if row.used_at is not None:
        status = "accepted"
    elif row.revoked_at is not None:
        status = "revoked"
    else:
        status = "pending" if row.expires_at > now else "expired"
    return Invitation(
        id=row.id,
        email=row.email,
        org_id=row.org_id,
        org_name=row.org_name,
        org_slug=row.org_slug,
        role_id=row.role_id,
        role_name=row.role_name,
        status=status,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _is_meant(role_id: UUID, is_system: bool, name: str, wanted: UUID | None) -> bool:
    return role_id == wanted if wanted is not None else is_system and name == MEMBER


def _user(tx: Tx, user_id: UUID) -> User:
    row = tx.execute(user_sql.by_id(user_id)).one_or_none()
    if row is None:
        raise UserNotFound
    return user_of(row)
