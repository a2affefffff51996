"""Make the claim helpers and the outbox."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = ("kernel",)
depends_on = None

_HERE = Path(__file__).parent


def upgrade() -> None:
    """Run the SQL beside this file."""
    for name in ("claims.sql", "outbox.sql"):
        op.get_bind().exec_driver_sql((_HERE / name).read_text())


def downgrade() -> None:
    """Drop what `upgrade` made; user policies that call the helpers stand in the way, and rightly."""
    op.execute("DROP TABLE _reactor_kernel.outbox_deliveries, _reactor_kernel.outbox_events")
    op.get_bind().exec_driver_sql((_HERE / "claims_down.sql").read_text())
