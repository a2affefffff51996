"""Where everything is mounted and who may call it."""

from __future__ import annotations

from collections.abc import Iterator

from reactor_auth.assembly import Auth
from reactor_auth.http import (
    internal_routes,
    key_routes,
    operator_routes,
    org_routes,
    permission_routes,
    session_routes,
    social_routes,
    user_routes,
)
from reactor_kernel.api import Access, Mount

OPS_PREFIX = "/_ops/v1"


def operator_mounts(auth: Auth) -> Iterator[Mount]:
    """Yield the operators' surface twice, where `[ops]` allows it; its resources check their callers themselves."""
    if not auth.operator_rules.enabled:
        return
    resources: dict[str, object] = {
        "/operators/status": operator_routes.OperatorStatusResource(auth),
        "/operators/bootstrap": operator_routes.OperatorBootstrapResource(auth),
        "/operators/promote": operator_routes.OperatorPromoteResource(auth),
        "/operators/demote": operator_routes.OperatorDemoteResource(auth),
    }
    for path, resource in resources.items():
        for prefix in (auth.prefix, OPS_PREFIX):
            yield Mount(f"{prefix}{path}", resource, access=Access.PUBLIC)
    yield Mount(f"{OPS_PREFIX}/audit", operator_routes.OperatorAuditResource(auth), access=Access.PUBLIC)


def internal_mounts(auth: Auth) -> Iterator[Mount]:
    """Yield the internal routes where there is a secret for them; it stands beside a user's credential, so they check it."""
    if auth.config.internal_secret is None:
        return
    secret = internal_routes.InternalSecret(auth.config.internal_secret)
    resolve = internal_routes.ResolveContextResource(auth, secret)
    yield Mount("/_internal/resolve_ctx", resolve, access=Access.PUBLIC)
    yield Mount(f"{auth.prefix}/_internal/resolve_ctx", resolve, access=Access.PUBLIC)
    user = internal_routes.InternalUserResource(auth, secret)
    yield Mount(f"{auth.prefix}/users/{{user_id}}", user, access=Access.PUBLIC)


def mounts(auth: Auth) -> Iterator[Mount]:
    """Yield every route; rights within an organisation are checked where its rows are locked."""
    prefix = auth.prefix
    keys = key_routes.KeysResource(auth)
    public: dict[str, object] = {
        "/signup": session_routes.SignUpResource(auth),
        "/login": session_routes.LoginResource(auth),
        "/token": session_routes.TokenResource(auth),
        # Public, because a refresh token in the body is a credential too.
        "/logout": session_routes.LogoutResource(auth),
        "/authorize": social_routes.SocialAuthorizeResource(auth),
        "/callback": social_routes.CallbackResource(auth),
        "/callback/{provider}": social_routes.CallbackResource(auth),
        "/providers": social_routes.ProvidersResource(auth),
        "/keys": keys,
        "/.well-known/jwks.json": keys,
        "/.well-known/openid-configuration": key_routes.DiscoveryResource(auth),
    }
    for path, resource in public.items():
        yield Mount(f"{prefix}{path}", resource, access=Access.PUBLIC)
    signed_in: dict[str, object] = {
        "/me": user_routes.MeResource(auth),
        "/user": user_routes.UserResource(auth),
        "/user/identities": social_routes.IdentitiesResource(auth),
        "/user/identities/{identity}": social_routes.IdentityResource(auth),
        "/user/identities/{identity}/link": social_routes.LinkResource(auth),
        "/orgs": org_routes.OrgsResource(auth),
        "/orgs/{ref}": org_routes.OrgResource(auth),
        "/orgs/{ref}/roles": org_routes.OrgRolesResource(auth),
        "/orgs/{ref}/members": org_routes.MembersResource(auth),
        "/orgs/{ref}/members/{user_id}": org_routes.MemberResource(auth),
        "/orgs/{ref}/members/{user_id}/role": org_routes.MemberRoleResource(auth),
        "/roles": org_routes.ActiveOrgRolesResource(auth),
        "/permissions": permission_routes.PermissionsResource(auth),
        "/permissions/check": permission_routes.PermissionCheckResource(auth),
        "/permissions/ctx": permission_routes.PermissionContextResource(auth),
    }
    for path, resource in signed_in.items():
        yield Mount(f"{prefix}{path}", resource, access=Access.USER)
    yield from operator_mounts(auth)
    yield from internal_mounts(auth)
