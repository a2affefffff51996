"""Statements about passkeys and the challenges of their ceremonies."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Insert, Select, Update, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from reactor_auth.tables_factors import webauthn_challenges, webauthn_credentials

COLUMNS = (
    webauthn_credentials.c.id,
    webauthn_credentials.c.user_id,
    webauthn_credentials.c.credential_id,
    webauthn_credentials.c.public_key,
    webauthn_credentials.c.transports,
    webauthn_credentials.c.name,
    webauthn_credentials.c.created_at,
    webauthn_credentials.c.last_used_at,
)


def credentials_of(user_id: UUID, row_id: UUID | None = None) -> Select[Any]:
    """List a user's passkeys in order of registration, or find one of them."""
    statement = (
        select(*COLUMNS)
        .where(webauthn_credentials.c.user_id == user_id)
        .order_by(webauthn_credentials.c.created_at, webauthn_credentials.c.id)
    )
    return statement if row_id is None else statement.where(webauthn_credentials.c.id == row_id)


def by_credential_id(credential_id: bytes) -> Select[Any]:
    """Find a passkey by the id its authenticator gave it."""
    return select(*COLUMNS).where(webauthn_credentials.c.credential_id == credential_id)


def insert_credential(
    row_id: UUID,
    user_id: UUID,
    credential_id: bytes,
    public_key: bytes,
    aaguid: UUID,
    counter: int,
    transports: list[str],
    name: str | None,
    now: datetime,
) -> ReturningInsert[Any]:
    """Store a passkey; returns no row where the credential is known already, to whomever."""
    return (
        pg_insert(webauthn_credentials)
        .values(
            id=row_id,
            user_id=user_id,
            credential_id=credential_id,
            public_key=public_key,
            aaguid=aaguid,
            counter=counter,
            transports=transports,
            name=name,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[webauthn_credentials.c.credential_id])
        .returning(webauthn_credentials.c.id)
    )


def use(row_id: UUID, counter: int, now: datetime) -> ReturningUpdate[Any]:
    """Note a use; returns no row where the counter did not grow, as a copied authenticator's does not.

    An authenticator without a counter always says 0 (WebAuthn §6.1.1).
    """
    stored = webauthn_credentials.c.counter
    return (
        update(webauthn_credentials)
        .where(webauthn_credentials.c.id == row_id, stored < counter if counter else stored == 0)
        .values(counter=counter, last_used_at=now)
        .returning(webauthn_credentials.c.id)
    )


def rename(row_id: UUID, name: str) -> Update:
    """Give a passkey another name."""
    return update(webauthn_credentials).where(webauthn_credentials.c.id == row_id).values(name=name)


def delete_credential(row_id: UUID) -> Delete:
    """Remove a passkey."""
    return delete(webauthn_credentials).where(webauthn_credentials.c.id == row_id)


def insert_challenge(
    challenge_id: UUID,
    kind: str,
    challenge: bytes,
    now: datetime,
    expires_at: datetime,
    *,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    browser_id: UUID | None = None,
    name: str | None = None,
) -> Insert:
    """Begin a ceremony."""
    return insert(webauthn_challenges).values(
        id=challenge_id,
        challenge_type=kind,
        user_id=user_id,
        session_id=session_id,
        browser_id=browser_id,
        challenge=challenge,
        name=name,
        created_at=now,
        expires_at=expires_at,
    )


def challenge(challenge_id: UUID) -> Select[Any]:
    """Find a ceremony and lock it, so that it ends once."""
    return (
        select(
            webauthn_challenges.c.challenge_type,
            webauthn_challenges.c.user_id,
            webauthn_challenges.c.session_id,
            webauthn_challenges.c.browser_id,
            webauthn_challenges.c.challenge,
            webauthn_challenges.c.name,
            webauthn_challenges.c.expires_at,
            webauthn_challenges.c.consumed_at,
        )
        .where(webauthn_challenges.c.id == challenge_id)
        .with_for_update()
    )


def consume(challenge_id: UUID, now: datetime) -> Update:
    """End a ceremony."""
    return update(webauthn_challenges).where(webauthn_challenges.c.id == challenge_id).values(consumed_at=now)
