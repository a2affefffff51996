"""What other plugins may hear of identity. Ids are text; payloads carry no secret."""

from __future__ import annotations

from dataclasses import dataclass

from reactor_kernel.api import EventType


@dataclass(frozen=True, slots=True)
class UserCreated:
    """Somebody signed up."""

    user_id: str
    email: str


@dataclass(frozen=True, slots=True)
class UserUpdated:
    """A user changed; `changed` names the fields."""

    user_id: str
    changed: list[str]


@dataclass(frozen=True, slots=True)
class UserDeleted:
    """A user deleted the own account, which is now disabled."""

    user_id: str


@dataclass(frozen=True, slots=True)
class UserErased:
    """A deleted account's data are gone; whatever else is kept about the user should go too."""

    user_id: str


@dataclass(frozen=True, slots=True)
class SessionRevoked:
    """Sessions of a user ended.

    `reason` is logout, revoked, token_revoked, expired, idle, password_changed, user_deleted, disabled_by_admin,
    ended_by_admin, operator_demoted, consent_withdrawn, client_deleted, code_reuse or reuse_detected.
    """

    user_id: str
    session_ids: list[str]
    reason: str


@dataclass(frozen=True, slots=True)
class OrgCreated:
    """An organisation was made; `owner_id` is its first owner."""

    org_id: str
    slug: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class OrgUpdated:
    """An organisation changed; `changed` names the fields."""

    org_id: str
    changed: list[str]


@dataclass(frozen=True, slots=True)
class OrgDeleted:
    """An organisation was deleted with its roles and memberships."""

    org_id: str


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A membership changed. `change` is joined, role_changed or removed."""

    org_id: str
    user_id: str
    change: str
    role: str | None


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """A custom role changed. `change` is created, updated or deleted."""

    org_id: str
    role_id: str
    change: str


@dataclass(frozen=True, slots=True)
class InvitationChanged:
    """An invitation changed. `change` is created, accepted or revoked."""

    org_id: str
    invitation_id: str
    change: str


@dataclass(frozen=True, slots=True)
class ApiKeyChanged:
    """An API key changed. `change` is created or revoked."""

    user_id: str
    org_id: str
    api_key_id: str
    change: str


EVENT_TYPES: tuple[EventType, ...] = (
    EventType("auth.user.created", UserCreated),
    EventType("auth.user.updated", UserUpdated),
    EventType("auth.user.deleted", UserDeleted),
    EventType("auth.user.erased", UserErased),
    EventType("auth.session.revoked", SessionRevoked),
    EventType("auth.org.created", OrgCreated),
    EventType("auth.org.updated", OrgUpdated),
    EventType("auth.org.deleted", OrgDeleted),
    EventType("auth.member.changed", MemberChanged),
    EventType("auth.role.changed", RoleChanged),
    EventType("auth.invitation.changed", InvitationChanged),
    EventType("auth.apikey.changed", ApiKeyChanged),
)
