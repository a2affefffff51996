"""Who is calling: what a credential turns into, and what the database is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

import msgspec

from reactor_kernel.contracts.permissions import grants


class IdentityKind(Enum):
    """The sort of caller; `token_type` in the published claims.

    API_KEY and DELEGATED act for a user with less than its rights, so they are never taken for USER.
    """

    USER = "user"
    API_KEY = "api_key"
    DELEGATED = "delegated"
    SERVICE = "service"
    ADMIN = "admin"
    ANONYMOUS = "anon"


class DbRole(Enum):
    """Which of the platform's database roles a transaction runs as. The names are configuration."""

    AUTHENTICATED = "authenticated"
    ANONYMOUS = "anon"
    SERVICE = "service"


@dataclass(frozen=True)
class Identity:
    """A verified caller in one organisation.

    `claims` is what SQL sees as `request.jwt.claims`: all verified token claims plus `role`, `user_id`, `org_id`,
    `org_role`, `permissions`, `api_key_id`, `token_type` (contract data.md §7.2). `role` is filled by the database
    layer, which knows the configured names. `role_name` is another database role that runs in place of `db_role`'s; who sets
    it has checked that the caller may have it.
    """

    kind: IdentityKind
    subject: str
    db_role: DbRole
    user_id: str | None = None
    org_id: str | None = None
    org_role: str | None = None
    permissions: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, object] = field(default_factory=dict)
    session_id: str | None = None
    api_key_id: str | None = None
    role_name: str | None = None

    def may(self, permission: str) -> bool:
        """Tell whether this caller's permissions in its organisation cover `permission`."""
        return grants(self.permissions, permission)

    @cached_property
    def claims_json(self) -> str:
        """The published claims as JSON text without `role`; made once per identity."""
        published = {
            **self.claims,
            "sub": self.subject,
            "user_id": self.user_id,
            "org_id": self.org_id,
            "org_role": self.org_role,
            "permissions": sorted(self.permissions),
            "api_key_id": self.api_key_id,
            "token_type": self.kind.value,
        }
        return msgspec.json.encode(published).decode()


ANONYMOUS = Identity(kind=IdentityKind.ANONYMOUS, subject="anon", db_role=DbRole.ANONYMOUS)
