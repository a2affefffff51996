"""Statements that shut every way into an account but its address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Delete, delete, update
from sqlalchemy.sql.dml import ReturningUpdate

from reactor_auth.tables_access import api_keys
from reactor_auth.tables_factors import mfa_factors, recovery_codes, webauthn_credentials
from reactor_auth.tables_identities import identities
from reactor_auth.tables_oauth import oauth_consents


def factors(user_id: UUID) -> Mapping[str, Delete]:
    """Remove a user's second factors, by what they are called in the audit log."""
    return {
        "authenticator_apps": delete(mfa_factors).where(mfa_factors.c.user_id == user_id),
        "passkeys": delete(webauthn_credentials).where(webauthn_credentials.c.user_id == user_id),
        "recovery_codes": delete(recovery_codes).where(recovery_codes.c.user_id == user_id),
    }


def ways_in(user_id: UUID) -> Mapping[str, Delete]:
    """Remove whatever somebody else may have prepared to come back by, or to keep the owner out, likewise named.

    A consent lets an application in without the owner being asked.
    """
    return {
        **factors(user_id),
        "identities": delete(identities).where(identities.c.user_id == user_id),
        "consents": delete(oauth_consents).where(oauth_consents.c.user_id == user_id),
    }


def revoke_keys(user_id: UUID, now: datetime) -> ReturningUpdate[tuple[UUID, UUID]]:
    """Revoke a user's API keys; returns those that still worked."""
    return (
        update(api_keys)
        .where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(api_keys.c.id, api_keys.c.org_id)
    )
