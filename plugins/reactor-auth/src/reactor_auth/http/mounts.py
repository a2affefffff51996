"""Where everything is mounted and who may call it."""

from __future__ import annotations

from collections.abc import Iterator

from reactor_auth.assembly import Auth
from reactor_auth.http import (
    factor_routes,
    key_routes,
    org_routes,
    outbox_routes,
    passkey_routes,
    permission_routes,
    rotation_routes,
    session_list_routes,
    session_routes,
    user_routes,
)
from reactor_kernel.api import Access, Mount


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
        "/keys": keys,
        "/.well-known/jwks.json": keys,
        "/.well-known/openid-configuration": key_routes.DiscoveryResource(auth),
        "/webauthn/login/start": passkey_routes.LoginStartResource(auth),
        "/webauthn/login/finish": passkey_routes.LoginFinishResource(auth),
    }
    for path, resource in public.items():
        yield Mount(f"{prefix}{path}", resource, access=Access.PUBLIC)
    yield Mount(f"{prefix}/_admin/rotate-keys", rotation_routes.RotateKeysResource(auth), access=Access.ADMIN)
    signed_in: dict[str, object] = {
        "/me": user_routes.MeResource(auth),
        "/user": user_routes.UserResource(auth),
        "/user/sessions": session_list_routes.SessionsResource(auth),
        "/user/sessions/{session_id}": session_list_routes.SessionResource(auth),
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
        "/factors": factor_routes.FactorsResource(auth),
        "/factors/recovery": factor_routes.RecoveryResource(auth),
        "/factors/recovery-codes": factor_routes.RecoveryCodesResource(auth),
        "/factors/{factor_id}": factor_routes.FactorResource(auth),
        "/factors/{factor_id}/verify": factor_routes.FactorVerifyResource(auth),
        "/webauthn/register/start": passkey_routes.RegisterStartResource(auth),
        "/webauthn/register/finish": passkey_routes.RegisterFinishResource(auth),
        "/webauthn/authenticate/start": passkey_routes.AuthenticateStartResource(auth),
        "/webauthn/authenticate/finish": passkey_routes.AuthenticateFinishResource(auth),
        "/webauthn/credentials": passkey_routes.CredentialsResource(auth),
        "/webauthn/credentials/{credential_id}": passkey_routes.CredentialResource(auth),
    }
    for path, resource in signed_in.items():
        yield Mount(f"{prefix}{path}", resource, access=Access.USER)
    yield Mount(f"{prefix}/_admin/outbox", outbox_routes.OutboxResource(auth), access=Access.ADMIN)
