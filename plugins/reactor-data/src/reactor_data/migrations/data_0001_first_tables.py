"""Make the tables of migrations, policies and audit events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "data_0001"
down_revision = None
branch_labels = ("data",)
depends_on = None

SCHEMA = "_reactor_data"


def upgrade() -> None:
    op.create_table(
        "migrations",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("source_sha256", sa.LargeBinary, nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("applied_by", sa.Text, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("schema_name", sa.Text, nullable=False),
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("using_ast", JSONB),
        sa.Column("check_ast", JSONB),
        sa.Column("raw_text", sa.Text, nullable=False),
        sa.Column("native_names", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("migration_name", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("schema_name", "table_name", "name", name="policies_name_key"),
        schema=SCHEMA,
    )
    op.create_table(
        "audit_events",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("actor_user_id", UUID),
        sa.Column("actor_apikey_id", UUID),
        sa.Column("org_id", UUID),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("table_name", sa.Text),
        sa.Column("row_count", sa.Integer),
        sa.Column("details", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        schema=SCHEMA,
    )
    op.create_index("audit_events_org_ts", "audit_events", ["org_id", sa.text("ts DESC")], schema=SCHEMA)
    op.create_index("audit_events_actor_ts", "audit_events", ["actor_user_id", sa.text("ts DESC")], schema=SCHEMA)
    op.create_index("audit_events_ts", "audit_events", [sa.text("ts DESC")], schema=SCHEMA)


def downgrade() -> None:
    for table in ("audit_events", "policies", "migrations"):
        op.drop_table(table, schema=SCHEMA)
