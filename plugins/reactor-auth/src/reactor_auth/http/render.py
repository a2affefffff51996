"""How identity looks on the wire (contract auth.md §3.1)."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from reactor_auth.errors import PermissionDenied
from reactor_auth.model import Bounds, Caller, Member, Org, Origin, Role, Standing, Tokens, User
from reactor_kernel.api import Identity, IdentityKind

if TYPE_CHECKING:
    import falcon

_REFUSALS = {
    IdentityKind.API_KEY: "an API key may not do this; sign in as its owner",
    IdentityKind.DELEGATED: "a delegated token may not do this; sign in as its user",
}
MAX_USER_AGENT = 512


def instant(value: datetime) -> str:
    """Render RFC 3339 in UTC with offset +00:00."""
    return value.astimezone(UTC).isoformat()


def user(value: User) -> dict[str, Any]:
    """Render a user; `is_anonymous` is there for anonymous ones only."""
    return {
        "id": str(value.id),
        **({"is_anonymous": True} if value.is_anonymous else {}),
        "email": value.email or None,
        "email_verified": value.email_verified,
        "metadata": value.metadata,
        "default_org_id": None if value.default_org_id is None else str(value.default_org_id),
        "created_at": instant(value.created_at),
    }


def tokens(value: Tokens) -> dict[str, Any]:
    """Render tokens as sign-up and sign-in return them."""
    return {
        "access_token": value.access_token,
        "refresh_token": value.refresh_token,
        "expires_at": instant(value.expires_at),
        **_mfa_required(value),
    }


def oauth_tokens(value: Tokens) -> dict[str, Any]:
    """Render tokens as the token endpoint returns them."""
    body = {
        "access_token": value.access_token,
        "token_type": "Bearer",
        "refresh_token": value.refresh_token,
        "expires_in": value.expires_in,
        "expires_at": instant(value.expires_at),
        **_mfa_required(value),
    }
    if not value.refresh_token:
        del body["refresh_token"]
    return body


def org(value: Org) -> dict[str, Any]:
    """Render an organisation."""
    return {
        "id": str(value.id),
        "name": value.name,
        "slug": value.slug,
        "metadata": value.metadata,
        "created_at": instant(value.created_at),
        "updated_at": instant(value.updated_at),
        "mfa_required_roles": list(value.mfa_required_roles),
    }


def role(value: Role) -> dict[str, Any]:
    """Render a role; `is_default` marks the one new members get."""
    return {
        "id": str(value.id),
        "org_id": str(value.org_id),
        "name": value.name,
        "description": value.description,
        "is_system": value.is_system,
        "is_default": value.is_system and value.name == "member",
        "permissions": list(value.permissions),
    }


def member(value: Member) -> dict[str, Any]:
    """Render a member with the fields of both client generations; `id` is the user's."""
    return {
        "id": str(value.user.id),
        "user_id": str(value.user.id),
        "org_id": str(value.org_id),
        "user": user(value.user),
        "role_id": str(value.role_id),
        "role_name": value.role_name,
        "joined_at": instant(value.joined_at),
        "created_at": instant(value.joined_at),
        "updated_at": instant(value.updated_at),
    }


def org_of_standing(value: Standing) -> dict[str, Any]:
    """Render the organisation a permission answer is about."""
    return {"id": str(value.org.id), "slug": value.org.slug, "role_id": str(value.role_id)}


def origin_of(request: falcon.Request) -> Origin:
    """Return where a request came from, in a form Postgres can store."""
    client = request.context.client
    agent: str | None = client.user_agent
    return Origin(_address(client.address), agent.replace("\x00", "")[:MAX_USER_AGENT] if agent else None)


def caller_of(request: falcon.Request) -> Caller:
    """Return the signed-in user behind a request.

    Raises PermissionDenied for everything that may do less than the user: keys, delegated tokens, services.
    """
    return caller_as(request.context.identity, request)


def caller_as(identity: Identity, request: falcon.Request) -> Caller:
    """Return the signed-in user of an identity whose credential came in a request; see `caller_of`."""
    if identity.kind is not IdentityKind.USER or identity.user_id is None:
        raise PermissionDenied(_REFUSALS.get(identity.kind, "only a user may do this"))
    session_id = UUID(identity.session_id) if identity.session_id else None
    return Caller(UUID(identity.user_id), session_id, origin_of(request))


def actor_of(request: falcon.Request) -> Caller:
    """Return the user behind a request, or who acts for one by an API key or a delegated token, with its bounds."""
    identity = request.context.identity
    if identity.user_id is None or identity.kind not in (IdentityKind.API_KEY, IdentityKind.DELEGATED):
        return caller_of(request)
    origin = replace(
        origin_of(request),
        api_key_id=UUID(identity.api_key_id) if identity.api_key_id else None,
        delegated=identity.kind is IdentityKind.DELEGATED,
    )
    session_id = UUID(identity.session_id) if identity.session_id else None
    org_id = UUID(identity.org_id) if identity.org_id else None
    return Caller(UUID(identity.user_id), session_id, origin, Bounds(org_id, identity.permissions))


def no_store(response: falcon.Response) -> None:
    """Keep tokens out of caches (RFC 6749 §5.1)."""
    response.set_header("Cache-Control", "no-store")


def _mfa_required(value: Tokens) -> dict[str, Any]:
    return {"mfa_required": True} if value.mfa_required else {}


def _address(text: str | None) -> str | None:
    if not text:
        return None
    try:
        # Postgres' inet knows no zone ids.
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None
