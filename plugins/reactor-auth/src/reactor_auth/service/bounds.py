"""What is left of a user's standing to a credential that may do less."""

from __future__ import annotations

from dataclasses import replace

from reactor_auth.errors import NotOrgMember, PermissionDenied
from reactor_auth.model import Bounds, Standing
from reactor_auth.scopes import beyond, intersect
from reactor_kernel.api import grants


def confined(standing: Standing, bounds: Bounds, needs: str | None) -> Standing:
    """Return what both the role and the bounds allow.

    The powers that come with a role's name are left only where the bounds cover all that the role may do.

    Raises:
        NotOrgMember: the bounds name another organisation.
        PermissionDenied: the permission `needs` is not left.
    """
    if bounds.org_id != standing.org.id:
        raise NotOrgMember
    permissions = intersect(standing.permissions, bounds.permissions)
    if needs is not None and not grants(permissions, needs):
        raise PermissionDenied(f"this credential needs the permission {needs}", details={"missing": [needs]})
    whole = not beyond(standing.permissions, bounds.permissions)
    return replace(standing, permissions=permissions, role_name=standing.role_name if whole else "")
