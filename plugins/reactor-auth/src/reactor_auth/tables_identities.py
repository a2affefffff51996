"""Tables of social sign-in, in the schema and metadata of `tables`."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from reactor_auth.tables import metadata, sessions, users

_INSTANT = DateTime(timezone=True)

identities = Table(
    "identities",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_uid", Text, nullable=False),
    # The address as the provider last told it; it decides nothing.
    Column("email", Text),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("created_at", _INSTANT, nullable=False),
    Column("last_used_at", _INSTANT, nullable=False),
    UniqueConstraint("provider", "provider_uid"),
)
Index("identities_user_id_idx", identities.c.user_id)

oauth_states = Table(
    "oauth_states",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("provider", Text, nullable=False),
    # PKCE verifier and nonce, encrypted with the data key.
    Column("sealed", Text, nullable=False),
    Column("redirect_to", Text, nullable=False),
    # Set where a signed-in user links the provider to the own account.
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE")),
    Column("session_id", Uuid, ForeignKey(sessions.c.id, ondelete="CASCADE")),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
)
Index("oauth_states_expires_at_idx", oauth_states.c.expires_at)
Index("oauth_states_user_id_idx", oauth_states.c.user_id)
Index("oauth_states_session_id_idx", oauth_states.c.session_id)
