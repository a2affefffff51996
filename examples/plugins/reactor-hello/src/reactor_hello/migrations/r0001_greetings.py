"""Make the greetings and their tallies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "hello_0001"
down_revision = None
branch_labels = ("hello",)
depends_on = None

SCHEMA = "_reactor_hello"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "greetings",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("org_id", sa.Uuid()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("greetings_org_id_created_at_idx", "greetings", ["org_id", "created_at"], schema=SCHEMA)
    op.create_index("greetings_created_at_idx", "greetings", ["created_at"], schema=SCHEMA)
    op.create_table(
        "tallies",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("times", sa.BigInteger(), nullable=False),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Remove both tables."""
    op.drop_table("tallies", schema=SCHEMA)
    op.drop_table("greetings", schema=SCHEMA)
