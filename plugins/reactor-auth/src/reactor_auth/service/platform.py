"""Platform scopes: what a user holds outside of any organisation."""

from __future__ import annotations

from uuid import UUID

from reactor_auth.queries import operators as sql
from reactor_kernel.api import Tx


def platform_scopes_of(tx: Tx, user_id: UUID) -> frozenset[str]:
    """Return the platform permissions of a user, by all of its platform roles."""
    return frozenset(tx.execute(sql.scopes(user_id)).scalars())
