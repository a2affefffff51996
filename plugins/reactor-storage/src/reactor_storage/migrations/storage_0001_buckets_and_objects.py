"""Make buckets and objects, which are rows under row-level security, and what stands behind them."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "storage_0001"
down_revision = None
branch_labels = ("storage",)
depends_on = None

_SQL = Path(__file__).parent / "storage_0001.sql"


def upgrade() -> None:
    # The driver reads % as the beginning of a placeholder.
    op.get_bind().exec_driver_sql(_SQL.read_text().replace("%", "%%"))


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        "drop schema storage cascade;"
        " drop table _reactor_storage.multipart_parts, _reactor_storage.multipart_uploads, _reactor_storage.versions,"
        " _reactor_storage.blobs, _reactor_storage.s3_credentials, _reactor_storage.signed_uses, _reactor_storage.audit_events"
    )
