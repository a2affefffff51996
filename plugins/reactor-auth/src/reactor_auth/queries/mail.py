"""Statements about mail that is asked for, waits or was sent. What an idle server asks is in `outbox`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Insert, Select, Update, delete, insert, select, update

from reactor_auth.tables import mail_outbox, mail_requests


def insert_mail(
    mail_id: UUID,
    template: str,
    recipient: str,
    subject_user: UUID | None,
    sealed: str,
    now: datetime,
    expires_at: datetime | None,
) -> Insert:
    """Put a mail into the outbox."""
    return insert(mail_outbox).values(
        id=mail_id,
        template=template,
        recipient=recipient,
        subject_user=subject_user,
        variables_sealed=sealed,
        state="queued",
        attempts=0,
        due_at=now,
        expires_at=expires_at,
        created_at=now,
    )


def listed(limit: int, recipient: str | None) -> Select[Any]:
    """List mails, newest first."""
    statement = select(mail_outbox).order_by(mail_outbox.c.created_at.desc(), mail_outbox.c.id.desc()).limit(limit)
    return statement if recipient is None else statement.where(mail_outbox.c.recipient == recipient)


def finished(before: datetime, limit: int) -> Delete:
    """Delete mails that were finished long ago."""
    doomed = (
        select(mail_outbox.c.id)
        .where(mail_outbox.c.finished_at < before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(mail_outbox).where(mail_outbox.c.id.in_(doomed))


def insert_request(
    request_id: UUID,
    kind: str,
    email: str,
    details: dict[str, Any],
    ip: str | None,
    user_agent: str | None,
    now: datetime,
) -> Insert:
    """Note that somebody asked for a mail."""
    return insert(mail_requests).values(
        id=request_id,
        kind=kind,
        email=email,
        details=details,
        ip=ip,
        user_agent=user_agent,
        attempts=0,
        due_at=now,
        created_at=now,
    )


def due_request(now: datetime) -> Select[Any]:
    """Lock the request that waits longest and that nobody else works on."""
    return (
        select(mail_requests)
        .where(mail_requests.c.due_at <= now)
        .order_by(mail_requests.c.due_at, mail_requests.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def remove_request(request_id: UUID) -> Delete:
    """Remove a request that was met."""
    return delete(mail_requests).where(mail_requests.c.id == request_id)


def postpone_request(request_id: UUID, due_at: datetime) -> Update:
    """Answer a request later, and count the attempt."""
    return (
        update(mail_requests)
        .where(mail_requests.c.id == request_id)
        .values(due_at=due_at, attempts=mail_requests.c.attempts + 1)
    )
