"""Remember failed sign-ins and known places; let rate windows say when they count for nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "auth_0007"
down_revision = "auth_0006"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "sign_in_attempts",
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="sign_in_attempts_pkey"),
        schema=SCHEMA,
    )
    op.create_index("sign_in_attempts_expires_at_idx", "sign_in_attempts", ["expires_at"], schema=SCHEMA)
    op.drop_index("rate_windows_window_start_idx", "rate_windows", schema=SCHEMA)
    op.add_column("rate_windows", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
    op.execute(f"UPDATE {SCHEMA}.rate_windows SET expires_at = window_start + interval '2 days'")
    op.alter_column("rate_windows", "expires_at", nullable=False, schema=SCHEMA)
    op.create_index("rate_windows_expires_at_idx", "rate_windows", ["expires_at"], schema=SCHEMA)


def downgrade() -> None:
    """Forget failures and places."""
    op.drop_index("rate_windows_expires_at_idx", "rate_windows", schema=SCHEMA)
    op.drop_column("rate_windows", "expires_at", schema=SCHEMA)
    op.create_index("rate_windows_window_start_idx", "rate_windows", ["window_start"], schema=SCHEMA)
    op.drop_table("sign_in_attempts", schema=SCHEMA)
