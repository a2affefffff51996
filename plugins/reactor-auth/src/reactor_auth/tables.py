"""The tables of schema `_reactor_auth` (contract auth.md §6, as far as this version uses them).

E-mail addresses and slugs are text, unique by `lower(…)`; the application stores addresses in lower case. The
contract's citext is avoided because a text-typed bind parameter compares with it case-sensitively.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB

SCHEMA = "_reactor_auth"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    },
)

_INSTANT = DateTime(timezone=True)
_EMPTY_OBJECT = text("'{}'::jsonb")

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_verified", Boolean, nullable=False, server_default=text("false")),
    Column("password_hash", Text),
    Column("metadata", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("default_org_id", Uuid, ForeignKey(f"{SCHEMA}.orgs.id", ondelete="SET NULL", use_alter=True)),
    Column("disabled_at", _INSTANT),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
)
Index("users_email_lower_key", func.lower(users.c.email), unique=True)
Index("users_default_org_id_idx", users.c.default_org_id)

orgs = Table(
    "orgs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("metadata", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
)
Index("orgs_slug_lower_key", func.lower(orgs.c.slug), unique=True)

roles = Table(
    "roles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey(orgs.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("is_system", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", _INSTANT, nullable=False),
    UniqueConstraint("org_id", "name"),
)

role_permissions = Table(
    "role_permissions",
    metadata,
    Column("role_id", Uuid, ForeignKey(roles.c.id, ondelete="CASCADE"), nullable=False),
    Column("permission", Text, nullable=False),
    PrimaryKeyConstraint("role_id", "permission"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("org_id", Uuid, ForeignKey(orgs.c.id, ondelete="CASCADE"), nullable=False),
    Column("role_id", Uuid, ForeignKey(roles.c.id, ondelete="RESTRICT"), nullable=False),
    Column("joined_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
    PrimaryKeyConstraint("user_id", "org_id"),
)
Index("memberships_org_id_joined_at_idx", memberships.c.org_id, memberships.c.joined_at)
Index("memberships_role_id_idx", memberships.c.role_id)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("amr", ARRAY(Text), nullable=False),
    Column("ip", INET),
    Column("user_agent", Text),
    Column("created_at", _INSTANT, nullable=False),
    Column("last_seen_at", _INSTANT, nullable=False),
    Column("revoked_at", _INSTANT),
)
Index("sessions_live_user_id_idx", sessions.c.user_id, postgresql_where=sessions.c.revoked_at.is_(None))
Index("sessions_last_seen_at_idx", sessions.c.last_seen_at)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("session_id", Uuid, ForeignKey(sessions.c.id, ondelete="CASCADE"), nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("issued_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Column("used_at", _INSTANT),
    Column("replaced_by", Uuid),
    # The successor's text, encrypted with the data key, for the grace period only (decision 14).
    Column("successor_sealed", Text),
)
Index("refresh_tokens_session_id_idx", refresh_tokens.c.session_id)
Index("refresh_tokens_expires_at_idx", refresh_tokens.c.expires_at)
Index(
    "refresh_tokens_sealed_idx",
    refresh_tokens.c.used_at,
    postgresql_where=refresh_tokens.c.successor_sealed.is_not(None),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("private_key_pem", Text, nullable=False),
    Column("public_key_pem", Text, nullable=False),
    Column("created_at", _INSTANT, nullable=False),
    Column("activated_at", _INSTANT, nullable=False),
    Column("rotated_at", _INSTANT),
    Column("retired_at", _INSTANT),
)
# At most one key signs: the only one that is neither rotated nor retired.
Index(
    "signing_keys_one_active_key",
    signing_keys.c.algorithm,
    unique=True,
    postgresql_where=text("rotated_at IS NULL AND retired_at IS NULL"),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("ts", _INSTANT, nullable=False),
    Column("actor_user_id", Uuid),
    Column("actor_apikey_id", Uuid),
    Column("org_id", Uuid),
    Column("event_type", Text, nullable=False),
    Column("resource", Text),
    Column("ip", INET),
    Column("user_agent", Text),
    Column("details", JSONB, nullable=False),
)
Index("audit_events_org_id_ts_idx", audit_events.c.org_id, audit_events.c.ts.desc())
Index("audit_events_actor_user_id_ts_idx", audit_events.c.actor_user_id, audit_events.c.ts.desc())
Index("audit_events_event_type_ts_idx", audit_events.c.event_type, audit_events.c.ts.desc())

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("window_start", _INSTANT, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("previous_hits", Integer, nullable=False),
)
Index("rate_windows_window_start_idx", rate_windows.c.window_start)

# The tables of other modules belong to this metadata as well; they need what is above.
from reactor_auth import tables_identities, tables_operators  # noqa: E402, F401
