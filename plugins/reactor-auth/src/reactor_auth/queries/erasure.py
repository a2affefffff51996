"""Statements that end deleted accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Select, Update, delete, exists, null, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import literal

from reactor_auth.tables import (
    audit_events,
    mail_outbox,
    mail_requests,
    memberships,
    sessions,
    users,
    verification_tokens,
)
from reactor_auth.tables_access import api_keys, invitations
from reactor_auth.tables_factors import webauthn_credentials
from reactor_auth.tables_identities import identities
from reactor_auth.tables_operators import ops_audit_log


def due(deleted_before: datetime) -> Select[Any]:
    """Lock a deleted account whose time has come.

    One that was enabled since is not deleted any more, even if it was disabled again: that was not its owner's wish.
    """
    return (
        select(users.c.id, users.c.email)
        .where(users.c.deleted_at <= deleted_before, users.c.disabled_at == users.c.deleted_at)
        .order_by(users.c.deleted_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def abandoned(unseen_since: datetime) -> Select[Any]:
    """Lock a user without an address, without another way in, in no organisation, and last seen before an instant."""
    owned = (
        exists().where(table.c.user_id == users.c.id)
        for table in (memberships, identities, webauthn_credentials, api_keys)
    )
    seen = exists().where(
        sessions.c.user_id == users.c.id,
        or_(sessions.c.last_seen_at > unseen_since, sessions.c.created_at > unseen_since),
    )
    return (
        select(users.c.id, users.c.email)
        .where(
            users.c.email.is_(None),
            users.c.password_hash.is_(None),
            users.c.created_at <= unseen_since,
            ~seen,
            *(~some for some in owned),
        )
        .order_by(users.c.created_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=users)
    )


def forget_address(email: str) -> tuple[Delete | Update, ...]:
    """Delete what was mailed to an address, asked for it, or invited it."""
    invited = audit_events.c.event_type.startswith("invitation.") & (audit_events.c.details["email"].astext == email)
    return (
        delete(invitations).where(invitations.c.email == email),
        update(audit_events).where(invited).values(details=literal({}, JSONB)),
        delete(mail_outbox).where(mail_outbox.c.recipient == email),
        delete(mail_requests).where(mail_requests.c.email == email),
        delete(verification_tokens).where(verification_tokens.c.email == email),
    )


def blank_audit(user_id: UUID) -> Update:
    """Take what describes a person out of the audit rows of a user."""
    mine = or_(audit_events.c.actor_user_id == user_id, audit_events.c.resource == f"user:{user_id}")
    return update(audit_events).where(mine).values(ip=null(), user_agent=null(), details=literal({}, JSONB))


def blank_operations(user_id: UUID) -> Update:
    """Take what describes a person out of the operators' log; that an operator did something stays."""
    mine = ops_audit_log.c.actor_user_id == user_id
    return update(ops_audit_log).where(mine).values(actor_ip=null(), actor_user_agent=null())


def remove(user_id: UUID) -> Delete:
    """Delete a user with everything that hangs on it."""
    return delete(users).where(users.c.id == user_id)
