"""The plugin's own tables, schema `_reactor_data` (contract data.md §9). API roles have no rights on any of them."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

SCHEMA = "_reactor_data"

metadata = MetaData(schema=SCHEMA)

migrations = Table(
    "migrations",
    metadata,
    Column("version", Text, primary_key=True),
    Column("source_sha256", LargeBinary, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("applied_by", Text, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("using_ast", JSONB),
    Column("check_ast", JSONB),
    Column("raw_text", Text, nullable=False),
    Column("native_names", ARRAY(Text), nullable=False),
    Column("migration_name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("schema_name", "table_name", "name", name="policies_name_key"),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("ts", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("actor_user_id", UUID),
    Column("actor_apikey_id", UUID),
    Column("org_id", UUID),
    Column("request_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("table_name", Text),
    Column("row_count", Integer),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
)
Index("audit_events_org_ts", audit_events.c.org_id, audit_events.c.ts.desc())
Index("audit_events_actor_ts", audit_events.c.actor_user_id, audit_events.c.ts.desc())
Index("audit_events_ts", audit_events.c.ts.desc())

realtime_outbox = Table(
    "realtime_outbox",
    metadata,
    Column("seq", BigInteger, Identity(always=True, start=1024, increment=1024), primary_key=True),
    Column("xid", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    Column("snapshot", Text, nullable=False, server_default=text("(pg_current_snapshot())::text")),
    Column("event", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
Index("realtime_outbox_xid", realtime_outbox.c.xid)

realtime_exempt = Table(
    "realtime_exempt",
    metadata,
    Column("schema_name", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("org_id", UUID, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_sha256", Text, nullable=False),
    Column("answer", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("idempotency_keys_created_at", idempotency_keys.c.created_at)
