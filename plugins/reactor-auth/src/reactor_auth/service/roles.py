"""Roles of an organisation's own making."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from reactor_auth import changes, scopes
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.errors import PermissionDenied, RoleNotFound, invalid_field
from reactor_auth.events import RoleChanged
from reactor_auth.model import Caller, Role, RoleChange, Standing
from reactor_auth.org_errors import RoleExists, RoleInUse, SystemRoleFixed
from reactor_auth.permissions import OWNER, ROLES_WRITE
from reactor_auth.queries import orgs as org_sql
from reactor_auth.queries import roles as sql
from reactor_auth.service.orgs import demand_permission, standing_in
from reactor_auth.service.rows import role_of
from reactor_kernel.api import Clock, Database, Tx, uuid7

MAX_NAME = 63
MAX_DESCRIPTION = 500


class Roles:
    """Makes, changes and deletes custom roles; nobody puts more into a role than they hold."""

    def __init__(self, db: Database, clock: Clock, audit: AuditLog, changes_: Changes) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._changes = changes_

    def create(self, caller: Caller, ref: str, name: str, description: str | None, permissions: Sequence[str]) -> Role:
        """Make a role.

        Raises:
            ValidationError, OrgNotFound, NotOrgMember, PermissionDenied, RoleExists
        """
        name, description = _name(name), _description(description)
        wanted = scopes.demand(permissions, "permissions")
        role_id = uuid7()
        with self._db.begin() as tx:
            standing = self._standing(tx, caller, ref)
            _demand_held(standing, wanted)
            _demand_free(tx, standing, name, role_id)
            row = {
                "id": role_id,
                "org_id": standing.org.id,
                "name": name,
                "description": description,
                "is_system": False,
                "created_at": self._clock.now(),
            }
            tx.execute(org_sql.insert_roles([row]))
            _grant(tx, role_id, wanted)
            role = _role(tx, standing, role_id)
            self._note(tx, "created", caller, role, permissions=list(role.permissions))
        return role

    def change(self, caller: Caller, ref: str, role_id: UUID, change: RoleChange) -> Role:
        """Change a role; what its members may do changes at once.

        Raises:
            ValidationError, OrgNotFound, NotOrgMember, PermissionDenied, RoleNotFound, SystemRoleFixed, RoleExists
        """
        values: dict[str, Any] = {}
        if change.name is not None:
            values["name"] = _name(change.name)
        if change.description is not None:
            values["description"] = _description(change.description.text)
        wanted = None if change.permissions is None else scopes.demand(change.permissions, "permissions")
        with self._db.begin() as tx:
            standing = self._standing(tx, caller, ref)
            before = _custom(tx, standing, role_id)
            if "name" in values:
                _demand_free(tx, standing, values["name"], role_id)
            if wanted is not None:
                # What the role had already is not given anew, so it may stay whoever changes the rest.
                _demand_held(standing, scopes.beyond(wanted, before.permissions))
                tx.execute(sql.delete_permissions(role_id))
                _grant(tx, role_id, wanted)
            if values:
                tx.execute(sql.change(role_id, values))
            role = _role(tx, standing, role_id)
            if role != before:
                added = sorted(set(role.permissions) - set(before.permissions))
                removed = sorted(set(before.permissions) - set(role.permissions))
                self._note(tx, "updated", caller, role, changed=_changed(before, role), added=added, removed=removed)
        return role

    def delete(self, caller: Caller, ref: str, role_id: UUID) -> None:
        """Delete a role that nobody has and nobody is invited to.

        Raises:
            OrgNotFound, NotOrgMember, PermissionDenied, RoleNotFound, SystemRoleFixed, RoleInUse
        """
        with self._db.begin() as tx:
            standing = self._standing(tx, caller, ref)
            role = _custom(tx, standing, role_id)
            uses = tx.execute(sql.uses(role_id, self._clock.now())).one()
            if uses.members or uses.invitations:
                raise RoleInUse(
                    f"the role {role.name} is in use by {uses.members} members and {uses.invitations} invitations",
                    details={"members": uses.members, "invitations": uses.invitations},
                )
            tx.execute(sql.delete_role(role_id))
            self._note(tx, "deleted", caller, role)

    def _standing(self, tx: Tx, caller: Caller, ref: str) -> Standing:
        # The lock keeps the caller's own role as it is, and one name from being given twice.
        standing = standing_in(tx, ref, caller.user_id, lock=True, bounds=caller.bounds)
        demand_permission(standing, ROLES_WRITE, names=(OWNER,))
        return standing

    def _note(self, tx: Tx, change: str, caller: Caller, role: Role, **details: Any) -> None:
        self._audit.record(
            tx,
            f"role.{change}",
            caller.origin,
            actor=caller.user_id,
            org_id=role.org_id,
            resource=f"role:{role.id}",
            name=role.name,
            **details,
        )
        tx.publish("auth.role.changed", RoleChanged(str(role.org_id), str(role.id), change))
        self._changes.announce(tx, changes.org(role.org_id))


def _role(tx: Tx, standing: Standing, role_id: UUID) -> Role:
    row = tx.execute(org_sql.roles_of(standing.org.id, role_id)).one_or_none()
    if row is None:
        raise RoleNotFound
    return role_of(row)


def _custom(tx: Tx, standing: Standing, role_id: UUID) -> Role:
    role = _role(tx, standing, role_id)
    if role.is_system:
        raise SystemRoleFixed
    return role


def _grant(tx: Tx, role_id: UUID, permissions: Sequence[str]) -> None:
    if permissions:
        rows = [{"role_id": role_id, "permission": permission} for permission in permissions]
        tx.execute(org_sql.insert_permissions(rows))


def _demand_held(standing: Standing, wanted: Sequence[str]) -> None:
    missing = scopes.beyond(wanted, standing.permissions)
    if missing:
        raise PermissionDenied(
            f"you can grant only what you hold, which does not cover: {', '.join(missing)}",
            details={"missing": missing},
        )


def _demand_free(tx: Tx, standing: Standing, name: str, role_id: UUID) -> None:
    if tx.execute(sql.name_is_taken(standing.org.id, name, role_id)).first():
        raise RoleExists(f'a role named "{name}" exists already in the organisation')


def _changed(before: Role, after: Role) -> list[str]:
    return [name for name in ("name", "description", "permissions") if getattr(before, name) != getattr(after, name)]


def _name(text: str) -> str:
    trimmed = text.strip()
    if not 1 <= len(trimmed) <= MAX_NAME or not trimmed.isprintable():
        raise invalid_field("name", f"must have 1 to {MAX_NAME} printable characters")
    return trimmed


def _description(text: str | None) -> str | None:
    if text is None:
        return None
    if len(text) > MAX_DESCRIPTION or "\x00" in text:
        raise invalid_field("description", f"must have at most {MAX_DESCRIPTION} characters and no NUL")
    return text.strip() or None
