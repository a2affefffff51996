"""What identity is made of, as values."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class User:
    """A user as the database has it, without the password hash."""

    id: UUID
    email: str
    email_verified: bool
    metadata: Mapping[str, Any]
    default_org_id: UUID | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a request, and the session its token belongs to."""

    user_id: UUID
    session_id: UUID | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Tokens:
    """A fresh pair of tokens. `expires_at` is the access token's."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    expires_in: int


@dataclass(frozen=True, slots=True)
class Org:
    """An organisation."""

    id: UUID
    slug: str
    name: str
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


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
