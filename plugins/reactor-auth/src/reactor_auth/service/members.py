"""Members of an organisation, and the rule that it always keeps an owner."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reactor_auth import changes
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.errors import LastOwner, MembershipNotFound, PermissionDenied, RoleNotFound
from reactor_auth.events import MemberChanged
from reactor_auth.model import Bounds, Caller, Member, Role, Standing
from reactor_auth.permissions import ADMIN, MEMBERS_READ, MEMBERS_WRITE, OWNER
from reactor_auth.queries import orgs as sql
from reactor_auth.queries import users as user_sql
from reactor_auth.scopes import beyond
from reactor_auth.service.orgs import demand_permission, standing_in
from reactor_auth.service.rows import member_of, role_of
from reactor_kernel.api import Clock, Database, Tx


class Members:
    """Lists members, changes their roles, removes them."""

    def __init__(self, db: Database, clock: Clock, audit: AuditLog, changes_: Changes) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._changes = changes_

    def all(self, ref: str, user_id: UUID, *, bounds: Bounds | None = None) -> list[Member]:
        """List the members of an organisation the user is in, in order of joining."""
        with self._db.begin(readonly=True) as tx:
            standing = standing_in(tx, ref, user_id, bounds=bounds, needs=MEMBERS_READ)
            return [member_of(row) for row in tx.execute(sql.members_of(standing.org.id))]

    def one(self, ref: str, user_id: UUID, member_id: UUID, *, bounds: Bounds | None = None) -> Member:
        """Return one member. Raises MembershipNotFound."""
        with self._db.begin(readonly=True) as tx:
            standing = standing_in(tx, ref, user_id, bounds=bounds, needs=MEMBERS_READ)
            return member_in(tx, standing.org.id, member_id)

    def set_role(self, caller: Caller, ref: str, member_id: UUID, role_id: UUID) -> Member:
        """Give a member another role.

        Only owners give or take `owner`, and nobody gives a role that may do more than the giver.

        Raises:
            OrgNotFound, NotOrgMember, PermissionDenied, MembershipNotFound, RoleNotFound, LastOwner
        """
        with self._db.begin() as tx:
            # The lock makes changes of ownership follow one another: the second sees what the first did.
            standing = standing_in(tx, ref, caller.user_id, lock=True, bounds=caller.bounds)
            demand_permission(standing, MEMBERS_WRITE, names=(OWNER, ADMIN))
            member = member_in(tx, standing.org.id, member_id)
            row = tx.execute(sql.roles_of(standing.org.id, role_id)).one_or_none()
            if row is None:
                raise RoleNotFound
            role = role_of(row)
            if role.id == member.role_id:
                return member
            demand_reach(standing, role, taken=member.role_name)
            demand_other_owner(tx, standing.org.id, member)
            tx.execute(sql.set_role(standing.org.id, member_id, role.id, self._clock.now()))
            self._note(tx, "member.role_changed", "role_changed", caller, standing, member_id, role.name)
            return member_in(tx, standing.org.id, member_id)

    def remove(self, caller: Caller, ref: str, member_id: UUID) -> None:
        """Remove a member; anyone may remove themselves, only owners remove owners, the last owner stays.

        Raises:
            OrgNotFound, NotOrgMember, PermissionDenied, MembershipNotFound, LastOwner
        """
        with self._db.begin() as tx:
            standing = standing_in(tx, ref, caller.user_id, lock=True, bounds=caller.bounds)
            if member_id != caller.user_id or caller.bounds is not None:
                demand_permission(standing, MEMBERS_WRITE, names=(OWNER, ADMIN))
            member = member_in(tx, standing.org.id, member_id)
            if member.role_name == OWNER and standing.role_name != OWNER:
                raise PermissionDenied("only an owner may remove an owner")
            demand_other_owner(tx, standing.org.id, member)
            tx.execute(sql.remove_member(standing.org.id, member_id))
            tx.execute(user_sql.clear_default_org(member_id, standing.org.id, self._clock.now()))
            self._note(tx, "member.removed", "removed", caller, standing, member_id, None)

    def _note(
        self,
        tx: Tx,
        event_type: str,
        change: str,
        caller: Caller,
        standing: Standing,
        member_id: UUID,
        role: str | None,
    ) -> None:
        org_id = standing.org.id
        details: dict[str, Any] = (
            {"user_id": str(member_id)} if role is None else {"user_id": str(member_id), "role": role}
        )
        self._audit.record(
            tx,
            event_type,
            caller.origin,
            actor=caller.user_id,
            org_id=org_id,
            resource=f"user:{member_id}",
            **details,
        )
        tx.publish("auth.member.changed", MemberChanged(str(org_id), str(member_id), change, role))
        self._changes.announce(tx, changes.user(member_id))


def demand_reach(standing: Standing, role: Role, *, taken: str | None = None) -> None:
    """Raise PermissionDenied unless the standing may give this role, and take the one named `taken`."""
    if OWNER in (taken, role.name) and standing.role_name != OWNER:
        raise PermissionDenied("only an owner may give or take the role owner")
    missing = beyond(role.permissions, standing.permissions)
    if missing:
        raise PermissionDenied(
            f"the role {role.name} may do more than you: {', '.join(missing)}", details={"missing": missing}
        )


def member_in(tx: Tx, org_id: UUID, user_id: UUID) -> Member:
    """Return one member. Raises MembershipNotFound."""
    row = tx.execute(sql.members_of(org_id, user_id)).one_or_none()
    if row is None:
        raise MembershipNotFound
    return member_of(row)


def demand_other_owner(tx: Tx, org_id: UUID, member: Member) -> None:
    """Raise LastOwner where an organisation, which is locked, would have no enabled owner without this member."""
    if member.role_name == OWNER and not tx.execute(sql.other_owners(org_id, member.user.id, OWNER)).scalar_one():
        raise LastOwner
