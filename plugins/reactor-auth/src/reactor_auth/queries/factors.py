"""Statements about second factors: authenticator apps, recovery codes, and what sessions know of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Text,
    Update,
    any_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from reactor_auth.tables import memberships, roles, sessions, users
from reactor_auth.tables_factors import mfa_factors, recovery_codes, webauthn_challenges, webauthn_credentials
from reactor_auth.tables_oauth import browser_sessions

COLUMNS = (
    mfa_factors.c.id,
    mfa_factors.c.factor_type,
    mfa_factors.c.friendly_name,
    mfa_factors.c.created_at,
    mfa_factors.c.verified_at,
    mfa_factors.c.last_used_at,
)


def has_factor(user_id: ColumnElement[UUID] | UUID) -> ColumnElement[bool]:
    """Whether a user has a verified authenticator app or a passkey."""
    app = select(mfa_factors.c.id).where(mfa_factors.c.user_id == user_id, mfa_factors.c.verified_at.is_not(None))
    passkey = select(webauthn_credentials.c.id).where(webauthn_credentials.c.user_id == user_id)
    return or_(app.exists(), passkey.exists())


def enrolled(user_id: UUID) -> Select[Any]:
    """Read whether a user has a second factor."""
    return select(has_factor(user_id))


def standing(user_id: UUID, session_id: UUID | None, browser_id: UUID | None = None) -> Select[Any]:
    """Read whether a user has a second factor, and when one was last verified in a live session or browser of the user."""
    if browser_id is not None:
        statement = select(browser_sessions.c.mfa_at).where(
            browser_sessions.c.id == browser_id, browser_sessions.c.user_id == user_id
        )
    else:
        statement = select(sessions.c.mfa_at).where(
            sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None)
        )
    verified_at = statement.scalar_subquery()
    return select(has_factor(user_id).label("enrolled"), verified_at.label("mfa_at"))


def owners_with_factor(org_id: UUID, owner: str) -> Select[Any]:
    """Count the enabled owners of an organisation that have a second factor."""
    return (
        select(func.count())
        .select_from(memberships)
        .join(roles, roles.c.id == memberships.c.role_id)
        .join(users, users.c.id == memberships.c.user_id)
        .where(
            memberships.c.org_id == org_id,
            roles.c.name == owner,
            roles.c.is_system,
            users.c.disabled_at.is_(None),
            has_factor(users.c.id),
        )
    )


def insert_factor(factor_id: UUID, user_id: UUID, friendly_name: str | None, sealed: str, now: datetime) -> Insert:
    """Enrol an authenticator app that has yet to prove itself."""
    return insert(mfa_factors).values(
        id=factor_id,
        user_id=user_id,
        factor_type="totp",
        friendly_name=friendly_name,
        secret=sealed,
        created_at=now,
    )


def factors_of(user_id: UUID, unverified_since: datetime) -> Select[Any]:
    """List a user's authenticator apps in order of enrolment; without those that never proved themselves in time."""
    return (
        select(*COLUMNS)
        .where(
            mfa_factors.c.user_id == user_id,
            or_(mfa_factors.c.verified_at.is_not(None), mfa_factors.c.created_at > unverified_since),
        )
        .order_by(mfa_factors.c.created_at, mfa_factors.c.id)
    )


def factor(user_id: UUID, factor_id: UUID, unverified_since: datetime) -> Select[Any]:
    """Find one authenticator app of a user with its sealed secret."""
    return (
        factors_of(user_id, unverified_since)
        .add_columns(mfa_factors.c.secret, mfa_factors.c.last_counter)
        .where(mfa_factors.c.id == factor_id)
    )


def accept_step(factor_id: UUID, step: int, now: datetime) -> ReturningUpdate[Any]:
    """Note a time step as used; returns no row where it or a later one was used before."""
    return (
        update(mfa_factors)
        .where(
            mfa_factors.c.id == factor_id,
            or_(mfa_factors.c.last_counter.is_(None), mfa_factors.c.last_counter < step),
        )
        .values(last_counter=step, verified_at=func.coalesce(mfa_factors.c.verified_at, now), last_used_at=now)
        .returning(mfa_factors.c.id)
    )


def delete_factor(factor_id: UUID) -> Delete:
    """Remove an authenticator app."""
    return delete(mfa_factors).where(mfa_factors.c.id == factor_id)


def delete_unverified(user_id: UUID) -> Delete:
    """Remove what a user began to enrol and never finished."""
    return delete(mfa_factors).where(mfa_factors.c.user_id == user_id, mfa_factors.c.verified_at.is_(None))


def unused_codes(user_id: UUID) -> Select[Any]:
    """Count a user's recovery codes that still work."""
    return (
        select(func.count())
        .select_from(recovery_codes)
        .where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
    )


def insert_codes(rows: list[dict[str, Any]]) -> Insert:
    """Store recovery codes by their hashes."""
    return insert(recovery_codes).values(rows)


def use_code(user_id: UUID, code_hash: bytes, now: datetime) -> ReturningUpdate[Any]:
    """Use a recovery code up; returns no row where there is none, or it was used before."""
    return (
        update(recovery_codes)
        .where(
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.code_hash == code_hash,
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(recovery_codes.c.id)
    )


def delete_codes(user_id: UUID) -> Delete:
    """Make every recovery code of a user worthless."""
    return delete(recovery_codes).where(recovery_codes.c.user_id == user_id)


def step_up(session_id: UUID, user_id: UUID, method: str, now: datetime) -> ReturningUpdate[Any]:
    """Note in a live session that a second factor was verified; returns its new `amr` and its beginning, or no row."""
    return (
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
        .values(mfa_at=now, step_up_at=now, last_seen_at=now, amr=_with_method(sessions.c.amr, method))
        .returning(sessions.c.amr, sessions.c.created_at)
    )


def step_up_browser(browser_id: UUID, user_id: UUID, method: str, now: datetime) -> ReturningUpdate[Any]:
    """Note in a browser that a second factor was verified; returns no row where it is signed out."""
    return (
        update(browser_sessions)
        .where(
            browser_sessions.c.id == browser_id,
            browser_sessions.c.user_id == user_id,
            browser_sessions.c.expires_at > now,
        )
        .values(mfa_at=now, amr=_with_method(browser_sessions.c.amr, method))
        .returning(browser_sessions.c.id)
    )


def _with_method(amr: Column[Any], method: str) -> ColumnElement[list[str]]:
    added = literal(method, Text)
    return case((added == any_(amr), amr), else_=func.array_append(amr, added))


def step_down(user_id: UUID, methods: tuple[str, ...], *, keep: UUID | None) -> Update:
    """Take the second factor from a user's sessions, all or all but `keep`.

    The first element of `amr` says how the session was opened and stays.
    """
    rest: ColumnElement[list[str]] = text("amr[2:]")  # type: ignore[assignment]
    for method in methods:
        rest = func.array_remove(rest, method)
    statement = (
        update(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.mfa_at.is_not(None))
        .values(mfa_at=None, step_up_at=None, amr=func.array_cat(text("amr[1:1]"), rest))
    )
    return statement if keep is None else statement.where(sessions.c.id != keep)


def role_names(org_id: UUID) -> Select[Any]:
    """List the names of an organisation's roles."""
    return select(roles.c.name).where(roles.c.org_id == org_id)


def demand_of_roles(org_id: UUID, names: list[str]) -> Update:
    """Demand a second factor of exactly these roles of an organisation."""
    return update(roles).where(roles.c.org_id == org_id).values(mfa_required=roles.c.name.in_(names))


def over_challenges(expired_before: datetime, limit: int) -> Delete:
    """Delete ceremonies that nobody can finish any more."""
    doomed = (
        select(webauthn_challenges.c.id)
        .where(webauthn_challenges.c.expires_at <= expired_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(webauthn_challenges).where(webauthn_challenges.c.id.in_(doomed))


def never_verified(enrolled_before: datetime, limit: int) -> Delete:
    """Delete authenticator apps that never proved themselves."""
    doomed = (
        select(mfa_factors.c.id)
        .where(mfa_factors.c.verified_at.is_(None), mfa_factors.c.created_at <= enrolled_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(mfa_factors).where(mfa_factors.c.id.in_(doomed))
