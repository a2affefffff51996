"""Statements about one-time tokens and codes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Insert, Select, Update, delete, insert, select, update

from reactor_auth.tables import verification_tokens

_TOKENS = verification_tokens.c


def insert_token(
    token_id: UUID,
    user_id: UUID | None,
    email: str,
    token_hash: bytes,
    token_type: str,
    code_mac: bytes | None,
    now: datetime,
    expires_at: datetime,
) -> Insert:
    """Store a token by its hash."""
    return insert(verification_tokens).values(
        id=token_id,
        user_id=user_id,
        email=email,
        token_hash=token_hash,
        token_type=token_type,
        code_mac=code_mac,
        attempts=0,
        created_at=now,
        expires_at=expires_at,
    )


def live(token_hash: bytes, types: Collection[str], now: datetime, *, lock: bool = False) -> Select[Any]:
    """Find a token that can still be used."""
    statement = select(verification_tokens).where(
        _TOKENS.token_hash == token_hash,
        _TOKENS.token_type.in_(types),
        _TOKENS.used_at.is_(None),
        _TOKENS.expires_at > now,
    )
    return statement.with_for_update() if lock else statement


def live_code(email: str, now: datetime, *, lock: bool = False) -> Select[Any]:
    """Find the newest code of an address that can still be used."""
    statement = (
        select(verification_tokens)
        .where(
            _TOKENS.email == email,
            _TOKENS.code_mac.is_not(None),
            _TOKENS.used_at.is_(None),
            _TOKENS.expires_at > now,
        )
        .order_by(_TOKENS.created_at.desc(), _TOKENS.id.desc())
        .limit(1)
    )
    return statement.with_for_update() if lock else statement


def use(token_id: UUID, now: datetime) -> Update:
    """Mark a token used."""
    return update(verification_tokens).where(_TOKENS.id == token_id).values(used_at=now)


def count_attempt(token_id: UUID) -> Update:
    """Count a wrong code."""
    return update(verification_tokens).where(_TOKENS.id == token_id).values(attempts=_TOKENS.attempts + 1)


def retire_of_user(user_id: UUID, types: Collection[str] | None, now: datetime) -> Update:
    """Mark a user's tokens used, of some types or all."""
    statement = update(verification_tokens).where(_TOKENS.user_id == user_id, _TOKENS.used_at.is_(None))
    if types is not None:
        statement = statement.where(_TOKENS.token_type.in_(types))
    return statement.values(used_at=now)


def retire_codes(email: str, now: datetime) -> Update:
    """Mark earlier codes of an address used, so that only one can be guessed at."""
    return (
        update(verification_tokens)
        .where(_TOKENS.email == email, _TOKENS.code_mac.is_not(None), _TOKENS.used_at.is_(None))
        .values(used_at=now)
    )


def expired(before: datetime, limit: int) -> Delete:
    """Delete tokens that expired."""
    doomed = select(_TOKENS.id).where(_TOKENS.expires_at < before).limit(limit).with_for_update(skip_locked=True)
    return delete(verification_tokens).where(_TOKENS.id.in_(doomed))
