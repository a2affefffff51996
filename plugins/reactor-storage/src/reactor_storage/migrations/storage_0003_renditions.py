"""Note what was rendered from pictures, so that it is rendered once and goes with its source."""

from __future__ import annotations

from alembic import op

revision = "storage_0003"
down_revision = "storage_0002"
branch_labels = None
depends_on = None

_UP = """
create table _reactor_storage.renditions (
  -- The content it was made from. It goes with it, and does not keep it.
  source       text not null references _reactor_storage.blobs (locator) on delete cascade,
  -- What was made of it: size, way of resizing, quality and format.
  transform    text not null,
  locator      text not null references _reactor_storage.blobs (locator),
  size         bigint not null,
  etag         text not null,
  content_type text not null,
  created_at   timestamptz not null default now(),
  -- To the hour.
  used_at      timestamptz not null default now(),
  primary key (source, transform)
);
create index renditions_of_blob on _reactor_storage.renditions (locator);
create index renditions_use on _reactor_storage.renditions (used_at)
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    # What was rendered is a content that nothing refers to then; the sweep removes it.
    op.get_bind().exec_driver_sql("drop table _reactor_storage.renditions")
