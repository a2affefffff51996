"""Organisations, roles, members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth
from reactor_auth.errors import OrgRequired, invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.model import OrgChange
from reactor_auth.permissions import ORGS_READ

if TYPE_CHECKING:
    import falcon


class OrgsResource:
    """`/orgs`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the caller's organisations."""
        limit = bodies.number_of(req, "limit", 100, 1, 1000)
        offset = bodies.number_of(req, "offset", 0, 0, 2**31 - 1)
        actor = render.actor_of(req)
        if actor.bounds is None:
            found = self._auth.orgs.of_user(actor.user_id, limit, offset)
        elif actor.bounds.org_id is None:
            found = []
        else:
            ref = str(actor.bounds.org_id)
            found = [self._auth.orgs.standing(ref, actor.user_id, bounds=actor.bounds, needs=ORGS_READ).org]
        resp.media = [render.org(org) for org in found]

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make an organisation that the caller owns."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, bodies.OrgCreate)
        metadata = bodies.metadata_of(body.metadata)
        org = self._auth.orgs.create(caller, body.name, body.slug, metadata)
        resp.status = "201 Created"
        resp.media = render.org(org)


class OrgResource:
    """`/orgs/{ref}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Return an organisation."""
        actor = render.actor_of(req)
        standing = self._auth.orgs.standing(ref, actor.user_id, bounds=actor.bounds, needs=ORGS_READ)
        resp.media = render.org(standing.org)

    def on_patch(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Change an organisation."""
        actor = render.actor_of(req)
        body = bodies.read_json(req, bodies.OrgPatch)
        change = OrgChange(
            name=body.name,
            slug=body.slug,
            metadata=None if body.metadata is None else bodies.metadata_of(body.metadata),
            mfa_required_roles=None if body.mfa_required_roles is None else tuple(body.mfa_required_roles),
        )
        resp.media = render.org(self._auth.orgs.change(actor, ref, change))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Delete an organisation."""
        self._auth.orgs.delete(render.actor_of(req), ref)
        resp.status = "204 No Content"


class OrgRolesResource:
    """`/orgs/{ref}/roles`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """List the roles of an organisation."""
        actor = render.actor_of(req)
        resp.media = [render.role(role) for role in self._auth.orgs.roles(ref, actor.user_id, bounds=actor.bounds)]


class ActiveOrgRolesResource:
    """`/roles`: the roles of the active organisation."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the roles of the active organisation."""
        org_id = req.context.identity.org_id
        if org_id is None:
            raise OrgRequired
        actor = render.actor_of(req)
        resp.media = [render.role(role) for role in self._auth.orgs.roles(org_id, actor.user_id, bounds=actor.bounds)]


class MembersResource:
    """`/orgs/{ref}/members`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """List members."""
        actor = render.actor_of(req)
        members = self._auth.members.all(ref, actor.user_id, bounds=actor.bounds)
        resp.media = [render.member(member) for member in members]


class MemberResource:
    """`/orgs/{ref}/members/{user_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str, user_id: str) -> None:
        """Return one member."""
        member_id = bodies.uuid_of(user_id, "user_id")
        actor = render.actor_of(req)
        resp.media = render.member(self._auth.members.one(ref, actor.user_id, member_id, bounds=actor.bounds))

    def on_patch(self, req: falcon.Request, resp: falcon.Response, ref: str, user_id: str) -> None:
        """Give a member another role."""
        actor = render.actor_of(req)
        member_id = bodies.uuid_of(user_id, "user_id")
        body = bodies.read_json(req, bodies.MemberPatch)
        wanted = body.role_id if body.role_id is not None else body.role_id_camel
        if wanted is None:
            raise invalid_field("role_id", "is required")
        role_id = bodies.uuid_of(wanted, "role_id")
        resp.media = render.member(self._auth.members.set_role(actor, ref, member_id, role_id))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, ref: str, user_id: str) -> None:
        """Remove a member."""
        member_id = bodies.uuid_of(user_id, "user_id")
        self._auth.members.remove(render.actor_of(req), ref, member_id)
        resp.status = "204 No Content"


class MemberRoleResource:
    """`PATCH /orgs/{ref}/members/{user_id}/role`: another path to the same change."""

    def __init__(self, auth: Auth) -> None:
        self.on_patch = MemberResource(auth).on_patch
