"""Statements about custom roles."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Select, Update, delete, func, select, update

from reactor_auth.tables import memberships, role_permissions, roles
from reactor_auth.tables_access import invitations


def name_is_taken(org_id: UUID, name: str, by_other_than: UUID) -> Select[Any]:
    """Find another role of an organisation with this name, without regard to case."""
    return select(roles.c.id).where(
        roles.c.org_id == org_id, func.lower(roles.c.name) == func.lower(name), roles.c.id != by_other_than
    )


def change(role_id: UUID, values: dict[str, Any]) -> Update:
    """Set columns of a role."""
    return update(roles).where(roles.c.id == role_id).values(**values)


def delete_permissions(role_id: UUID) -> Delete:
    """Take every permission from a role."""
    return delete(role_permissions).where(role_permissions.c.role_id == role_id)


def delete_role(role_id: UUID) -> Delete:
    """Delete a role with its permissions and past invitations."""
    return delete(roles).where(roles.c.id == role_id)


def uses(role_id: UUID, now: Any) -> Select[Any]:
    """Count the members of a role, and the invitations to it that may still be accepted."""
    members = select(func.count()).select_from(memberships).where(memberships.c.role_id == role_id)
    invited = (
        select(func.count())
        .select_from(invitations)
        .where(
            invitations.c.role_id == role_id,
            invitations.c.used_at.is_(None),
            invitations.c.revoked_at.is_(None),
            invitations.c.expires_at > now,
        )
    )
    return select(members.scalar_subquery().label("members"), invited.scalar_subquery().label("invitations"))
