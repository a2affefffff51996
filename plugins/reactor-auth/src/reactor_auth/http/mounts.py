"""Where everything is mounted and who may call it."""

from __future__ import annotations

from collections.abc import Iterator

from reactor_auth.assembly import Auth
from reactor_auth.http import (
    account_pages,
    account_routes,
    api_key_routes,
    audit_routes,
    authorize_routes,
    client_routes,
    device_routes,
    factor_routes,
    internal_routes,
    invitation_routes,
    key_routes,
    openid_routes,
    operator_routes,
    org_routes,
    outbox_routes,
    passkey_routes,
    permission_routes,
    role_routes,
    rotation_routes,
    session_list_routes,
    session_routes,
    social_routes,
    user_routes,
    verify_routes,
)
from reactor_auth.http.admin_mounts import admin_mounts
from reactor_kernel.api import Access, MethodRule, Mount

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
        "/operators/remove-factors": operator_routes.OperatorRemoveFactorsResource(auth),
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
    service_token = internal_routes.ServiceTokenResource(auth, secret)
    yield Mount(f"{auth.prefix}/_internal/service_token", service_token, access=Access.PUBLIC)
    user = internal_routes.InternalUserResource(auth, secret)
    yield Mount(f"{auth.prefix}/users/{{user_id}}", user, access=Access.PUBLIC)


def mounts(auth: Auth) -> Iterator[Mount]:
    """Yield every route; rights within an organisation are checked where its rows are locked."""
    prefix = auth.prefix
    keys = key_routes.KeysResource(auth)
    discovery = openid_routes.DiscoveryResource(auth)
    accepting = invitation_routes.AcceptResource(auth)
    resend, verify = account_routes.ResendResource(auth), verify_routes.VerifyResource(auth)
    public: dict[str, object] = {
        "/signup": session_routes.SignUpResource(auth),
        "/login": session_routes.LoginResource(auth),
        "/token": session_routes.TokenResource(auth),
        # Public, because a refresh token in the body is a credential too.
        "/logout": openid_routes.EndSessionResource(auth),
        "/invitations/accept": accepting,
        "/orgs/{ref}/invitations/{invitation}/accept": accepting,
        "/verify": verify,
        "/verify/resend": resend,
        "/resend": resend,
        "/password-reset/request": account_routes.ResetRequestResource(auth),
        "/password-reset/confirm": account_routes.ResetConfirmResource(auth),
        "/recover": account_routes.ResetRequestResource(auth, empty=True),
        "/reset": account_routes.ResetPageResource(auth),
        "/otp": account_routes.OtpResource(auth),
        "/callback": social_routes.CallbackResource(auth),
        "/callback/{provider}": social_routes.CallbackResource(auth),
        "/providers": social_routes.ProvidersResource(auth),
        "/.well-known/jwks.json": keys,
        "/.well-known/openid-configuration": discovery,
        "/authorize": authorize_routes.AuthorizeResource(auth),
        "/device": device_routes.DeviceResource(auth),
        "/account": account_pages.AccountResource(auth),
        "/device/code": device_routes.DeviceCodeResource(auth),
        "/introspect": openid_routes.IntrospectResource(auth),
        "/revoke": openid_routes.RevokeResource(auth),
        "/webauthn/login/start": passkey_routes.LoginStartResource(auth),
        "/webauthn/login/finish": passkey_routes.LoginFinishResource(auth),
    }
    for path, resource in public.items():
        yield Mount(f"{prefix}{path}", resource, access=Access.PUBLIC)
    yield Mount(f"{prefix}/_admin/rotate-keys", rotation_routes.RotateKeysResource(auth), access=Access.ADMIN)
    # RFC 8414 §3.1 puts the well-known part before the path of the issuer.
    yield Mount(f"/.well-known/oauth-authorization-server{prefix}", discovery, access=Access.PUBLIC)
    yield Mount(
        f"{prefix}/_admin/oauth/clients/{{client_id}}", client_routes.ClientAdminResource(auth), access=Access.ADMIN
    )
    yield Mount(
        f"{prefix}/keys",
        api_key_routes.KeysAndApiKeysResource(auth),
        access=Access.PUBLIC,
        methods={"POST": MethodRule(access=Access.USER)},
    )
    api_key = api_key_routes.ApiKeyResource(auth)
    signed_in: dict[str, object] = {
        "/me": user_routes.MeResource(auth),
        "/user": user_routes.UserResource(auth),
        "/user/sessions": session_list_routes.SessionsResource(auth),
        "/user/sessions/{session_id}": session_list_routes.SessionResource(auth),
        "/user/export": account_routes.ExportResource(auth),
        "/user/identities": social_routes.IdentitiesResource(auth),
        "/user/identities/{identity}": social_routes.IdentityResource(auth),
        "/user/identities/{identity}/link": social_routes.LinkResource(auth),
        "/orgs": org_routes.OrgsResource(auth),
        "/orgs/{ref}": org_routes.OrgResource(auth),
        "/orgs/{ref}/roles": role_routes.RolesResource(auth),
        "/orgs/{ref}/roles/{role_id}": role_routes.RoleResource(auth),
        "/orgs/{ref}/members": org_routes.MembersResource(auth),
        "/orgs/{ref}/members/{user_id}": org_routes.MemberResource(auth),
        "/orgs/{ref}/members/{user_id}/role": org_routes.MemberRoleResource(auth),
        "/orgs/{ref}/invitations": invitation_routes.OrgInvitationsResource(auth),
        "/orgs/{ref}/invitations/{invitation}": invitation_routes.OrgInvitationResource(auth),
        "/orgs/{ref}/audit": audit_routes.AuditResource(auth),
        "/invitations": invitation_routes.OwnInvitationsResource(auth),
        "/invitations/{invitation}": invitation_routes.InvitationResource(auth),
        "/api-keys": api_key_routes.ApiKeysResource(auth),
        "/api-keys/{key_id}": api_key,
        "/keys/{key_id}": api_key,
        "/tokens/delegate": api_key_routes.DelegateResource(auth),
        "/roles": org_routes.ActiveOrgRolesResource(auth),
        "/permissions": permission_routes.PermissionsResource(auth),
        "/permissions/check": permission_routes.PermissionCheckResource(auth),
        "/userinfo": openid_routes.UserInfoResource(auth),
        "/user/consents": client_routes.ConsentsResource(auth),
        "/user/consents/{client_id}": client_routes.ConsentResource(auth),
        "/oauth/clients": client_routes.ClientsResource(auth),
        "/oauth/clients/{client_id}": client_routes.ClientResource(auth),
        "/oauth/clients/{client_id}/secret": client_routes.ClientSecretResource(auth),
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
    yield from admin_mounts(auth)
    yield from operator_mounts(auth)
    yield from internal_mounts(auth)
