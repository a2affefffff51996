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
    # NULL for an anonymous user, which has no address yet.
    Column("email", Text),
    Column("email_verified", Boolean, nullable=False, server_default=text("false")),
    Column("password_hash", Text),
    Column("metadata", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("default_org_id", Uuid, ForeignKey(f"{SCHEMA}.orgs.id", ondelete="SET NULL", use_alter=True)),
    Column("disabled_at", _INSTANT),
    # When the owner deleted the account; it is erased some time after.
    Column("deleted_at", _INSTANT),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
)
Index("users_email_lower_key", func.lower(users.c.email), unique=True)
Index("users_default_org_id_idx", users.c.default_org_id)
Index("users_anonymous_idx", users.c.created_at, postgresql_where=users.c.email.is_(None))
Index("users_deleted_at_idx", users.c.deleted_at, postgresql_where=users.c.deleted_at.is_not(None))

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
    # Whether a session needs a second factor to act in this role.
    Column("mfa_required", Boolean, nullable=False, server_default=text("false")),
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
    # When a second factor was last verified in this session, and when that was after its opening.
    Column("mfa_at", _INSTANT),
    Column("step_up_at", _INSTANT),
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
    Column("expires_at", _INSTANT, nullable=False),
)
Index("rate_windows_expires_at_idx", rate_windows.c.expires_at)

# Failed sign-ins of an account, and of an account at a place; `known_until` marks places somebody did sign in from.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failed_at", _INSTANT, nullable=False),
    Column("locked_until", _INSTANT, nullable=False),
    Column("known_until", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
)
Index("sign_in_attempts_expires_at_idx", sign_in_attempts.c.expires_at)

# What proves that somebody reads an address: links (token_hash) and codes (code_mac).
verification_tokens = Table(
    "verification_tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    # NULL where the token makes the user when it is used.
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE")),
    Column("email", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("token_type", Text, nullable=False),
    # Six digits are guessed in no time from a plain hash, so the code is hashed with the data key.
    Column("code_mac", LargeBinary),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Column("used_at", _INSTANT),
)
Index("verification_tokens_user_id_idx", verification_tokens.c.user_id)
Index("verification_tokens_email_idx", verification_tokens.c.email)
Index("verification_tokens_expires_at_idx", verification_tokens.c.expires_at)

mail_outbox = Table(
    "mail_outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("template", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject_user", Uuid, ForeignKey(users.c.id, ondelete="CASCADE")),
    # Encrypted with the data key, and erased once the mail is sent.
    Column("variables_sealed", Text),
    # queued, sent, logged (no relay is configured), expired or failed.
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT),
    Column("created_at", _INSTANT, nullable=False),
    Column("finished_at", _INSTANT),
    Column("last_error", Text),
)
Index("mail_outbox_due_at_idx", mail_outbox.c.due_at, postgresql_where=text("state = 'queued'"))
Index("mail_outbox_finished_at_idx", mail_outbox.c.finished_at)
Index("mail_outbox_created_at_idx", mail_outbox.c.created_at)
Index("mail_outbox_subject_user_idx", mail_outbox.c.subject_user)

# Mails that somebody asked for; whether the address is known is looked up later, so that the answer cannot tell.
mail_requests = Table(
    "mail_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("ip", INET),
    Column("user_agent", Text),
    Column("attempts", Integer, nullable=False),
    Column("due_at", _INSTANT, nullable=False),
    Column("created_at", _INSTANT, nullable=False),
)
Index("mail_requests_due_at_idx", mail_requests.c.due_at)

# Browsers and programs a user signed in with, without their version numbers.
known_agents = Table(
    "known_agents",
    metadata,
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("agent_hash", LargeBinary, nullable=False),
    Column("first_seen_at", _INSTANT, nullable=False),
    PrimaryKeyConstraint("user_id", "agent_hash"),
)

# More tables of the same metadata; here at the end, because they refer to the ones above.
from reactor_auth import tables_access as tables_access  # noqa: E402
from reactor_auth import tables_factors as tables_factors  # noqa: E402
from reactor_auth import tables_identities as tables_identities  # noqa: E402
from reactor_auth import tables_oauth as tables_oauth  # noqa: E402
from reactor_auth import tables_operators as tables_operators  # noqa: E402
