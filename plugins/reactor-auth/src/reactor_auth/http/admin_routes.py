"""`/_admin/*` of identity: everybody's accounts, sessions and organisations, for the admin token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import admin_bodies, bodies, render
from reactor_auth.model import OrgChange, SessionRecord, User, UserChange

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    import falcon

T = TypeVar("T")
_STATES = {"enabled": False, "disabled": True}


class UsersResource:
    """`/_admin/users`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List users by page, newest first."""
        search, disabled = bodies.text_of(req, "search"), _state(req)
        resp.media = _page(
            req, "users", lambda limit, before: self._auth.administration.users(limit, before, search, disabled), _user
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a user."""
        body = bodies.read_json(req, admin_bodies.UserCreate)
        metadata = bodies.metadata_of(body.metadata)
        user = self._auth.administration.create(
            body.email, body.password, body.email_verified, metadata, render.origin_of(req)
        )
        resp.status = "201 Created"
        resp.media = _user(user)


class UserResource:
    """`/_admin/users/{user}`, by id or e-mail address."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, user: str) -> None:
        """Return a user with its organisations."""
        found, has_password, orgs = self._auth.administration.user(user)
        resp.media = {
            **_user(found),
            "has_password": has_password,
            "orgs": [{"org_id": str(org.org_id), "org_slug": org.org_slug, "role": org.role} for org in orgs],
        }

    def on_patch(self, req: falcon.Request, resp: falcon.Response, user: str) -> None:
        """Change a user."""
        body = bodies.read_json(req, admin_bodies.UserPatch)
        change = UserChange(
            email=body.email,
            email_verified=body.email_verified,
            password=body.password,
            metadata=None if body.metadata is None else bodies.metadata_of(body.metadata),
            disabled=body.disabled,
        )
        resp.media = _user(self._auth.administration.change(user, change, render.origin_of(req)))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, user: str) -> None:
        """Delete a user."""
        self._auth.administration.delete(user, render.origin_of(req))
        resp.status = "204 No Content"


class FactorsResource:
    """`/_admin/users/{user}/factors`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, user: str) -> None:
        """Remove every second factor of a user, recovery codes included; fine where there is none."""
        resp.media = {"removed": self._auth.administration.remove_factors(user, render.origin_of(req))}


class SessionsResource:
    """`/_admin/users/{user}/sessions`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, user: str) -> None:
        """List the live sessions of a user."""
        resp.media = [_session(session) for session in self._auth.administration.sessions_of(user)]

    def on_delete(self, req: falcon.Request, resp: falcon.Response, user: str) -> None:
        """End every session of a user."""
        ended = self._auth.administration.end_sessions(user, None, render.origin_of(req))
        resp.media = {"ended": ended}


class SessionResource:
    """`/_admin/users/{user}/sessions/{session_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, user: str, session_id: str) -> None:
        """End one session of a user; fine where it has ended."""
        which = bodies.uuid_of(session_id, "session_id")
        ended = self._auth.administration.end_sessions(user, which, render.origin_of(req))
        resp.media = {"ended": ended}


class OrgsResource:
    """`/_admin/orgs`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List organisations by page, newest first."""
        search = bodies.text_of(req, "search")
        resp.media = _page(
            req, "orgs", lambda limit, before: self._auth.org_administration.page(limit, before, search), render.org
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make an organisation for an owner."""
        body = bodies.read_json(req, admin_bodies.OrgCreate)
        metadata = bodies.metadata_of(body.metadata)
        org = self._auth.org_administration.create_for(
            body.owner, body.name, body.slug, metadata, render.origin_of(req)
        )
        resp.status = "201 Created"
        resp.media = render.org(org)


class OrgResource:
    """`/_admin/orgs/{ref}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Return an organisation."""
        resp.media = render.org(self._auth.org_administration.one(ref))

    def on_patch(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Change an organisation."""
        body = bodies.read_json(req, bodies.OrgPatch)
        metadata = None if body.metadata is None else bodies.metadata_of(body.metadata)
        change = OrgChange(name=body.name, slug=body.slug, metadata=metadata)
        resp.media = render.org(self._auth.org_administration.change_any(ref, change, render.origin_of(req)))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Delete an organisation."""
        self._auth.org_administration.delete_any(ref, render.origin_of(req))
        resp.status = "204 No Content"


class RolesResource:
    """`/_admin/orgs/{ref}/roles`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """List the roles of an organisation."""
        resp.media = [render.role(role) for role in self._auth.org_administration.roles_of_any(ref)]


class MembersResource:
    """`/_admin/orgs/{ref}/members`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """List members."""
        resp.media = [render.member(member) for member in self._auth.org_administration.members(ref)]

    def on_post(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Make a user a member."""
        body = bodies.read_json(req, admin_bodies.MemberCreate)
        role = bodies.storable(body.role, "role")
        member = self._auth.org_administration.add_member(ref, body.user_id, role, render.origin_of(req))
        resp.status = "201 Created"
        resp.media = render.member(member)


class MemberResource:
    """`/_admin/orgs/{ref}/members/{user}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_patch(self, req: falcon.Request, resp: falcon.Response, ref: str, user: str) -> None:
        """Give a member another role."""
        body = bodies.read_json(req, admin_bodies.MemberPatch)
        role = bodies.storable(body.role, "role")
        resp.media = render.member(self._auth.org_administration.set_role(ref, user, role, render.origin_of(req)))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, ref: str, user: str) -> None:
        """Remove a member."""
        self._auth.org_administration.remove_member(ref, user, render.origin_of(req))
        resp.status = "204 No Content"


def _page(
    req: falcon.Request, name: str, read: Callable[[int, UUID | None], list[T]], shown: Callable[[T], dict[str, Any]]
) -> dict[str, Any]:
    """Answer a page; `next_cursor` is null on the last one."""
    from reactor_auth.service.administration import cursor_of

    limit = bodies.number_of(req, "limit", 100, 1, 1000)
    found = read(limit + 1, cursor_of(req.get_param("cursor")))
    items = [shown(item) for item in found[:limit]]
    return {name: items, "next_cursor": items[-1]["id"] if len(found) > limit else None}


def _state(req: falcon.Request) -> bool | None:
    text = req.get_param("status")
    if text is None:
        return None
    if text not in _STATES:
        raise invalid_field("status", f"must be one of {', '.join(_STATES)}")
    return _STATES[text]


def _user(value: User) -> dict[str, Any]:
    disabled = None if value.disabled_at is None else render.instant(value.disabled_at)
    return {**render.user(value), "disabled_at": disabled, "updated_at": render.instant(value.updated_at)}


def _session(value: SessionRecord) -> dict[str, Any]:
    return {
        "id": str(value.id),
        "amr": list(value.amr),
        "ip": value.ip,
        "user_agent": value.user_agent,
        "created_at": render.instant(value.created_at),
        "last_seen_at": render.instant(value.last_seen_at),
    }
