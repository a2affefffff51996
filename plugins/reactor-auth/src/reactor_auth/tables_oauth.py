"""The tables of the OAuth provider: clients, codes, what sessions are bound to, consents, browsers, devices."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy import PrimaryKeyConstraint as PrimaryKey
from sqlalchemy.dialects.postgresql import INET

from reactor_auth.tables import _INSTANT, metadata, orgs, sessions, users

_NONE = text("'{}'::text[]")


def _texts(name: str) -> Column[list[str]]:
    return Column(name, ARRAY(Text), nullable=False, server_default=_NONE)


oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("org_id", Uuid, ForeignKey(orgs.c.id, ondelete="CASCADE"), nullable=False),
    Column("owner_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL")),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    # Of 32 random bytes, so a plain digest is enough.
    Column("secret_hash", LargeBinary),
    _texts("redirect_uris"),
    _texts("post_logout_redirect_uris"),
    _texts("scopes"),
    _texts("grants"),
    Column("logo_url", Text),
    Column("first_party", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
)
Index("oauth_clients_org_id_idx", oauth_clients.c.org_id)
Index("oauth_clients_owner_id_idx", oauth_clients.c.owner_id)

# `client_id` is no foreign key here and below: the built-in clients have no row.
authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("client_id", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    _texts("scopes"),
    Column("code_challenge", Text, nullable=False),
    Column("nonce", Text),
    _texts("amr"),
    Column("auth_time", _INSTANT, nullable=False),
    Column("mfa_at", _INSTANT),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Column("used_at", _INSTANT),
    Column("session_id", Uuid, ForeignKey(sessions.c.id, ondelete="CASCADE")),
)
Index("authorization_codes_user_id_idx", authorization_codes.c.user_id)
Index("authorization_codes_session_id_idx", authorization_codes.c.session_id)
Index("authorization_codes_expires_at_idx", authorization_codes.c.expires_at)

# What a session was opened for; sessions of a password, a mail or a provider have no row.
oauth_sessions = Table(
    "oauth_sessions",
    metadata,
    Column("session_id", Uuid, ForeignKey(sessions.c.id, ondelete="CASCADE"), primary_key=True),
    Column("client_id", Text, nullable=False),
    _texts("scopes"),
    _texts("amr"),
    Column("auth_time", _INSTANT, nullable=False),
)
Index("oauth_sessions_client_id_idx", oauth_sessions.c.client_id)

oauth_consents = Table(
    "oauth_consents",
    metadata,
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("client_id", Text, ForeignKey(oauth_clients.c.client_id, ondelete="CASCADE"), nullable=False),
    _texts("scopes"),
    Column("granted_at", _INSTANT, nullable=False),
    PrimaryKey("user_id", "client_id"),
)
Index("oauth_consents_client_id_idx", oauth_consents.c.client_id)

browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    _texts("amr"),
    Column("auth_time", _INSTANT, nullable=False),
    Column("mfa_at", _INSTANT),
    Column("ip", INET),
    Column("user_agent", Text),
    Column("expires_at", _INSTANT, nullable=False),
)
Index("browser_sessions_user_id_idx", browser_sessions.c.user_id)
Index("browser_sessions_expires_at_idx", browser_sessions.c.expires_at)

device_codes = Table(
    "device_codes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("device_code_hash", LargeBinary, nullable=False, unique=True),
    Column("user_code_hash", LargeBinary, nullable=False, unique=True),
    Column("client_id", Text, nullable=False),
    _texts("scopes"),
    Column("ip", INET),
    Column("user_agent", Text),
    Column("interval_secs", Integer, nullable=False),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Column("polled_at", _INSTANT),
    # pending, approved, denied, used
    Column("status", Text, nullable=False),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE")),
    _texts("amr"),
    Column("auth_time", _INSTANT),
    Column("mfa_at", _INSTANT),
)
Index("device_codes_user_id_idx", device_codes.c.user_id)
Index("device_codes_expires_at_idx", device_codes.c.expires_at)
