"""Organisations and members, administered with the admin token; every audit row says so (contract auth.md §8.3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reactor_auth import changes
from reactor_auth.errors import (
    MembershipExists,
    OrgNotFound,
    OrgSlugExists,
    RoleNotFound,
    UserDisabled,
)
from reactor_auth.events import MemberChanged, OrgDeleted, OrgUpdated
from reactor_auth.model import Caller, Member, Org, OrgChange, Origin, Role
from reactor_auth.queries import administration as sql
from reactor_auth.queries import orgs as org_sql
from reactor_auth.queries import users as user_sql
from reactor_auth.resolver import parse_ref
from reactor_auth.service.administration import BY, find_user
from reactor_auth.service.members import demand_other_owner, member_in
from reactor_auth.service.orgs import Orgs, demand_name, demand_slug
from reactor_auth.service.rows import member_of, org_of, role_of
from reactor_kernel.api import DatabaseFault, Tx

_UNIQUE_VIOLATION = "23505"


class OrgAdministration(Orgs):
    """Makes, finds, changes and deletes any organisation, and says who is in it."""

    def page(self, limit: int, before: UUID | None, search: str | None) -> list[Org]:
        """List organisations, newest first: those made before `before` whose name or slug contains `search`."""
        with self._db.begin(readonly=True) as tx:
            return [org_of(row) for row in tx.execute(sql.orgs_matching(limit, before, search))]

    def one(self, ref: str) -> Org:
        """Return an organisation. Raises OrgNotFound."""
        with self._db.begin(readonly=True) as tx:
            return _org(tx, ref)

    def create_for(self, owner: str, name: str, slug: str, metadata: dict[str, Any], origin: Origin) -> Org:
        """Make an organisation owned by a user.

        Raises:
            UserNotFound, UserDisabled, ValidationError, OrgSlugExists
        """
        with self._db.begin(readonly=True) as tx:
            row = find_user(tx, owner)
        if row.disabled_at is not None:
            raise UserDisabled
        return self.create(Caller(row.id, None, origin), name, slug, metadata)

    def change_any(self, ref: str, change: OrgChange, origin: Origin) -> Org:
        """Change an organisation. Raises OrgNotFound, ValidationError, OrgSlugExists."""
        values: dict[str, Any] = {}
        if change.name is not None:
            values["name"] = demand_name(change.name)
        if change.slug is not None:
            values["slug"] = demand_slug(change.slug)
        if change.metadata is not None:
            values["metadata"] = change.metadata
        with self._db.begin() as tx:
            org = _org(tx, ref, lock=True)
            if not values:
                return org
            try:
                changed = org_of(tx.execute(org_sql.change(org.id, values, self._clock.now())).one())
            except DatabaseFault as fault:
                if fault.sqlstate == _UNIQUE_VIOLATION:
                    raise OrgSlugExists from fault
                raise
            self._note(tx, "org.updated", origin, org, f"org:{org.id}", changed=sorted(values))
            tx.publish("auth.org.updated", OrgUpdated(str(org.id), sorted(values)))
            self._changes.announce(tx, changes.org(org.id))
        return changed

    def delete_any(self, ref: str, origin: Origin) -> UUID:
        """Delete an organisation with its roles and memberships. Raises OrgNotFound."""
        with self._db.begin() as tx:
            org = _org(tx, ref, lock=True)
            self._delete(tx, org, origin)
            self._note(tx, "org.deleted", origin, org, f"org:{org.id}", slug=org.slug)
            tx.publish("auth.org.deleted", OrgDeleted(str(org.id)))
            self._changes.announce(tx, changes.org(org.id))
        return org.id

    def roles_of_any(self, ref: str) -> list[Role]:
        """List the roles of an organisation. Raises OrgNotFound."""
        with self._db.begin(readonly=True) as tx:
            return [role_of(row) for row in tx.execute(org_sql.roles_of(_org(tx, ref).id))]

    def members(self, ref: str) -> list[Member]:
        """List the members of an organisation in order of joining. Raises OrgNotFound."""
        with self._db.begin(readonly=True) as tx:
            return [member_of(row) for row in tx.execute(org_sql.members_of(_org(tx, ref).id))]

    def add_member(self, ref: str, user: str, role: str, origin: Origin) -> Member:
        """Make a user a member with the role of this name.

        Raises:
            OrgNotFound, UserNotFound, RoleNotFound, MembershipExists
        """
        with self._db.begin() as tx:
            org = _org(tx, ref, lock=True)
            found = find_user(tx, user)
            role_id = _role_id(tx, org.id, role)
            if tx.execute(sql.is_member(org.id, found.id)).one_or_none() is not None:
                raise MembershipExists
            now = self._clock.now()
            tx.execute(org_sql.insert_membership(found.id, org.id, role_id, now))
            tx.execute(user_sql.set_first_default_org(found.id, org.id, now))
            self._note_member(tx, "member.joined", "joined", origin, org, found.id, role)
            return member_in(tx, org.id, found.id)

    def set_role(self, ref: str, user: str, role: str, origin: Origin) -> Member:
        """Give a member the role of this name.

        Raises:
            OrgNotFound, UserNotFound, MembershipNotFound, RoleNotFound, LastOwner
        """
        with self._db.begin() as tx:
            org = _org(tx, ref, lock=True)
            member = member_in(tx, org.id, find_user(tx, user).id)
            role_id = _role_id(tx, org.id, role)
            if role_id == member.role_id:
                return member
            demand_other_owner(tx, org.id, member)
            tx.execute(org_sql.set_role(org.id, member.user.id, role_id, self._clock.now()))
            self._note_member(tx, "member.role_changed", "role_changed", origin, org, member.user.id, role)
            return member_in(tx, org.id, member.user.id)

    def remove_member(self, ref: str, user: str, origin: Origin) -> UUID:
        """Remove a member; return its id. Raises OrgNotFound, UserNotFound, MembershipNotFound, LastOwner."""
        with self._db.begin() as tx:
            org = _org(tx, ref, lock=True)
            member = member_in(tx, org.id, find_user(tx, user).id)
            demand_other_owner(tx, org.id, member)
            tx.execute(org_sql.remove_member(org.id, member.user.id))
            tx.execute(user_sql.clear_default_org(member.user.id, org.id, self._clock.now()))
            self._note_member(tx, "member.removed", "removed", origin, org, member.user.id, None)
        return member.user.id

    def _record(self, tx: Tx, event_type: str, caller: Caller, org_id: UUID, **details: Any) -> None:
        # `create` records on behalf of its caller, who here is only the future owner.
        self._audit.record(
            tx, event_type, caller.origin, actor=None, org_id=org_id, resource=f"org:{org_id}", **BY, **details
        )

    def _note(self, tx: Tx, event_type: str, origin: Origin, org: Org, resource: str, **details: Any) -> None:
        self._audit.record(tx, event_type, origin, actor=None, org_id=org.id, resource=resource, **BY, **details)

    def _note_member(
        self, tx: Tx, event_type: str, change: str, origin: Origin, org: Org, user_id: UUID, role: str | None
    ) -> None:
        details = {"user_id": str(user_id)} | ({} if role is None else {"role": role})
        self._note(tx, event_type, origin, org, f"user:{user_id}", **details)
        tx.publish("auth.member.changed", MemberChanged(str(org.id), str(user_id), change, role))
        self._changes.announce(tx, changes.user(user_id))


def _org(tx: Tx, ref: str, *, lock: bool = False) -> Org:
    row = tx.execute(org_sql.by_ref(parse_ref(ref), lock=lock)).one_or_none()
    if row is None:
        raise OrgNotFound
    return org_of(row)


def _role_id(tx: Tx, org_id: UUID, name: str) -> UUID:
    # Text in Postgres holds no NUL.
    row = None if "\x00" in name else tx.execute(sql.role_named(org_id, name)).one_or_none()
    if row is None:
        raise RoleNotFound
    found: UUID = row.id
    return found
