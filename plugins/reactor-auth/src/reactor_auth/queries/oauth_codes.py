"""Statements about authorization codes, browsers that signed in, and devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Select, Table, Update, delete, insert, select, update
from sqlalchemy.sql.dml import Insert, ReturningDelete

from reactor_auth.queries.users import COLUMNS as USER_COLUMNS
from reactor_auth.tables import users
from reactor_auth.tables_oauth import authorization_codes, browser_sessions, device_codes

EXPIRING = (authorization_codes, browser_sessions, device_codes)


def insert_code(values: dict[str, Any]) -> Insert:
    """Store an authorization code by its hash."""
    return insert(authorization_codes).values(**values)


def presented_code(code_hash: bytes) -> Select[Any]:
    """Find a presented code with its user, and lock it."""
    code = authorization_codes.c
    return (
        select(
            code.id.label("code_id"),
            code.client_id,
            code.redirect_uri,
            code.scopes,
            code.code_challenge,
            code.nonce,
            code.amr,
            code.auth_time,
            code.mfa_at,
            code.expires_at,
            code.used_at,
            code.session_id,
            *USER_COLUMNS,
        )
        .join(users, users.c.id == code.user_id)
        .where(code.code_hash == code_hash)
        .with_for_update(of=authorization_codes)
    )


def use_code(code_id: UUID, now: datetime) -> Update:
    """Burn a code."""
    return update(authorization_codes).where(authorization_codes.c.id == code_id).values(used_at=now)


def note_session(code_id: UUID, session_id: UUID) -> Update:
    """Note which session a code gave."""
    return update(authorization_codes).where(authorization_codes.c.id == code_id).values(session_id=session_id)


def insert_browser(values: dict[str, Any]) -> Insert:
    """Remember a browser by the hash of its cookie."""
    return insert(browser_sessions).values(**values)


def browser(token_hash: bytes, now: datetime) -> Select[Any]:
    """Find a browser that is still signed in, with its user."""
    return _browsers(now).where(browser_sessions.c.token_hash == token_hash)


def hold_browser(browser_id: UUID, now: datetime) -> Select[Any]:
    """Lock a browser that is still signed in, so that it neither ends meanwhile nor decides twice at once."""
    return _browsers(now).where(browser_sessions.c.id == browser_id).with_for_update(of=browser_sessions)


def _browsers(now: datetime) -> Select[Any]:
    return (
        select(
            browser_sessions.c.id.label("browser_id"),
            browser_sessions.c.amr,
            browser_sessions.c.auth_time,
            browser_sessions.c.mfa_at,
            *USER_COLUMNS,
        )
        .join(users, users.c.id == browser_sessions.c.user_id)
        .where(browser_sessions.c.expires_at > now, users.c.disabled_at.is_(None))
    )


def end_browser(token_hash: bytes) -> ReturningDelete[Any]:
    """Forget one browser."""
    return (
        delete(browser_sessions)
        .where(browser_sessions.c.token_hash == token_hash)
        .returning(browser_sessions.c.id, browser_sessions.c.user_id)
    )


def end_browsers_of(user_id: UUID) -> Delete:
    """Forget every browser of a user."""
    return delete(browser_sessions).where(browser_sessions.c.user_id == user_id)


def end_pending_of(user_id: UUID) -> tuple[Delete, Delete]:
    """Forget the codes and the approved devices of a user that wait to become sessions.

    Codes that were used stay: they tell a second use. Whoever is exchanging one holds its row, so that what comes of it
    is there to be ended once these statements are through.
    """
    codes, devices = authorization_codes.c, device_codes.c
    return (
        delete(authorization_codes).where(codes.user_id == user_id, codes.used_at.is_(None)),
        delete(device_codes).where(devices.user_id == user_id, devices.status == "approved"),
    )


def end_pending_for(user_id: UUID, client_id: str) -> tuple[Delete, Delete]:
    """Forget what of a user waits to become a session of one client; see `end_pending_of`."""
    codes, devices = end_pending_of(user_id)
    return (
        codes.where(authorization_codes.c.client_id == client_id),
        devices.where(device_codes.c.client_id == client_id),
    )


def insert_device(values: dict[str, Any]) -> Insert:
    """Store a device's codes by their hashes."""
    return insert(device_codes).values(**values)


def polled_device(device_code_hash: bytes) -> Select[Any]:
    """Find the device that asks, and lock it."""
    return select(*device_codes.c).where(device_codes.c.device_code_hash == device_code_hash).with_for_update()


def waiting_device(user_code_hash: bytes, now: datetime, *, lock: bool = False) -> Select[Any]:
    """Find a device nobody has decided about yet."""
    statement = select(*device_codes.c).where(
        device_codes.c.user_code_hash == user_code_hash,
        device_codes.c.status == "pending",
        device_codes.c.expires_at > now,
    )
    return statement.with_for_update() if lock else statement


def change_device(device_id: UUID, **values: Any) -> Update:
    """Set columns of a device."""
    return update(device_codes).where(device_codes.c.id == device_id).values(**values)


def expired(table: Table, before: datetime, limit: int) -> Delete:
    """Delete codes, browsers or devices that expired."""
    doomed = select(table.c.id).where(table.c.expires_at < before).limit(limit).with_for_update(skip_locked=True)
    return delete(table).where(table.c.id.in_(doomed))
