"""What authenticator apps and passkeys share: whose they are, how many, and what a session has from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from reactor_auth import totp
from reactor_auth.errors import FactorLimitReached, PermissionDenied, SessionRevoked, UserDisabled, UserNotFound
from reactor_auth.events import UserUpdated
from reactor_auth.model import Caller, Tokens, User
from reactor_auth.queries import factors as sql
from reactor_auth.queries import passkeys as passkey_sql
from reactor_auth.queries import users as user_sql
from reactor_auth.queries import ways_in
from reactor_auth.service.letters import Letters
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Sessions
from reactor_kernel.api import Tx, uuid7

MAX_FACTORS = 10
# How long an enrolled app has to prove itself.
UNVERIFIED_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor as its owner sees it; `kind` is `totp` or `webauthn`."""

    id: UUID
    kind: str
    name: str | None
    created_at: datetime
    verified_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs; shown once."""

    factor_id: UUID
    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StepUpDone:
    """Fresh tokens of the same session, and recovery codes where this was the account's first factor."""

    tokens: Tokens
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


def session_of(caller: Caller) -> UUID:
    """Return the caller's session. Raises PermissionDenied for a caller without one, such as an API key."""
    if caller.session_id is None:
        raise PermissionDenied("only a signed-in user may do this")
    return caller.session_id


def place_of(caller: Caller) -> str:
    """Return what audit rows call the caller's session or browser."""
    return f"session:{caller.session_id}" if caller.browser_id is None else f"browser_session:{caller.browser_id}"


def note_in_browser(tx: Tx, caller: Caller, method: str, now: datetime) -> None:
    """Note that a second factor was verified in the caller's browser. Raises SessionRevoked where it is signed out."""
    if caller.browser_id is None:
        raise PermissionDenied("only somebody on the pages of this server may do this")
    if tx.execute(sql.step_up_browser(caller.browser_id, caller.user_id, method, now)).one_or_none() is None:
        raise SessionRevoked


def lock_user(tx: Tx, caller: Caller) -> User:
    """Lock the caller's row, so that changes of its factors follow one another.

    Raises:
        PermissionDenied, UserNotFound, UserDisabled
    """
    if caller.browser_id is None:
        session_of(caller)
    row = tx.execute(user_sql.by_id(caller.user_id, lock=True)).one_or_none()
    if row is None:
        raise UserNotFound
    if row.disabled_at is not None:
        raise UserDisabled
    return user_of(row)


def demand_room(tx: Tx, user_id: UUID, unverified_since: datetime) -> None:
    """Raise FactorLimitReached where the account may have no further factor."""
    apps = tx.execute(sql.factors_of(user_id, unverified_since)).all()
    passkeys = tx.execute(passkey_sql.credentials_of(user_id)).all()
    if len(apps) + len(passkeys) >= MAX_FACTORS:
        raise FactorLimitReached(f"an account may have at most {MAX_FACTORS} second factors")


def issue_first_codes(tx: Tx, user_id: UUID, now: datetime) -> list[str]:
    """Make recovery codes for an account that has none left."""
    return [] if tx.execute(sql.unused_codes(user_id)).scalar_one() else replace_codes(tx, user_id, now)


def replace_codes(tx: Tx, user_id: UUID, now: datetime) -> list[str]:
    """Make a new set of recovery codes in the place of the old one."""
    codes = totp.new_recovery_codes()
    tx.execute(sql.delete_codes(user_id))
    rows = [
        {"id": uuid7(), "user_id": user_id, "code_hash": totp.recovery_hash(user_id, code), "created_at": now}
        for code in codes
    ]
    tx.execute(sql.insert_codes(rows))
    return codes


def forget_factor(tx: Tx, sessions: Sessions, caller: Caller) -> None:
    """Undo what a removed factor did: for other sessions, and for all of them where it was the last one."""
    if tx.execute(sql.enrolled(caller.user_id)).scalar_one():
        sessions.step_down(tx, caller.user_id, keep=caller.session_id)
    else:
        tx.execute(sql.delete_codes(caller.user_id))
        sessions.step_down(tx, caller.user_id)


def remove_all(tx: Tx, sessions: Sessions, letters: Letters, user: User) -> dict[str, int]:
    """Remove every second factor and recovery code of a user whose row is locked, on somebody else's behalf.

    All sessions forget that a factor was verified in them, and the owner is told. The caller writes the audit row.
    Returns how many of each kind there were; nothing follows where there were none.
    """
    counts = {name: tx.execute(statement).rowcount for name, statement in ways_in.factors(user.id).items()}
    removed = {name: count for name, count in counts.items() if count}
    if removed:
        sessions.step_down(tx, user.id)
        letters.factors_changed(tx, user, "All second factors and recovery codes were removed by an administrator.")
        tx.publish("auth.user.updated", UserUpdated(str(user.id), ["factors"]))
    return removed
