"""The tables of schema `_reactor_hello`."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "_reactor_hello"
METADATA = sa.MetaData(schema=SCHEMA)

greetings = sa.Table(
    "greetings",
    METADATA,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("org_id", sa.Uuid),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("greetings_org_id_created_at_idx", "org_id", "created_at"),
    sa.Index("greetings_created_at_idx", "created_at"),
)

tallies = sa.Table(
    "tallies",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("times", sa.BigInteger, nullable=False),
)
