"""Asks the plugins that take part in identity; see `hookspecs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reactor_auth.errors import ClaimsUnusable, SignUpRefused, WeakPassword
from reactor_auth.hookspecs import SignUpAttempt
from reactor_auth.model import Origin, User
from reactor_kernel.api import Deny, Hooks, UserRecord

# What a token says about identity itself, here, in OAuth and OpenID Connect, or to row policies.
RESERVED = frozenset(
    [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "email",
        "email_verified",
        "amr",
        "acr",
        "azp",
        "nonce",
        "auth_time",
        "at_hash",
        "sid",
        "cnf",
        "orgs",
        "default_org",
        "session_id",
        "scopes",
        "scope",
        "mfa_at",
        "act",
        "may_act",
        "delegated",
        "client_id",
        "client_org",
        "token_type",
        "user_id",
        "org_id",
        "org_role",
        "permissions",
        "role",
        "is_anonymous",
    ]
)
# A token travels with each request, in a header.
MAX_BYTES = 2048


class Extensions:
    """What plugins say about sign-ups, passwords and claims."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def demand_signup(
        self,
        email: str | None,
        metadata: Mapping[str, Any],
        method: str,
        origin: Origin,
        *,
        email_verified: bool = False,
    ) -> None:
        """Raise SignUpRefused where a plugin refuses."""
        attempt = SignUpAttempt(email, email_verified, metadata, method, origin.address, origin.user_agent)
        verdict = self._hooks.vote("reactor_auth_before_signup", signup=attempt)
        if isinstance(verdict, Deny):
            raise SignUpRefused(verdict.reason)

    def demand_password(self, password: str, field: str = "password") -> None:
        """Raise WeakPassword where a plugin refuses."""
        verdict = self._hooks.vote("reactor_auth_password_check", password=password)
        if isinstance(verdict, Deny):
            raise WeakPassword(f"{field} {verdict.reason}", fields={field: [verdict.reason]})

    def claims(self, user: User) -> Mapping[str, Any]:
        """Return the claims that plugins add to a user's access tokens. Raises ClaimsUnusable."""
        found: dict[str, Any] = {}
        org = None if user.default_org_id is None else str(user.default_org_id)
        for plugin, answer in self._hooks.collect("reactor_auth_claims", user=record_of(user), org=org):
            if not isinstance(answer, Mapping):
                raise ClaimsUnusable(f"the plugin {plugin} yields {type(answer).__name__} instead of claims")
            for name, value in answer.items():
                if name in RESERVED or name in found:
                    raise ClaimsUnusable(f"the plugin {plugin} may not set the claim {name!r}")
                found[name] = value
        try:
            size = len(msgspec.json.encode(found)) if found else 0
        except TypeError as fault:
            raise ClaimsUnusable(f"claims of plugins are not JSON: {fault}") from fault
        if size > MAX_BYTES:
            raise ClaimsUnusable(f"claims of plugins take {size} bytes; {MAX_BYTES} are allowed")
        return found


def record_of(user: User) -> UserRecord:
    """Return a user as other plugins know users."""
    return UserRecord(
        id=str(user.id),
        email=user.email,
        email_verified=user.email_verified,
        metadata=user.metadata,
        default_org_id=None if user.default_org_id is None else str(user.default_org_id),
        created_at=user.created_at,
        disabled_at=user.disabled_at,
    )
