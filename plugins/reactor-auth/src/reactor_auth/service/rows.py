"""From rows to values."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from reactor_auth.model import Member, Org, Role, User


def user_of(row: Row[Any]) -> User:
    """Read a user from a row that holds its columns."""
    return User(
        id=row.id,
        email=row.email or "",
        email_verified=row.email_verified,
        metadata=row.metadata,
        default_org_id=row.default_org_id,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def org_of(row: Row[Any]) -> Org:
    """Read an organisation."""
    return Org(
        id=row.id,
        slug=row.slug,
        name=row.name,
        metadata=row.metadata,
        created_at=row.created_at,
        updated_at=row.updated_at,
        mfa_required_roles=tuple(row.mfa_required_roles or ()),
    )


def role_of(row: Row[Any]) -> Role:
    """Read a role."""
    return Role(
        id=row.id,
        org_id=row.org_id,
        name=row.name,
        description=row.description,
        is_system=row.is_system,
        permissions=tuple(row.permissions or ()),
    )


def member_of(row: Row[Any]) -> Member:
    """Read a member."""
    return Member(
        user=user_of(row),
        org_id=row.org_id,
        role_id=row.role_id,
        role_name=row.role_name,
        joined_at=row.joined_at,
        updated_at=row.member_updated_at,
    )
