"""What the caller may do in the active organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth
from reactor_auth.errors import OrgRequired, invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.model import Standing
from reactor_kernel.api import grants

if TYPE_CHECKING:
    import falcon

MAX_QUESTIONS = 1000


class _ActiveOrg:
    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def _standing(self, req: falcon.Request, named: str | None = None) -> Standing:
        """Read the caller's standing in the organisation named by body or query, else in the active one."""
        ref = named or req.get_param("org") or req.context.identity.org_id
        if not ref:
            raise OrgRequired
        actor = render.actor_of(req)
        return self._auth.orgs.standing(ref, actor.user_id, bounds=actor.bounds, session_id=actor.session_id)


class PermissionsResource(_ActiveOrg):
    """`/permissions`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the caller's permissions."""
        standing = self._standing(req)
        resp.media = {"permissions": sorted(standing.permissions), "org": render.org_of_standing(standing)}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Tell which of the named permissions the caller has."""
        render.actor_of(req)
        body = _query(req)
        standing = self._standing(req, body.org)
        checks = [{"permission": name, "granted": grants(standing.permissions, name)} for name in body.permissions]
        resp.media = {
            "permissions": [check["permission"] for check in checks if check["granted"]],
            "checks": checks,
            "org": render.org_of_standing(standing),
        }


class PermissionCheckResource(_ActiveOrg):
    """`POST /permissions/check`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Tell whether the caller has all of the named permissions."""
        render.actor_of(req)
        body = _query(req)
        standing = self._standing(req, body.org)
        missing = [name for name in body.permissions if not grants(standing.permissions, name)]
        resp.media = {"allowed": False, "missing": missing} if missing else {"allowed": True}


class PermissionContextResource(_ActiveOrg):
    """`GET /permissions/ctx`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Name the active organisation, if there is one."""
        try:
            standing = self._standing(req)
        except OrgRequired:
            resp.media = {}
        else:
            resp.media = {"org": render.org_of_standing(standing)}


def _query(req: falcon.Request) -> bodies.PermissionQuery:
    body = bodies.read_json(req, bodies.PermissionQuery)
    if len(body.permissions) > MAX_QUESTIONS:
        raise invalid_field("permissions", f"must not have more than {MAX_QUESTIONS} entries")
    return body
