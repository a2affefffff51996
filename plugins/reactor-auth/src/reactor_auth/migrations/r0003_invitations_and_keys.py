"""Make invitations and API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "auth_0003"
down_revision = "auth_0002"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"
OPEN = "used_at IS NULL AND revoked_at IS NULL"


def _instant(name: str, *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not required)


def _reference(table: str, column: str, target: str, rule: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{SCHEMA}.{target}.id"], name=f"{table}_{column}_fkey", ondelete=rule)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("invited_by", sa.Uuid()),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("used_at", required=False),
        sa.Column("used_by", sa.Uuid()),
        _instant("revoked_at", required=False),
        sa.PrimaryKeyConstraint("id", name="invitations_pkey"),
        sa.UniqueConstraint("token_hash", name="invitations_token_hash_key"),
        _reference("invitations", "org_id", "orgs", "CASCADE"),
        _reference("invitations", "role_id", "roles", "CASCADE"),
        _reference("invitations", "invited_by", "users", "SET NULL"),
        _reference("invitations", "used_by", "users", "SET NULL"),
        schema=SCHEMA,
    )
    op.create_index(
        "invitations_one_open_key",
        "invitations",
        ["org_id", sa.text("lower(email)")],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text(OPEN),
    )
    op.create_index("invitations_email_lower_idx", "invitations", [sa.text("lower(email)")], schema=SCHEMA)
    for column in ("role_id", "expires_at", "invited_by", "used_by"):
        op.create_index(f"invitations_{column}_idx", "invitations", [column], schema=SCHEMA)

    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.JSONB()),
        _instant("created_at"),
        _instant("expires_at", required=False),
        _instant("last_used_at", required=False),
        _instant("revoked_at", required=False),
        sa.PrimaryKeyConstraint("id", name="api_keys_pkey"),
        sa.UniqueConstraint("key_hash", name="api_keys_key_hash_key"),
        _reference("api_keys", "user_id", "users", "CASCADE"),
        _reference("api_keys", "org_id", "orgs", "CASCADE"),
        schema=SCHEMA,
    )
    op.create_index(
        "api_keys_user_id_created_at_idx", "api_keys", ["user_id", sa.text("created_at DESC")], schema=SCHEMA
    )
    op.create_index("api_keys_org_id_idx", "api_keys", ["org_id"], schema=SCHEMA)


def downgrade() -> None:
    """Remove both tables."""
    op.drop_table("api_keys", schema=SCHEMA)
    op.drop_table("invitations", schema=SCHEMA)
