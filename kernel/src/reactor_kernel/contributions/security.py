"""Votes on whether a caller may act, and the permissions a plugin knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allow:
    """This plugin grants the action."""


@dataclass(frozen=True, slots=True)
class Deny:
    """This plugin refuses the action; one refusal decides."""

    reason: str
    code: str = "permission_denied"


Vote = Allow | Deny | None


@dataclass(frozen=True, slots=True)
class PermissionDoc:
    """A permission a plugin asks for, with its meaning in one line."""

    name: str
    meaning: str
