"""Statements that read everything about one user, whatever tables there are."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Select, Table, select

from reactor_auth.tables import audit_events, memberships, metadata, orgs, roles, users

# Proofs and secrets are no data about a person, and who reads the document must not be able to sign in with it.
_SECRET = re.compile(r"(^|_)(hash|mac|sealed|secret|pem|token|code|password|challenge|verifier|public_key)($|_)")
# What only serves the machinery.
_SKIPPED = frozenset({"refresh_tokens", "verification_tokens", "known_agents"})


def user(user_id: UUID) -> Select[Any]:
    """Read the user itself."""
    return select(*_shown(users)).where(users.c.id == user_id)


def owned(user_id: UUID) -> dict[str, Select[Any]]:
    """Return a statement for each table with rows of the user, by the table's name."""
    found: dict[str, Select[Any]] = {"memberships": _memberships(user_id)}
    for table in metadata.sorted_tables:
        owner = _owner_of(table)
        if owner is not None and table.name not in found and table.name not in _SKIPPED:
            columns = [column for column in _shown(table) if column is not owner]
            found[table.name] = select(*columns).where(owner == user_id).order_by(*table.primary_key.columns)
    found["audit_events"] = (
        select(*_shown(audit_events))
        .where(audit_events.c.actor_user_id == user_id)
        .order_by(audit_events.c.ts, audit_events.c.id)
    )
    return found


def is_secret(column: str) -> bool:
    """Tell whether a column's name says that it holds a proof or secret."""
    return _SECRET.search(column) is not None


def _owner_of(table: Table) -> Column[Any] | None:
    """Return the column that names the user a row belongs to."""
    if table is users:
        return None
    # An invitation is about the one who came by it, not about the one who sent it.
    for name in ("user_id", "subject_user", "used_by"):
        column = table.c.get(name)
        if column is not None and any(key.column is users.c.id for key in column.foreign_keys):
            return column
    return None


def _shown(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if not is_secret(column.name)]


def _memberships(user_id: UUID) -> Select[Any]:
    return (
        select(
            orgs.c.id.label("org_id"),
            orgs.c.slug.label("org_slug"),
            orgs.c.name.label("org_name"),
            roles.c.name.label("role"),
            memberships.c.joined_at,
        )
        .select_from(memberships)
        .join(orgs, orgs.c.id == memberships.c.org_id)
        .join(roles, roles.c.id == memberships.c.role_id)
        .where(memberships.c.user_id == user_id)
        .order_by(memberships.c.joined_at)
    )
