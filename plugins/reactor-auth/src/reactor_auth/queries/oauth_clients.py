"""Statements about OAuth clients and consents."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.dml import Insert, ReturningDelete, ReturningInsert, ReturningUpdate

from reactor_auth.tables import sessions
from reactor_auth.tables_oauth import oauth_clients, oauth_consents, oauth_sessions

COLUMNS = tuple(oauth_clients.c)


def insert_client(values: dict[str, Any]) -> ReturningInsert[Any]:
    """Register a client."""
    return insert(oauth_clients).values(**values).returning(*COLUMNS)


def by_id(client_id: str, *, lock: bool = False) -> Select[Any]:
    """Find a client."""
    statement = select(*COLUMNS).where(oauth_clients.c.client_id == client_id)
    return statement.with_for_update(key_share=True) if lock else statement


def of_org(org_id: UUID) -> Select[Any]:
    """List the clients of an organisation, newest first."""
    return (
        select(*COLUMNS)
        .where(oauth_clients.c.org_id == org_id)
        .order_by(oauth_clients.c.created_at.desc(), oauth_clients.c.client_id)
    )


def count(org_id: UUID) -> Select[Any]:
    """Count the clients of an organisation."""
    return select(func.count()).where(oauth_clients.c.org_id == org_id)


def change(client_id: str, values: dict[str, Any], now: datetime) -> ReturningUpdate[Any]:
    """Set columns of a client."""
    return (
        update(oauth_clients)
        .where(oauth_clients.c.client_id == client_id)
        .values(**values, updated_at=now)
        .returning(*COLUMNS)
    )


def delete_client(client_id: str) -> Delete:
    """Delete a client with its consents."""
    return delete(oauth_clients).where(oauth_clients.c.client_id == client_id)


def live_sessions_of(client_id: str, user_id: UUID | None = None) -> Select[Any]:
    """Lock the live sessions that were opened for a client, in order of id."""
    statement = (
        select(sessions.c.id, sessions.c.user_id)
        .join(oauth_sessions, oauth_sessions.c.session_id == sessions.c.id)
        .where(oauth_sessions.c.client_id == client_id, sessions.c.revoked_at.is_(None))
    )
    if user_id is not None:
        statement = statement.where(sessions.c.user_id == user_id)
    return statement.order_by(sessions.c.id).with_for_update(of=sessions, key_share=True)


def live_sessions_of_org(org_id: UUID) -> Select[Any]:
    """Lock the live sessions that were opened for the clients of an organisation, in order of id."""
    return (
        select(sessions.c.id, sessions.c.user_id)
        .join(oauth_sessions, oauth_sessions.c.session_id == sessions.c.id)
        .join(oauth_clients, oauth_clients.c.client_id == oauth_sessions.c.client_id)
        .where(oauth_clients.c.org_id == org_id, sessions.c.revoked_at.is_(None))
        .order_by(sessions.c.id)
        .with_for_update(of=sessions, key_share=True)
    )


def bind_session(session_id: UUID, client_id: str, scopes: list[str], amr: list[str], auth_time: datetime) -> Insert:
    """Note what a session was opened for."""
    return insert(oauth_sessions).values(
        session_id=session_id, client_id=client_id, scopes=scopes, amr=amr, auth_time=auth_time
    )


def binding(session_id: UUID) -> Select[Any]:
    """Read what a session was opened for."""
    return select(*oauth_sessions.c).where(oauth_sessions.c.session_id == session_id)


def consent(user_id: UUID, client_id: str, *, lock: bool = False) -> Select[Any]:
    """Read what a user allowed a client."""
    statement = select(oauth_consents.c.scopes, oauth_consents.c.granted_at).where(
        oauth_consents.c.user_id == user_id, oauth_consents.c.client_id == client_id
    )
    return statement.with_for_update() if lock else statement


def consents_of(user_id: UUID) -> Select[Any]:
    """List what a user allowed, newest first, with the clients."""
    return (
        select(*COLUMNS, oauth_consents.c.scopes.label("allowed"), oauth_consents.c.granted_at)
        .join(oauth_consents, oauth_consents.c.client_id == oauth_clients.c.client_id)
        .where(oauth_consents.c.user_id == user_id)
        .order_by(oauth_consents.c.granted_at.desc(), oauth_clients.c.client_id)
    )


def allow(user_id: UUID, client_id: str, scopes: list[str], now: datetime) -> Insert:
    """Remember a consent, in the place of an earlier one."""
    statement = pg_insert(oauth_consents).values(user_id=user_id, client_id=client_id, scopes=scopes, granted_at=now)
    return statement.on_conflict_do_update(
        index_elements=[oauth_consents.c.user_id, oauth_consents.c.client_id],
        set_={"scopes": scopes, "granted_at": now},
    )


def withdraw(user_id: UUID, client_id: str) -> ReturningDelete[Any]:
    """Forget a consent."""
    return (
        delete(oauth_consents)
        .where(oauth_consents.c.user_id == user_id, oauth_consents.c.client_id == client_id)
        .returning(oauth_consents.c.client_id)
    )
