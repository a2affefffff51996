"""Make earlier versions readable, objects and versions findable by age, and count what buckets hold."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "storage_0002"
down_revision = "storage_0001"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent / "storage_0002.sql"


def upgrade() -> None:
    # The driver reads % as the beginning of a placeholder.
    op.get_bind().exec_driver_sql(_SQL.read_text().replace("%", "%%"))


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        "drop table _reactor_storage.usage_changes; drop function _reactor_storage.note_usage() cascade;"
        " drop index storage.buckets_with_rules;"
        " drop index _reactor_storage.versions_in_order, _reactor_storage.versions_current, _reactor_storage.versions_deletions,"
        " _reactor_storage.versions_earlier;"
        " create index versions_of_key on _reactor_storage.versions (org_id, bucket, key, created_at desc);"
        " alter table _reactor_storage.versions drop column object_id, drop column owner_id, drop column versioned"
    )
