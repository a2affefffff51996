"""Statements about invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, Insert, Select, Update, delete, func, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from reactor_auth.tables import memberships, orgs, roles, users
from reactor_auth.tables_access import invitations

_OPEN = (invitations.c.used_at.is_(None), invitations.c.revoked_at.is_(None))
_SHOWN = (
    invitations,
    orgs.c.name.label("org_name"),
    orgs.c.slug.label("org_slug"),
    roles.c.name.label("role_name"),
)


def _joined() -> Select[Any]:
    return (
        select(*_SHOWN).join(orgs, orgs.c.id == invitations.c.org_id).join(roles, roles.c.id == invitations.c.role_id)
    )


def insert_invitation(
    invitation_id: UUID,
    token_hash: bytes,
    email: str,
    org_id: UUID,
    role_id: UUID,
    invited_by: UUID,
    now: datetime,
    expires_at: datetime,
) -> Insert:
    """Invite an address."""
    return insert(invitations).values(
        id=invitation_id,
        token_hash=token_hash,
        email=email,
        org_id=org_id,
        role_id=role_id,
        invited_by=invited_by,
        created_at=now,
        expires_at=expires_at,
    )


def by_id(invitation_id: UUID) -> Select[Any]:
    """Read an invitation with the names it concerns."""
    return _joined().where(invitations.c.id == invitation_id)


def by_token(token_hash: bytes, *, lock: bool) -> Select[Any]:
    """Find an invitation by its token, whatever its state; the lock lets it be accepted once only."""
    statement = _joined().where(invitations.c.token_hash == token_hash)
    return statement.with_for_update(of=invitations) if lock else statement


def org_of(token_hash: bytes) -> Select[Any]:
    """Find the organisation of an invitation by its token."""
    return select(invitations.c.org_id).where(invitations.c.token_hash == token_hash)


def pending_of_org(org_id: UUID, now: datetime) -> Select[Any]:
    """List the invitations of an organisation that may be accepted, newest first."""
    return _newest(_joined().where(invitations.c.org_id == org_id, *_OPEN, invitations.c.expires_at > now))


def pending_of_address(email: str, now: datetime) -> Select[Any]:
    """List the invitations of an address that may be accepted, newest first."""
    return _newest(
        _joined().where(func.lower(invitations.c.email) == email.lower(), *_OPEN, invitations.c.expires_at > now)
    )


def replace_open(org_id: UUID, email: str, now: datetime) -> ReturningUpdate[Any]:
    """Withdraw what an address has been invited with so far."""
    return _revoked(now, invitations.c.org_id == org_id, func.lower(invitations.c.email) == email.lower())


def revoke(org_id: UUID, invitation_id: UUID, now: datetime) -> ReturningUpdate[Any]:
    """Withdraw an invitation that may still be accepted."""
    return _revoked(
        now, invitations.c.org_id == org_id, invitations.c.id == invitation_id, invitations.c.expires_at > now
    )


def mark_used(invitation_id: UUID, user_id: UUID, now: datetime) -> Update:
    """Note who accepted."""
    return update(invitations).where(invitations.c.id == invitation_id).values(used_at=now, used_by=user_id)


def member_with_address(org_id: UUID, email: str) -> Select[Any]:
    """Find a member by address."""
    return (
        select(users.c.id)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.org_id == org_id, func.lower(users.c.email) == email.lower())
    )


def past(expired_before: datetime, limit: int) -> Delete:
    """Delete invitations nobody can accept any more; they hold addresses of people who may never have come."""
    doomed = (
        select(invitations.c.id)
        .where(invitations.c.expires_at < expired_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(invitations).where(invitations.c.id.in_(doomed))


def _newest(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(invitations.c.created_at.desc(), invitations.c.id.desc())


def _revoked(now: datetime, *which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    return (
        update(invitations)
        .where(*which, *_OPEN)
        .values(revoked_at=now)
        .returning(invitations.c.id, invitations.c.email)
    )
