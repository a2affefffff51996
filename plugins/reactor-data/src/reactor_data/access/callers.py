"""Whose access is explained: a user of the platform, or whoever carries given claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from reactor_data.access.model import Refused
from reactor_data.errors import DataError, invalid_body
from reactor_kernel.api import AuthClient, Clock, DbRole, Forbidden, Identity, IdentityKind, OrgRef

# Clocks of issuer and verifier may differ by so much (decision 43).
LEEWAY_SECS = 30
_PUBLISHED = frozenset(("sub", "user_id", "org_id", "org_role", "permissions", "api_key_id", "token_type", "role"))


class WhoBody(msgspec.Struct, forbid_unknown_fields=True):
    """`{user_id, org?}` or `{claims}`."""

    user_id: str | None = None
    org: str | None = None
    claims: dict[str, Any] | None = None


class CallerFinder:
    """Finds identities as requests do: through the auth service, or from claims as SQL sees them."""

    def __init__(
        self,
        auth: Callable[[], AuthClient | None],
        clock: Clock,
        role_names: Callable[[], Mapping[str, DbRole]],
        placed: Callable[[Identity], Identity],
        *,
        anonymous_enabled: bool,
        role_claim: str | None,
    ) -> None:
        """Take what requests are resolved with: `placed` gives an identity the role that its claim `role_claim` names."""
        self._auth = auth
        self._clock = clock
        self._role_names = role_names
        self._placed = placed
        self._anonymous_enabled = anonymous_enabled
        self._role_claim = role_claim

    def find(self, who: WhoBody) -> Identity | Refused:
        """Return the identity, or why its requests are refused before they get to the database.

        Raises:
            DataError: 400 where it is not said who is meant.
            NotFound: no such user or organisation.
        """
        if (who.user_id is None) == (who.claims is None) or (who.claims is not None and who.org is not None):
            raise invalid_body(
                "identity must have user_id or claims",
                hint='Send {"user_id": "…", "org": "acme"} or {"claims": {"user_id": "…", "org_id": "…"}}.',
            )
        found = self._of_user(who) if who.claims is None else self._of_claims(who.claims)
        if isinstance(found, Refused):
            return found
        try:
            return self._placed(found)
        except DataError as refusal:
            return Refused(f"requests are refused with {refusal.status} {refusal.error_code}: {refusal.message}")

    def _of_user(self, who: WhoBody) -> Identity | Refused:
        auth = self._auth()
        if auth is None:
            raise DataError(
                501,
                "not_supported",
                "no enabled plugin knows users",
                hint='Name the caller by its claims: {"claims": {"user_id": "…", "org_id": "…"}}.',
            )
        try:
            return auth.identity_of(who.user_id or "", None if who.org is None else OrgRef(who.org))
        except Forbidden as refusal:
            return Refused(f"requests of this identity are refused with 403 {refusal.error_code}: {refusal.message}")

    def _of_claims(self, claims: Mapping[str, Any]) -> Identity | Refused:
        now = self._clock.now().timestamp()
        for name, late in (("exp", -1), ("nbf", 1)):
            value = claims.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise invalid_body(f"claim {name} must be seconds since 1970, not {value!r}")
            if (value - now) * late > LEEWAY_SECS:
                if name == "exp":
                    return Refused(
                        f"the token has expired ({int(now - value)} s ago): requests are refused with 401 token_expired"
                    )
                return Refused(
                    f"the token is not valid before another {int(value - now)} s: requests are refused with 401 invalid_token"
                )
        kind = self._kind(claims)
        role = self._role(claims, kind)
        if role is DbRole.ANONYMOUS and not self._anonymous_enabled:
            return Refused("requests without a token are refused with 401 unauthorized: [data] anon_role is not set")
        user_id = _text(claims, "user_id")
        subject = _text(claims, "sub")
        if user_id is None and subject is not None and subject.startswith("user_"):
            user_id = subject.removeprefix("user_")
        permissions = claims.get("permissions", [])
        if not isinstance(permissions, list) or not all(isinstance(one, str) for one in permissions):
            raise invalid_body("claim permissions must be an array of strings")
        return Identity(
            kind=kind,
            subject=subject or (f"user_{user_id}" if user_id is not None else kind.value),
            db_role=role,
            user_id=user_id,
            org_id=_text(claims, "org_id"),
            org_role=_text(claims, "org_role"),
            permissions=frozenset(permissions),
            claims={name: value for name, value in claims.items() if name not in _PUBLISHED}
            | ({"role": claims["role"]} if self._names_another(claims.get("role")) else {}),
            session_id=_text(claims, "session_id"),
            api_key_id=_text(claims, "api_key_id"),
        )

    def _kind(self, claims: Mapping[str, Any]) -> IdentityKind:
        named = claims.get("token_type")
        if named is None:
            role = claims.get("role")
            return (
                IdentityKind.ANONYMOUS
                if role is not None and self._named(role) is DbRole.ANONYMOUS
                else IdentityKind.USER
            )
        for kind in IdentityKind:
            if kind.value == named:
                return kind
        known = ", ".join(kind.value for kind in IdentityKind)
        raise invalid_body(f"claim token_type is {named!r}; there are {known}")

    def _role(self, claims: Mapping[str, Any], kind: IdentityKind) -> DbRole:
        named = claims.get("role")
        if named is None:
            return DbRole.ANONYMOUS if kind is IdentityKind.ANONYMOUS else DbRole.AUTHENTICATED
        return self._named(named)

    def _named(self, role: object) -> DbRole:
        names = self._names()
        found = names.get(role) if isinstance(role, str) else None
        if found is None and not self._names_another(role):
            raise invalid_body(f"claim role is {role!r}; requests run as one of {', '.join(sorted(names))}")
        return found or DbRole.AUTHENTICATED

    def _names(self) -> dict[str, DbRole]:
        return {**{one.value: one for one in DbRole}, **self._role_names()}

    def _names_another(self, role: object) -> bool:
        """Tell whether the claim is one that may name any role that the login role was granted."""
        return isinstance(role, str) and self._role_claim in ("$.role", "role") and role not in self._names()


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid_body(f"claim {name} must be a string, not {value!r}")
    return value
