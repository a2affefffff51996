"""Make the outbox, one-time tokens and known devices; let users be anonymous and be deleted for good."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "auth_0002"
down_revision = "auth_0001"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"


def _instant(name: str, *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not required)


def _user(name: str, table: str, *, required: bool) -> tuple[sa.Column[object], sa.ForeignKeyConstraint]:
    constraint = sa.ForeignKeyConstraint(
        [name], [f"{SCHEMA}.users.id"], name=f"{table}_{name}_fkey", ondelete="CASCADE"
    )
    return sa.Column(name, sa.Uuid(), nullable=not required), constraint


def upgrade() -> None:
    """Add what mail and the life of accounts need."""
    op.alter_column("users", "email", existing_type=sa.Text(), nullable=True, schema=SCHEMA)
    op.add_column("users", _instant("deleted_at", required=False), schema=SCHEMA)
    op.create_index(
        "users_deleted_at_idx",
        "users",
        ["deleted_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )

    user, user_key = _user("user_id", "verification_tokens", required=False)
    op.create_table(
        "verification_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        user,
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_type", sa.Text(), nullable=False),
        sa.Column("code_mac", sa.LargeBinary()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("used_at", required=False),
        sa.PrimaryKeyConstraint("id", name="verification_tokens_pkey"),
        sa.UniqueConstraint("token_hash", name="verification_tokens_token_hash_key"),
        user_key,
        schema=SCHEMA,
    )
    for column in ("user_id", "email", "expires_at"):
        op.create_index(f"verification_tokens_{column}_idx", "verification_tokens", [column], schema=SCHEMA)

    user, user_key = _user("subject_user", "mail_outbox", required=False)
    op.create_table(
        "mail_outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        user,
        sa.Column("variables_sealed", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("due_at"),
        _instant("expires_at", required=False),
        _instant("created_at"),
        _instant("finished_at", required=False),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="mail_outbox_pkey"),
        user_key,
        schema=SCHEMA,
    )
    op.create_index(
        "mail_outbox_due_at_idx",
        "mail_outbox",
        ["due_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'queued'"),
    )
    for column in ("finished_at", "created_at", "subject_user"):
        op.create_index(f"mail_outbox_{column}_idx", "mail_outbox", [column], schema=SCHEMA)

    op.create_table(
        "mail_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("ip", postgresql.INET()),
        sa.Column("user_agent", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("due_at"),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("id", name="mail_requests_pkey"),
        schema=SCHEMA,
    )
    op.create_index("mail_requests_due_at_idx", "mail_requests", ["due_at"], schema=SCHEMA)

    user, user_key = _user("user_id", "known_agents", required=True)
    op.create_table(
        "known_agents",
        user,
        sa.Column("agent_hash", sa.LargeBinary(), nullable=False),
        _instant("first_seen_at"),
        sa.PrimaryKeyConstraint("user_id", "agent_hash", name="known_agents_pkey"),
        user_key,
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Take them away again; anonymous users cannot stay."""
    for table in ("known_agents", "mail_requests", "mail_outbox", "verification_tokens"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_index("users_deleted_at_idx", table_name="users", schema=SCHEMA)
    op.drop_column("users", "deleted_at", schema=SCHEMA)
    op.execute(f"DELETE FROM {SCHEMA}.users WHERE email IS NULL")
    op.alter_column("users", "email", existing_type=sa.Text(), nullable=False, schema=SCHEMA)
