"""What identity is made of, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

# Where nodes tell each other what changed; the payload is a subject of `changes`, or "keys".
NOTIFY_CHANNEL = "reactor_auth"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for sessions, limits and the audit log."""

    address: str | None
    user_agent: str | None
    api_key_id: UUID | None = None
    delegated: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A user as the database has it, without the password hash; `email` is empty for an anonymous one."""

    id: UUID
    email: str
    email_verified: bool
    metadata: Mapping[str, Any]
    default_org_id: UUID | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_anonymous(self) -> bool:
        """Whether the user has no address yet."""
        return not self.email


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an API key or a delegated token is confined to: one organisation, and at most these permissions there."""

    org_id: UUID | None
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a request, and the session its token belongs to; `bounds` where it may do less than the user.

    Somebody on the pages of this server has no session but a browser that signed in: `browser_id`.
    """

    user_id: UUID
    session_id: UUID | None
    origin: Origin
    bounds: Bounds | None = None
    browser_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """What a session was opened for: an OAuth client, with scopes, after a sign-in in a browser."""

    client_id: str
    scopes: tuple[str, ...]
    amr: tuple[str, ...]
    auth_time: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """A fresh pair of tokens. `expires_at` is the access token's.

    `refresh_token` is empty for a session that cannot be refreshed; `binding` says which OAuth client it is for;
    `mfa_required`: the user has a second factor that was not verified in this session.
    """

    access_token: str
    refresh_token: str
    expires_at: datetime
    expires_in: int
    binding: Binding | None = None
    mfa_required: bool = False


@dataclass(frozen=True, slots=True)
class Org:
    """An organisation; `mfa_required_roles` names the roles that need a second factor, in alphabetical order."""

    id: UUID
    slug: str
    name: str
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    mfa_required_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrgSummary:
    """One line of `GET /me`."""

    org_id: UUID
    org_slug: str
    role: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its permissions in alphabetical order."""

    id: UUID
    org_id: UUID
    name: str
    description: str | None
    is_system: bool
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A user's place in an organisation."""

    user: User
    org_id: UUID
    role_id: UUID
    role_name: str
    joined_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user is in one organisation, read within the present transaction."""

    org: Org
    role_id: UUID
    role_name: str
    permissions: frozenset[str]


class Scope(Enum):
    """Which sessions a logout ends: this one, all of the user's, or all but this one."""

    LOCAL = "local"
    GLOBAL = "global"
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class DefaultOrg:
    """The wish to have this default organisation; None for none."""

    org_id: UUID | None


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What to change; None leaves a thing as it is."""

    email: str | None = None
    password: str | None = field(default=None, repr=False)
    current_password: str | None = field(default=None, repr=False)
    metadata: dict[str, Any] | None = None
    default_org: DefaultOrg | None = None


@dataclass(frozen=True, slots=True)
class OrgChange:
    """What to change; None leaves a thing as it is."""

    name: str | None = None
    slug: str | None = None
    metadata: dict[str, Any] | None = None
    mfa_required_roles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """The wish to have this description; None for none."""

    text: str | None


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What to change; None leaves a thing as it is."""

    name: str | None = None
    description: Description | None = None
    permissions: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class UserChange:
    """What an administrator changes; None leaves a thing as it is."""

    email: str | None = None
    email_verified: bool | None = None
    password: str | None = field(default=None, repr=False)
    metadata: dict[str, Any] | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A live session as an administrator sees it."""

    id: UUID
    amr: tuple[str, ...]
    ip: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
