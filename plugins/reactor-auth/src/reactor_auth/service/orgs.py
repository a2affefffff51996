"""Organisations and their roles."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from reactor_auth import changes
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.errors import (
    MfaRequired,
    NotOrgMember,
    OrgNotFound,
    OrgSlugExists,
    PermissionDenied,
    invalid_field,
)
from reactor_auth.events import MemberChanged, OrgCreated, OrgDeleted, OrgUpdated
from reactor_auth.model import Bounds, Caller, Org, OrgChange, Origin, Role, Standing
from reactor_auth.permissions import ORGS_WRITE, OWNER, ROLES_READ, SYSTEM_ROLES
from reactor_auth.queries import factors as factor_sql
from reactor_auth.queries import oauth_clients as client_sql
from reactor_auth.queries import orgs as sql
from reactor_auth.queries import users as user_sql
from reactor_auth.resolver import parse_ref
from reactor_auth.service.bounds import confined
from reactor_auth.service.client_endings import end_sessions
from reactor_auth.service.rows import org_of, role_of
from reactor_auth.service.sessions import Sessions
from reactor_auth.service.step_up import StepUp
from reactor_kernel.api import Clock, Database, DatabaseFault, Tx, grants, uuid7

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_UUID_SHAPED = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\Z")
_UNIQUE_VIOLATION = "23505"


def standing_in(
    tx: Tx,
    ref: str,
    user_id: UUID,
    *,
    lock: bool = False,
    bounds: Bounds | None = None,
    needs: str | None = None,
    session_id: UUID | None = None,
) -> Standing:
    """Read what a user is in an organisation, in this transaction; `lock` keeps its ownership still.

    Within `bounds` the standing is no more than they leave, and membership alone suffices for nothing: the permission
    `needs` must be left. `session_id`: the caller's session, where the route's path does not name the organisation
    (`Credentials` looks at those that do).

    Raises:
        OrgNotFound: before anything else.
        NotOrgMember: the user is a stranger there, or the bounds name another organisation.
        PermissionDenied: `needs` is beyond the bounds.
        MfaRequired: the role demands a second factor that the session lacks.
    """
    found = tx.execute(sql.by_ref(parse_ref(ref), lock=lock)).one_or_none()
    if found is None:
        raise OrgNotFound
    org = org_of(found)
    row = tx.execute(sql.standing(org.id, user_id)).one_or_none()
    if row is None:
        raise NotOrgMember
    if row.mfa_required and session_id is not None and not _has_second_factor(tx, user_id, session_id):
        raise MfaRequired(f"the role {row.name} needs a second factor in this organisation")
    standing = Standing(org, row.role_id, row.name, frozenset(row.permissions or ()))
    return standing if bounds is None else confined(standing, bounds, needs)


class Orgs:
    """Makes, lists, changes and deletes organisations."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: AuditLog,
        changes_: Changes,
        step_up: StepUp,
        sessions: Sessions,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._changes = changes_
        self._step_up = step_up
        self._sessions = sessions

    def create(self, caller: Caller, name: str, slug: str, metadata: dict[str, Any]) -> Org:
        """Make an organisation with its system roles, owned by the caller, in one transaction.

        It becomes the caller's default organisation if there is none yet.

        Raises:
            ValidationError, OrgSlugExists
        """
        name, slug = demand_name(name), demand_slug(slug)
        now = self._clock.now()
        with self._db.begin() as tx:
            row = tx.execute(sql.insert_org(uuid7(), slug, name, metadata, now)).one_or_none()
            if row is None:
                raise OrgSlugExists
            org = org_of(row)
            role_ids = {role.name: uuid7() for role in SYSTEM_ROLES}
            tx.execute(
                sql.insert_roles(
                    [
                        {
                            "id": role_ids[role.name],
                            "org_id": org.id,
                            "name": role.name,
                            "description": role.description,
                            "is_system": True,
                            "created_at": now,
                        }
                        for role in SYSTEM_ROLES
                    ]
                )
            )
            tx.execute(
                sql.insert_permissions(
                    [
                        {"role_id": role_ids[role.name], "permission": permission}
                        for role in SYSTEM_ROLES
                        for permission in role.permissions
                    ]
                )
            )
            tx.execute(sql.insert_membership(caller.user_id, org.id, role_ids[OWNER], now))
            tx.execute(user_sql.set_first_default_org(caller.user_id, org.id, now))
            self._record(tx, "org.created", caller, org.id, slug=org.slug)
            self._record(tx, "member.joined", caller, org.id, user_id=str(caller.user_id), role=OWNER)
            tx.publish("auth.org.created", OrgCreated(str(org.id), org.slug, str(caller.user_id)))
            tx.publish("auth.member.changed", MemberChanged(str(org.id), str(caller.user_id), "joined", OWNER))
            self._changes.announce(tx, changes.user(caller.user_id))
        return org

    def of_user(self, user_id: UUID, limit: int, offset: int) -> list[Org]:
        """List a user's organisations, newest first."""
        with self._db.begin(readonly=True) as tx:
            return [org_of(row) for row in tx.execute(sql.of_user(user_id, limit, offset))]

    def standing(
        self,
        ref: str,
        user_id: UUID,
        *,
        bounds: Bounds | None = None,
        needs: str | None = None,
        session_id: UUID | None = None,
    ) -> Standing:
        """Return an organisation with the user's role in it.

        Raises:
            OrgNotFound, NotOrgMember, PermissionDenied, MfaRequired
        """
        with self._db.begin(readonly=True) as tx:
            return standing_in(tx, ref, user_id, bounds=bounds, needs=needs, session_id=session_id)

    def change(self, caller: Caller, ref: str, change: OrgChange) -> Org:
        """Change an organisation, for owners and holders of `auth:orgs:write`.

        Raises:
            OrgNotFound, NotOrgMember, PermissionDenied, ValidationError, OrgSlugExists, MfaRequired
        """
        with self._db.begin() as tx:
            standing = standing_in(tx, ref, caller.user_id, lock=True, bounds=caller.bounds)
            demand_permission(standing, ORGS_WRITE, names=(OWNER,))
            values: dict[str, Any] = {}
            if change.name is not None:
                values["name"] = demand_name(change.name)
            if change.slug is not None:
                values["slug"] = demand_slug(change.slug)
            if change.metadata is not None:
                values["metadata"] = change.metadata
            if change.mfa_required_roles is not None:
                self._demand_mfa_of(tx, caller, standing, change.mfa_required_roles)
            elif not values:
                return standing.org
            if "slug" in values and tx.execute(sql.slug_is_taken(values["slug"], standing.org.id)).first():
                raise OrgSlugExists
            try:
                org = org_of(tx.execute(sql.change(standing.org.id, values, self._clock.now())).one())
            except DatabaseFault as fault:
                # Two organisations may reach for one slug at the same moment.
                if fault.sqlstate == _UNIQUE_VIOLATION:
                    raise OrgSlugExists from fault
                raise
            changed = sorted([*values, *(["mfa_required_roles"] if change.mfa_required_roles is not None else [])])
            self._record(tx, "org.updated", caller, org.id, changed=changed)
            tx.publish("auth.org.updated", OrgUpdated(str(org.id), changed))
            self._changes.announce(tx, changes.org(org.id))
        return org

    def _demand_mfa_of(self, tx: Tx, caller: Caller, standing: Standing, names: tuple[str, ...]) -> None:
        """Demand a second factor of exactly these roles; nobody locks themselves or all owners out by it."""
        known = set(tx.execute(factor_sql.role_names(standing.org.id)).scalars())
        unknown = sorted(set(names) - known)
        if unknown:
            raise invalid_field("mfa_required_roles", f"names no role of this organisation: {', '.join(unknown)}")
        self._step_up.demand_if_enrolled(tx, caller)
        if standing.role_name in names:
            self._step_up.demand_verified(tx, caller)
        if OWNER in names and not tx.execute(factor_sql.owners_with_factor(standing.org.id, OWNER)).scalar_one():
            raise MfaRequired("no owner of this organisation has a second factor yet")
        tx.execute(factor_sql.demand_of_roles(standing.org.id, sorted(set(names))))

    def delete(self, caller: Caller, ref: str) -> None:
        """Delete an organisation with its roles and memberships, for owners and holders of `auth:orgs:write`."""
        with self._db.begin() as tx:
            standing = standing_in(tx, ref, caller.user_id, lock=True, bounds=caller.bounds)
            demand_permission(standing, ORGS_WRITE, names=(OWNER,))
            org = standing.org
            self._delete(tx, org, caller.origin)
            self._record(tx, "org.deleted", caller, org.id, slug=org.slug)
            tx.publish("auth.org.deleted", OrgDeleted(str(org.id)))
            self._changes.announce(tx, changes.org(org.id))

    def _delete(self, tx: Tx, org: Org, origin: Origin) -> None:
        """Delete an organisation, and end the sessions of people who signed in to its applications."""
        end_sessions(tx, self._sessions, client_sql.live_sessions_of_org(org.id), origin, self._clock.now())
        tx.execute(sql.delete_memberships(org.id))
        tx.execute(sql.delete_org(org.id))

    def roles(self, ref: str, user_id: UUID, *, bounds: Bounds | None = None) -> list[Role]:
        """List the roles of an organisation the user is in, system roles first, then by name."""
        with self._db.begin(readonly=True) as tx:
            standing = standing_in(tx, ref, user_id, bounds=bounds, needs=ROLES_READ)
            return [role_of(row) for row in tx.execute(sql.roles_of(standing.org.id))]

    def _record(self, tx: Tx, event_type: str, caller: Caller, org_id: UUID, **details: Any) -> None:
        self._audit.record(
            tx, event_type, caller.origin, actor=caller.user_id, org_id=org_id, resource=f"org:{org_id}", **details
        )


def _has_second_factor(tx: Tx, user_id: UUID, session_id: UUID) -> bool:
    return tx.execute(factor_sql.standing(user_id, session_id)).one().mfa_at is not None


def demand_permission(standing: Standing, permission: str, *, names: tuple[str, ...]) -> None:
    """Raise PermissionDenied unless the role is one of `names` or holds the permission."""
    if standing.role_name not in names and not grants(standing.permissions, permission):
        raise PermissionDenied(f"this needs the role {' or '.join(names)}, or the permission {permission}")


def demand_slug(slug: str) -> str:
    """Return a valid slug, or raise the validation error for it."""
    if not _SLUG.match(slug):
        raise invalid_field(
            "slug", "must be 1 to 63 lower-case letters, digits and hyphens, with no hyphen at the ends"
        )
    if _UUID_SHAPED.match(slug):
        raise invalid_field("slug", "must not look like a UUID")
    return slug


def demand_name(name: str) -> str:
    """Return a trimmed name of 1 to 200 characters, or raise the validation error for it."""
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= 200:
        raise invalid_field("name", "must have 1 to 200 characters")
    if "\x00" in trimmed:
        raise invalid_field("name", "must not contain NUL characters")
    return trimmed
