"""Scopes: those of OpenID Connect, platform scopes, and permissions (contract auth.md §4.2, §4.8)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reactor_kernel.api import grants

OPENID, PROFILE, EMAIL, OFFLINE = "openid", "profile", "email", "offline_access"
OIDC = (OPENID, PROFILE, EMAIL, OFFLINE)
# Areas of the platform itself: an organisation has no say over them.
PLATFORM = frozenset({"ops", "cloud", "platform", "vault"})
MAX_SCOPES = 64
# All scopes of a token together: with the other claims they have to stay below what is accepted as a token.
MAX_BYTES = 2048
_PERMISSION = re.compile(r"(?:\*|[a-z][a-z0-9_\-]*(?::(?:\*|[A-Za-z0-9_\-.]+))+)\Z")
# RFC 6749 §3.3
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}\Z")

MEANINGS = {
    OPENID: "Know who you are",
    PROFILE: "See your profile",
    EMAIL: "See your e-mail address",
    OFFLINE: "Stay signed in while you are away",
}


def split(text: str) -> tuple[str, ...] | None:
    """Return the scopes of a space-separated list without repetition, None where it is none."""
    found = tuple(dict.fromkeys(part for part in text.split(" ") if part))
    return found if len(found) <= MAX_SCOPES and all(map(_TOKEN.match, found)) and fit(found) else None


def fit(scopes: Iterable[str]) -> bool:
    """Tell whether a token can carry these scopes."""
    return sum(len(scope) + 1 for scope in scopes) <= MAX_BYTES


def is_platform(scope: str) -> bool:
    """Tell whether a scope is a right on the platform, not within an organisation."""
    return ":" in scope and scope.partition(":")[0] in PLATFORM


def is_permission(scope: str) -> bool:
    """Tell whether a scope is a permission within an organisation."""
    return scope not in OIDC and not is_platform(scope) and bool(_PERMISSION.match(scope))


def permissions_in(scopes: Iterable[str]) -> frozenset[str]:
    """Return the permissions among scopes."""
    return frozenset(scope for scope in scopes if is_permission(scope))


def uncovered(wanted: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """Return the scopes that a list of allowed ones, permissions among them patterns, does not cover."""
    exact = frozenset(allowed)
    patterns = permissions_in(exact)
    return [scope for scope in wanted if scope not in exact and not (is_permission(scope) and grants(patterns, scope))]


def meaning(scope: str) -> str:
    """Say to a person what a scope allows."""
    if scope in MEANINGS:
        return MEANINGS[scope]
    if scope == "*":
        return "Do everything you may do in the organisation"
    area, *of, action = scope.split(":")
    what = "Do everything with" if action == "*" else action.capitalize()
    return f"{what} {area}{': ' if of else ''}{' '.join(of).replace('*', 'all')}"
