"""The plugin's own tables, schema `_reactor_storage`. API roles have no rights on any of them."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

SCHEMA = "_reactor_storage"

metadata = MetaData(schema=SCHEMA)


def _key(name: str) -> Column[str]:
    return Column(name, Text(collation="C"), nullable=False)


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


blobs = Table(
    "blobs",
    metadata,
    Column("locator", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    _now("touched_at"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("org_id", UUID, nullable=False),
    _key("bucket"),
    _key("key"),
    Column("locator", Text, ForeignKey(blobs.c.locator)),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("content_type", Text),
    Column("cache_control", Text),
    _json("metadata"),
    Column("delete_marker", Boolean, nullable=False, server_default=text("false")),
    Column("created_by", UUID),
    _now("created_at"),
    Column("superseded_at", DateTime(timezone=True)),
    Column("object_id", UUID),
    Column("owner_id", UUID),
    Column("versioned", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("delete_marker or locator is not null"),
)
_of_bucket = (versions.c.org_id, versions.c.bucket)
Index("versions_in_order", *_of_bucket, versions.c.key, versions.c.id.desc())
Index("versions_of_blob", versions.c.locator)
for _name, _age, _which in (
    ("versions_current", versions.c.created_at, text("superseded_at is null and not delete_marker")),
    ("versions_deletions", versions.c.created_at, text("superseded_at is null and delete_marker")),
    ("versions_earlier", versions.c.superseded_at, text("superseded_at is not null")),
):
    Index(_name, *_of_bucket, _age, versions.c.key, postgresql_where=_which)

usage_changes = Table(
    "usage_changes",
    metadata,
    Column("org_id", UUID, nullable=False),
    _key("bucket"),
    *(Column(name, BigInteger, nullable=False) for name in ("objects", "bytes", "versions", "noncurrent_bytes")),
)
Index("usage_changes_of_bucket", usage_changes.c.org_id, usage_changes.c.bucket)

multipart_uploads = Table(
    "multipart_uploads",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("kind", Text, CheckConstraint("kind in ('multipart', 's3', 'tus')"), nullable=False),
    Column("org_id", UUID, nullable=False),
    _key("bucket"),
    _key("key"),
    Column("content_type", Text),
    Column("cache_control", Text),
    _json("metadata"),
    _json("facts"),
    Column("backend_upload_id", Text),
    Column("created_by", UUID),
    _now("created_at"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
Index("multipart_uploads_of_bucket", multipart_uploads.c.org_id, multipart_uploads.c.bucket, multipart_uploads.c.key)
Index("multipart_uploads_expiry", multipart_uploads.c.expires_at)

multipart_parts = Table(
    "multipart_parts",
    metadata,
    Column("upload_id", UUID, ForeignKey(multipart_uploads.c.id, ondelete="CASCADE"), primary_key=True),
    Column("part_number", Integer, primary_key=True, autoincrement=False),
    Column("locator", Text, ForeignKey(blobs.c.locator), nullable=False),
    Column("etag", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    _now("uploaded_at"),
)
Index("multipart_parts_of_blob", multipart_parts.c.locator)

renditions = Table(
    "renditions",
    metadata,
    Column("source", Text, ForeignKey(blobs.c.locator, ondelete="CASCADE"), primary_key=True),
    Column("transform", Text, primary_key=True),
    Column("locator", Text, ForeignKey(blobs.c.locator), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    _now("created_at"),
    _now("used_at"),
)
Index("renditions_of_blob", renditions.c.locator)
Index("renditions_use", renditions.c.used_at)

s3_credentials = Table(
    "s3_credentials",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("access_key_id", Text, nullable=False, unique=True),
    Column("secret", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("org_id", UUID, nullable=False),
    Column("user_id", UUID, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    _now("created_at"),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
)
Index("s3_credentials_of_org", s3_credentials.c.org_id, s3_credentials.c.created_at)

signed_uses = Table(
    "signed_uses",
    metadata,
    Column("signature", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
Index("signed_uses_expiry", signed_uses.c.expires_at)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", UUID, primary_key=True),
    _now("ts"),
    Column("event_type", Text, nullable=False),
    Column("bucket", Text),
    Column("object_key", Text),
    Column("actor_user_id", UUID),
    Column("actor_apikey_id", UUID),
    Column("org_id", UUID),
    Column("request_id", Text),
    _json("details"),
)
Index("audit_events_org_ts", audit_events.c.org_id, audit_events.c.ts.desc())
