"""Platform scopes: what a user holds outside of any organisation."""

from __future__ import annotations

from uuid import UUID

from reactor_kernel.api import Tx


def platform_scopes_of(tx: Tx, user_id: UUID) -> frozenset[str]:
    """Return the platform permissions of a user; nobody has any while there are no platform roles."""
    return frozenset()
