"""The caller's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.http import bodies, render
from reactor_auth.model import DefaultOrg, ProfileChange

if TYPE_CHECKING:
    import falcon


class MeResource:
    """`GET /me`: who the command line tool is signed in as."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Name the caller and its organisations."""
        actor = render.actor_of(req)
        user, orgs = self._auth.profiles.whoami(actor.user_id)
        if actor.bounds is not None:
            orgs = [org for org in orgs if org.org_id == actor.bounds.org_id]
        resp.media = {
            "user_id": str(user.id),
            "email": user.email or None,
            "orgs": [{"org_id": str(org.org_id), "org_slug": org.org_slug, "role": org.role} for org in orgs],
        }


class UserResource:
    """`/user`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the caller."""
        resp.media = render.user(self._auth.profiles.user(render.actor_of(req).user_id))

    def on_patch(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Change the caller."""
        caller = render.caller_of(req)
        body = bodies.read_json(req, bodies.UserPatch)
        change = ProfileChange(
            email=body.email,
            password=body.password,
            current_password=body.current_password,
            metadata=None if body.metadata is None else bodies.metadata_of(body.metadata),
            default_org=_default_org(body.default_org_id),
        )
        resp.media = render.user(self._auth.profiles.change(caller, change))

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Disable the caller."""
        self._auth.profiles.delete(render.caller_of(req))
        resp.status = "204 No Content"


def _default_org(value: str | msgspec.UnsetType | None) -> DefaultOrg | None:
    if isinstance(value, msgspec.UnsetType):
        return None
    return DefaultOrg(None if value is None else bodies.uuid_of(value, "default_org_id"))
