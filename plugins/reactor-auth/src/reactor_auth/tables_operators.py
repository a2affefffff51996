"""Tables of platform operators, in the schema and metadata of `tables`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB

from reactor_auth.tables import metadata, users

_INSTANT = DateTime(timezone=True)

platform_roles = Table(
    "platform_roles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("created_at", _INSTANT, nullable=False),
)

platform_role_permissions = Table(
    "platform_role_permissions",
    metadata,
    Column("role_id", Uuid, ForeignKey(platform_roles.c.id, ondelete="CASCADE"), nullable=False),
    Column("permission", Text, nullable=False),
    # What the role was meant for; `[ops] require_step_up_for` decides.
    Column("requires_step_up", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("role_id", "permission"),
)

platform_memberships = Table(
    "platform_memberships",
    metadata,
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("role_id", Uuid, ForeignKey(platform_roles.c.id, ondelete="CASCADE"), nullable=False),
    # No foreign key: who granted it stays on record when that user is gone.
    Column("granted_by", Uuid),
    Column("granted_at", _INSTANT, nullable=False),
    Column("revoked_at", _INSTANT),
    PrimaryKeyConstraint("user_id", "role_id"),
)
Index("platform_memberships_role_id_idx", platform_memberships.c.role_id)

ops_audit_log = Table(
    "ops_audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ts", _INSTANT, nullable=False),
    Column("actor_user_id", Uuid),
    Column("actor_ip", INET),
    Column("actor_user_agent", Text),
    Column("action", Text, nullable=False),
    Column("scope_used", Text),
    Column("resource_type", Text),
    Column("resource_id", Text),
    Column("status", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("step_up_used", Boolean, nullable=False),
    CheckConstraint("status IN ('success', 'denied', 'error')", name="ops_audit_log_status_check"),
)
Index("ops_audit_log_ts_idx", ops_audit_log.c.ts.desc())
Index("ops_audit_log_actor_user_id_ts_idx", ops_audit_log.c.actor_user_id, ops_audit_log.c.ts.desc())
