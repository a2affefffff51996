"""Make the outbox of changes, and the list of tables that record none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "data_0002"
down_revision = "data_0001"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_data"

# Names by name rather than by oid: they must survive a dump and restore.
_DROP_RECORDING = """
do $body$
declare
  found record;
begin
  for found in
    select p.oid::regprocedure::text as routine from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = '_reactor_data' and p.proname like 'record\\_%'
  loop
    execute format('drop function %s cascade', found.routine);
  end loop;
end
$body$
"""


def upgrade() -> None:
    op.create_table(
        "realtime_outbox",
        # One row holds up to 1024 changes of one statement; each has the number of its row plus its place in it.
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True, start=1024, increment=1024), primary_key=True),
        sa.Column("xid", sa.BigInteger, nullable=False, server_default=sa.text("(pg_current_xact_id()::text)::bigint")),
        sa.Column("snapshot", sa.Text, nullable=False, server_default=sa.text("(pg_current_snapshot())::text")),
        sa.Column("event", JSONB, nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        schema=SCHEMA,
    )
    op.create_index("realtime_outbox_xid", "realtime_outbox", ["xid"], schema=SCHEMA)
    # Compressing would cost the writer more than the disk saves for the hour that a row lives.
    op.execute(f"alter table {SCHEMA}.realtime_outbox alter column event set storage external")
    # The sweep always keeps the newest row, so that there is one from the very start: a subscriber that has received
    # nothing yet still knows where it began.
    op.execute(f"""insert into {SCHEMA}.realtime_outbox (event) values ('{{"op": "begin"}}')""")
    op.create_table(
        "realtime_exempt",
        sa.Column("schema_name", sa.Text, primary_key=True),
        sa.Column("table_name", sa.Text, primary_key=True),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.execute(_DROP_RECORDING)
    op.drop_table("realtime_exempt", schema=SCHEMA)
    op.drop_table("realtime_outbox", schema=SCHEMA)
