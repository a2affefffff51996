"""Custom roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.http import bodies, render
from reactor_auth.http.org_routes import OrgRolesResource
from reactor_auth.model import Description, RoleChange

if TYPE_CHECKING:
    import falcon


class RoleCreate(msgspec.Struct):
    """`POST /orgs/{ref}/roles`."""

    name: str
    permissions: list[str]
    description: str | None = None


class RolePatch(msgspec.Struct):
    """`PATCH /orgs/{ref}/roles/{role_id}`."""

    name: str | None = None
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    permissions: list[str] | None = None


class RolesResource(OrgRolesResource):
    """`/orgs/{ref}/roles`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Make a role."""
        actor = render.actor_of(req)
        body = bodies.read_json(req, RoleCreate)
        role = self._auth.roles.create(actor, ref, body.name, body.description, body.permissions)
        resp.status = "201 Created"
        resp.media = render.role(role)


class RoleResource:
    """`/orgs/{ref}/roles/{role_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_patch(self, req: falcon.Request, resp: falcon.Response, ref: str, role_id: str) -> None:
        """Change a role."""
        actor = render.actor_of(req)
        wanted = bodies.uuid_of(role_id, "role_id")
        body = bodies.read_json(req, RolePatch)
        change = RoleChange(
            name=body.name,
            description=None if isinstance(body.description, msgspec.UnsetType) else Description(body.description),
            permissions=body.permissions,
        )
        resp.media = render.role(self._auth.roles.change(actor, ref, wanted, change))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, ref: str, role_id: str) -> None:
        """Delete a role."""
        self._auth.roles.delete(render.actor_of(req), ref, bodies.uuid_of(role_id, "role_id"))
        resp.status = "204 No Content"
