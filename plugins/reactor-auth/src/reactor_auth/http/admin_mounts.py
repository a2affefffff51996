"""Where the admin routes are mounted."""

from __future__ import annotations

from collections.abc import Iterator

from reactor_auth.assembly import Auth
from reactor_auth.http import admin_routes
from reactor_kernel.api import Access, Mount


def admin_mounts(auth: Auth) -> Iterator[Mount]:
    """Yield the routes of the admin token."""
    resources: dict[str, object] = {
        "/users": admin_routes.UsersResource(auth),
        "/users/{user}": admin_routes.UserResource(auth),
        "/users/{user}/factors": admin_routes.FactorsResource(auth),
        "/users/{user}/sessions": admin_routes.SessionsResource(auth),
        "/users/{user}/sessions/{session_id}": admin_routes.SessionResource(auth),
        "/orgs": admin_routes.OrgsResource(auth),
        "/orgs/{ref}": admin_routes.OrgResource(auth),
        "/orgs/{ref}/roles": admin_routes.RolesResource(auth),
        "/orgs/{ref}/members": admin_routes.MembersResource(auth),
        "/orgs/{ref}/members/{user}": admin_routes.MemberResource(auth),
    }
    for path, resource in resources.items():
        yield Mount(f"{auth.prefix}/_admin{path}", resource, access=Access.ADMIN)
