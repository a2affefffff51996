"""Tables of invitations and API keys (contract auth.md §6)."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Index, LargeBinary, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from reactor_auth.tables import metadata, orgs, roles, users

_INSTANT = DateTime(timezone=True)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("org_id", Uuid, ForeignKey(orgs.c.id, ondelete="CASCADE"), nullable=False),
    Column("role_id", Uuid, ForeignKey(roles.c.id, ondelete="CASCADE"), nullable=False),
    Column("invited_by", Uuid, ForeignKey(users.c.id, ondelete="SET NULL")),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Column("used_at", _INSTANT),
    Column("used_by", Uuid, ForeignKey(users.c.id, ondelete="SET NULL")),
    Column("revoked_at", _INSTANT),
)
# An address has at most one invitation to an organisation that may still be accepted.
Index(
    "invitations_one_open_key",
    invitations.c.org_id,
    func.lower(invitations.c.email),
    unique=True,
    postgresql_where=invitations.c.used_at.is_(None) & invitations.c.revoked_at.is_(None),
)
Index("invitations_email_lower_idx", func.lower(invitations.c.email))
Index("invitations_role_id_idx", invitations.c.role_id)
Index("invitations_expires_at_idx", invitations.c.expires_at)
Index("invitations_invited_by_idx", invitations.c.invited_by)
Index("invitations_used_by_idx", invitations.c.used_by)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("org_id", Uuid, ForeignKey(orgs.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    # NULL: whatever the owner may do at the moment.
    Column("scopes", JSONB(none_as_null=True)),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT),
    Column("last_used_at", _INSTANT),
    Column("revoked_at", _INSTANT),
)
Index("api_keys_user_id_created_at_idx", api_keys.c.user_id, api_keys.c.created_at.desc())
Index("api_keys_org_id_idx", api_keys.c.org_id)
