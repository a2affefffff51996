"""Make users, organisations, roles, sessions, signing keys, audit and rate windows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "auth_0001"
down_revision = None
branch_labels = ("auth",)
depends_on = None

SCHEMA = "_reactor_auth"


def _instant(name: str, *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not required)


def _metadata() -> sa.Column[object]:
    return sa.Column("metadata", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb"))


def upgrade() -> None:
    """Make the tables of the first version."""
    op.create_table(
        "orgs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _metadata(),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("id", name="orgs_pkey"),
        schema=SCHEMA,
    )
    op.create_index("orgs_slug_lower_key", "orgs", [sa.text("lower(slug)")], unique=True, schema=SCHEMA)

    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_verified", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("password_hash", sa.Text()),
        _metadata(),
        sa.Column("default_org_id", sa.Uuid()),
        _instant("disabled_at", required=False),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.ForeignKeyConstraint(
            ["default_org_id"], [f"{SCHEMA}.orgs.id"], name="users_default_org_id_fkey", ondelete="SET NULL"
        ),
        schema=SCHEMA,
    )
    op.create_index("users_email_lower_key", "users", [sa.text("lower(email)")], unique=True, schema=SCHEMA)
    op.create_index("users_default_org_id_idx", "users", ["default_org_id"], schema=SCHEMA)

    op.create_table(
        "roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("is_system", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("id", name="roles_pkey"),
        sa.UniqueConstraint("org_id", "name", name="roles_org_id_name_key"),
        sa.ForeignKeyConstraint(["org_id"], [f"{SCHEMA}.orgs.id"], name="roles_org_id_fkey", ondelete="CASCADE"),
        schema=SCHEMA,
    )
    op.create_table(
        "role_permissions",
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("role_id", "permission", name="role_permissions_pkey"),
        sa.ForeignKeyConstraint(
            ["role_id"], [f"{SCHEMA}.roles.id"], name="role_permissions_role_id_fkey", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        _instant("joined_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("user_id", "org_id", name="memberships_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], [f"{SCHEMA}.users.id"], name="memberships_user_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], [f"{SCHEMA}.orgs.id"], name="memberships_org_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["role_id"], [f"{SCHEMA}.roles.id"], name="memberships_role_id_fkey", ondelete="RESTRICT"
        ),
        schema=SCHEMA,
    )
    op.create_index("memberships_org_id_joined_at_idx", "memberships", ["org_id", "joined_at"], schema=SCHEMA)
    op.create_index("memberships_role_id_idx", "memberships", ["role_id"], schema=SCHEMA)

    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("amr", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("ip", postgresql.INET()),
        sa.Column("user_agent", sa.Text()),
        _instant("created_at"),
        _instant("last_seen_at"),
        _instant("revoked_at", required=False),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
        sa.ForeignKeyConstraint(["user_id"], [f"{SCHEMA}.users.id"], name="sessions_user_id_fkey", ondelete="CASCADE"),
        schema=SCHEMA,
    )
    op.create_index(
        "sessions_live_user_id_idx",
        "sessions",
        ["user_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index("sessions_last_seen_at_idx", "sessions", ["last_seen_at"], schema=SCHEMA)

    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        _instant("issued_at"),
        _instant("expires_at"),
        _instant("used_at", required=False),
        sa.Column("replaced_by", sa.Uuid()),
        sa.Column("successor_sealed", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="refresh_tokens_pkey"),
        sa.UniqueConstraint("token_hash", name="refresh_tokens_token_hash_key"),
        sa.ForeignKeyConstraint(
            ["session_id"], [f"{SCHEMA}.sessions.id"], name="refresh_tokens_session_id_fkey", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    op.create_index("refresh_tokens_session_id_idx", "refresh_tokens", ["session_id"], schema=SCHEMA)
    op.create_index("refresh_tokens_expires_at_idx", "refresh_tokens", ["expires_at"], schema=SCHEMA)
    op.create_index(
        "refresh_tokens_sealed_idx",
        "refresh_tokens",
        ["used_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("successor_sealed IS NOT NULL"),
    )

    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("private_key_pem", sa.Text(), nullable=False),
        sa.Column("public_key_pem", sa.Text(), nullable=False),
        _instant("created_at"),
        _instant("activated_at"),
        _instant("rotated_at", required=False),
        _instant("retired_at", required=False),
        sa.PrimaryKeyConstraint("kid", name="signing_keys_pkey"),
        schema=SCHEMA,
    )
    op.create_index(
        "signing_keys_one_active_key",
        "signing_keys",
        ["algorithm"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("rotated_at IS NULL AND retired_at IS NULL"),
    )

    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        _instant("ts"),
        sa.Column("actor_user_id", sa.Uuid()),
        sa.Column("actor_apikey_id", sa.Uuid()),
        sa.Column("org_id", sa.Uuid()),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text()),
        sa.Column("ip", postgresql.INET()),
        sa.Column("user_agent", sa.Text()),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_events_pkey"),
        schema=SCHEMA,
    )
    for column in ("org_id", "actor_user_id", "event_type"):
        op.create_index(f"audit_events_{column}_ts_idx", "audit_events", [column, sa.text("ts DESC")], schema=SCHEMA)

    op.create_table(
        "rate_windows",
        sa.Column("bucket", sa.Text(), nullable=False),
        _instant("window_start"),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("previous_hits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="rate_windows_pkey"),
        schema=SCHEMA,
    )
    op.create_index("rate_windows_window_start_idx", "rate_windows", ["window_start"], schema=SCHEMA)


def downgrade() -> None:
    """Remove everything, data included."""
    for table in (
        "rate_windows",
        "audit_events",
        "signing_keys",
        "refresh_tokens",
        "sessions",
        "memberships",
        "role_permissions",
        "roles",
        "users",
        "orgs",
    ):
        op.drop_table(table, schema=SCHEMA)
