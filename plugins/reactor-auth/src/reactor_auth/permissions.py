"""The permissions identity asks for, and the three roles every organisation starts with."""

from __future__ import annotations

from dataclasses import dataclass

OWNER = "owner"
ADMIN = "admin"
MEMBER = "member"

ORGS_READ = "auth:orgs:read"
ORGS_WRITE = "auth:orgs:write"
MEMBERS_READ = "auth:members:read"
MEMBERS_WRITE = "auth:members:write"
CLIENTS_READ = "auth:clients:read"
CLIENTS_WRITE = "auth:clients:write"
ROLES_READ = "auth:roles:read"
ROLES_WRITE = "auth:roles:write"
INVITATIONS_READ = "auth:invitations:read"
INVITATIONS_WRITE = "auth:invitations:write"
AUDIT_READ = "auth:audit:read"

PERMISSIONS: dict[str, str] = {
    "auth:users:read": "See the users of the organisation",
    "auth:users:write": "Change users of the organisation",
    ORGS_READ: "See the organisation",
    ORGS_WRITE: "Change or delete the organisation",
    MEMBERS_READ: "See the members of the organisation",
    MEMBERS_WRITE: "Change roles of members and remove members",
    ROLES_READ: "See the roles of the organisation",
    ROLES_WRITE: "Make, change and delete roles",
    INVITATIONS_READ: "See invitations to the organisation",
    INVITATIONS_WRITE: "Invite people and withdraw invitations",
    CLIENTS_READ: "See the OAuth clients of the organisation",
    CLIENTS_WRITE: "Register, change and delete OAuth clients of the organisation",
    AUDIT_READ: "Read the organisation's audit log",
}


@dataclass(frozen=True, slots=True)
class SystemRole:
    """A role made together with each organisation; it can be neither changed nor deleted."""

    name: str
    description: str
    permissions: tuple[str, ...]


SYSTEM_ROLES: tuple[SystemRole, ...] = (
    SystemRole(OWNER, "May do everything, including deleting the organisation", ("*",)),
    # Two-segment wildcards on purpose: `functions:*:*` does not match `functions:create` (contract auth.md §4.8).
    SystemRole(
        ADMIN,
        "Runs the organisation: everything except its ownership",
        (
            "auth:*:read",
            "auth:members:*",
            "auth:orgs:read",
            "auth:roles:*",
            "auth:users:write",
            "data:*",
            "functions:*",
            "jobs:*",
            "sites:*",
            "storage:*",
        ),
    ),
    SystemRole(
        MEMBER,
        "Reads the organisation's data and calls its functions",
        ("auth:orgs:read", "auth:users:read", "data:*:read", "functions:*:invoke", "storage:*:read"),
    ),
)
