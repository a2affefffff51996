"""Statements that shut every way into an account but its address."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Delete, Update, delete, update

from reactor_auth.tables_access import api_keys
from reactor_auth.tables_factors import webauthn_credentials
from reactor_auth.tables_identities import identities


def shut(user_id: UUID, now: datetime) -> tuple[Delete | Update, ...]:
    """Remove a user's passkeys and identities, and revoke the API keys: each signs in by itself.

    Authenticator apps stay. They let nobody in, and a second factor must not fall to whoever reads the mail.
    """
    return (
        delete(webauthn_credentials).where(webauthn_credentials.c.user_id == user_id),
        delete(identities).where(identities.c.user_id == user_id),
        update(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None)).values(revoked_at=now),
    )
