"""Make identities at other providers, sign-ins under way, platform roles and the operators' audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "auth_0006"
down_revision = "auth_0005"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"
OPERATOR_ROLE = "00000000-0000-0000-0000-000000000001"
PERMISSIONS = (
    ("ops:*", False),
    ("ops:read", False),
    ("ops:deploy", False),
    ("cloud:*", False),
    ("cloud:projects:read", False),
    ("cloud:projects:create", False),
    ("vault:read", False),
    ("cloud:projects:delete", True),
    ("vault:write", True),
    ("ops:cluster_admin", True),
)


def _instant(name: str, *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not required)


def _to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{SCHEMA}.{target}.id"], name=f"{table}_{column}_fkey", ondelete="CASCADE"
    )


def upgrade() -> None:
    """Make the tables and the seeded role."""
    _identities()
    _states()
    _operators()
    _log()


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_uid", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("metadata", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        _instant("created_at"),
        _instant("last_used_at"),
        sa.PrimaryKeyConstraint("id", name="identities_pkey"),
        sa.UniqueConstraint("provider", "provider_uid", name="identities_provider_provider_uid_key"),
        _to("identities", "user_id", "users"),
        schema=SCHEMA,
    )
    op.create_index("identities_user_id_idx", "identities", ["user_id"], schema=SCHEMA)


def _states() -> None:
    op.create_table(
        "oauth_states",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("redirect_to", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("session_id", sa.Uuid()),
        _instant("created_at"),
        _instant("expires_at"),
        sa.PrimaryKeyConstraint("state_hash", name="oauth_states_pkey"),
        _to("oauth_states", "user_id", "users"),
        _to("oauth_states", "session_id", "sessions"),
        schema=SCHEMA,
    )
    for column in ("expires_at", "user_id", "session_id"):
        op.create_index(f"oauth_states_{column}_idx", "oauth_states", [column], schema=SCHEMA)


def _operators() -> None:
    roles = op.create_table(
        "platform_roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("id", name="platform_roles_pkey"),
        sa.UniqueConstraint("name", name="platform_roles_name_key"),
        schema=SCHEMA,
    )
    permissions = op.create_table(
        "platform_role_permissions",
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("requires_step_up", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.PrimaryKeyConstraint("role_id", "permission", name="platform_role_permissions_pkey"),
        _to("platform_role_permissions", "role_id", "platform_roles"),
        schema=SCHEMA,
    )
    op.create_table(
        "platform_memberships",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by", sa.Uuid()),
        _instant("granted_at"),
        _instant("revoked_at", required=False),
        sa.PrimaryKeyConstraint("user_id", "role_id", name="platform_memberships_pkey"),
        _to("platform_memberships", "user_id", "users"),
        _to("platform_memberships", "role_id", "platform_roles"),
        schema=SCHEMA,
    )
    op.create_index("platform_memberships_role_id_idx", "platform_memberships", ["role_id"], schema=SCHEMA)
    op.execute(
        roles.insert().values(
            id=OPERATOR_ROLE,
            name="platform_operator",
            description="Runs the platform",
            created_at=sa.func.now(),
        )
    )
    op.bulk_insert(
        permissions,
        [
            {"role_id": OPERATOR_ROLE, "permission": permission, "requires_step_up": step_up}
            for permission, step_up in PERMISSIONS
        ],
    )


def _log() -> None:
    op.create_table(
        "ops_audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _instant("ts"),
        sa.Column("actor_user_id", sa.Uuid()),
        sa.Column("actor_ip", postgresql.INET()),
        sa.Column("actor_user_agent", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("scope_used", sa.Text()),
        sa.Column("resource_type", sa.Text()),
        sa.Column("resource_id", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("step_up_used", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="ops_audit_log_pkey"),
        sa.CheckConstraint("status IN ('success', 'denied', 'error')", name="ops_audit_log_status_check"),
        schema=SCHEMA,
    )
    op.create_index("ops_audit_log_ts_idx", "ops_audit_log", [sa.text("ts DESC")], schema=SCHEMA)
    op.create_index(
        "ops_audit_log_actor_user_id_ts_idx", "ops_audit_log", ["actor_user_id", sa.text("ts DESC")], schema=SCHEMA
    )
