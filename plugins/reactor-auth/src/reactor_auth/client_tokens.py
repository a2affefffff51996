"""Access tokens of registered OAuth clients: less than the user, and only in the client's organisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from reactor_auth import oauth_scopes
from reactor_auth.errors import NotOrgMember, PermissionDenied
from reactor_auth.model import Binding
from reactor_auth.oauth_model import Client
from reactor_auth.queries import client_access as sql
from reactor_auth.scopes import beyond, intersect
from reactor_kernel.api import Claims, Database, Identity, IdentityKind, InvalidCredential

CLIENT = "client_id"
# RFC 9068 §2.2.3. Not `scopes`, which holds platform scopes.
SCOPE = "scope"
ORG = "client_org"
# Routes that say nothing a scope does not name, or that end the token's own session.
_OWN_PATHS = ("/userinfo", "/logout", "/permissions")


def claims_for(client: Client, binding: Binding, platform_scopes: Sequence[str]) -> dict[str, Any]:
    """Return what is added to the access tokens of a session that was opened for a client."""
    claims: dict[str, Any] = {CLIENT: client.client_id}
    if client.is_built_in:
        if platform_scopes:
            claims["scopes"] = list(platform_scopes)
    else:
        claims[SCOPE] = " ".join(binding.scopes)
        claims[ORG] = str(client.org_id)
    return claims


def org_of(claims: Claims) -> UUID | None:
    """Return the organisation of the client a token was issued to; None for a token that acts for its user in full."""
    text = claims.raw.get(ORG)
    if text is None:
        return None
    try:
        return UUID(str(text))
    except ValueError as fault:
        raise InvalidCredential(f"the access token's {ORG} is not valid") from fault


def confined(identity: Identity, claims: Claims, *, named: bool) -> Identity:
    """Return the identity, or for a client's token what the user, the scopes and the client's organisation have in common.

    Raises NotOrgMember where the request names another organisation than the client's.
    """
    org = org_of(claims)
    if org is None:
        return identity
    if identity.org_id != str(org):
        if named:
            raise NotOrgMember("the access token is bound to the organisation of its client")
        identity = replace(identity, org_id=None, org_role=None, permissions=frozenset())
    scopes = oauth_scopes.permissions_in(str(claims.raw.get(SCOPE, "")).split(" "))
    covered = not beyond(identity.permissions, scopes)
    return replace(
        identity,
        kind=IdentityKind.DELEGATED,
        permissions=intersect(identity.permissions, scopes),
        # Policies read rights from the role's name, so it stays only where the scopes cover all of the role.
        org_role=identity.org_role if covered else None,
        scopes=frozenset(),
    )


def own_identity(db: Database, identity: Identity) -> Identity:
    """Return what a client may do for itself, where the token of a service was issued to a client.

    It is no service of this platform, so it is never taken for one. Raises InvalidCredential where the client is gone.
    """
    client_id = identity.claims.get(CLIENT)
    if client_id is None:
        return identity
    [found] = db.run(None, [sql.scopes_of(str(client_id))], readonly=True)
    if not found.rows:
        raise InvalidCredential("the access token's client does not exist")
    allowed = msgspec.json.decode(found.rows[0][0] or b"[]", type=list[str])
    permissions = intersect(identity.permissions, oauth_scopes.permissions_in(allowed))
    return replace(identity, kind=IdentityKind.DELEGATED, permissions=permissions)


def demand_reach(identity: Identity, owner: str, own: str, method: str, path: str) -> None:
    """Raise PermissionDenied where a client's token is presented to a route that none of its scopes is for.

    `own` is the capability that keeps accounts, and `path` the request's below its prefix: an account is its user's, and an
    application learns of it what userinfo tells. Row-level security knows the user, not the client, so a token that was
    given for signing in must not reach the user's rows at all, and one given for reading must not write.
    """
    if not _is_application(identity) or owner == "kernel":
        return
    if owner == own:
        if path not in _OWN_PATHS and not path.startswith("/permissions/"):
            raise PermissionDenied("an application's access token may not do this; sign in as its user")
        return
    demand_scope(identity, owner, writes=method not in ("GET", "HEAD", "OPTIONS"))


def demand_scope(identity: Identity, capability: str | None, *, writes: bool) -> None:
    """Raise PermissionDenied for a client's token without a scope for a capability; None asks nothing."""
    if capability is None or not _is_application(identity):
        return
    for scope in oauth_scopes.permissions_in(str(identity.claims.get(SCOPE, "")).split(" ")):
        segments = scope.split(":")
        if segments[0] in ("*", capability) and (not writes or segments[-1] != "read"):
            return
    raise PermissionDenied(
        f"the access token has no scope that lets its application {'write to' if writes else 'read from'} {capability}"
    )


def _is_application(identity: Identity) -> bool:
    return identity.kind is IdentityKind.DELEGATED and CLIENT in identity.claims
