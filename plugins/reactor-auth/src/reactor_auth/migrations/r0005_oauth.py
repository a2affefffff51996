"""Make the tables of the OAuth provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "auth_0005"
down_revision = "auth_0004"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"


def _instant(name: str, *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not required)


def _text(name: str, *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=not required)


def _texts(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'::text[]"))


def _id(name: str = "id", *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=not required)


def _hash(name: str, *, required: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.LargeBinary(), nullable=not required)


def _references(table: str, column: str, target: str, on_delete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{SCHEMA}.{target}"], name=f"{table}_{column}_fkey", ondelete=on_delete)


def _indexes(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"{table}_{column}_idx", table, [column], schema=SCHEMA)


def upgrade() -> None:
    """Make clients, codes, bindings of sessions, consents, browsers and devices."""
    op.create_table(
        "oauth_clients",
        _text("client_id"),
        _id("org_id"),
        _id("owner_id", required=False),
        _text("name"),
        _text("type"),
        _hash("secret_hash", required=False),
        _texts("redirect_uris"),
        _texts("post_logout_redirect_uris"),
        _texts("scopes"),
        _texts("grants"),
        _text("logo_url", required=False),
        sa.Column("first_party", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("client_id", name="oauth_clients_pkey"),
        _references("oauth_clients", "org_id", "orgs.id"),
        _references("oauth_clients", "owner_id", "users.id", "SET NULL"),
        schema=SCHEMA,
    )
    _indexes("oauth_clients", "org_id", "owner_id")

    op.create_table(
        "authorization_codes",
        _id(),
        _hash("code_hash"),
        _id("user_id"),
        _text("client_id"),
        _text("redirect_uri"),
        _texts("scopes"),
        _text("code_challenge"),
        _text("nonce", required=False),
        _texts("amr"),
        _instant("auth_time"),
        _instant("mfa_at", required=False),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("used_at", required=False),
        _id("session_id", required=False),
        sa.PrimaryKeyConstraint("id", name="authorization_codes_pkey"),
        sa.UniqueConstraint("code_hash", name="authorization_codes_code_hash_key"),
        _references("authorization_codes", "user_id", "users.id"),
        _references("authorization_codes", "session_id", "sessions.id"),
        schema=SCHEMA,
    )
    _indexes("authorization_codes", "user_id", "session_id", "expires_at")

    op.create_table(
        "oauth_sessions",
        _id("session_id"),
        _text("client_id"),
        _texts("scopes"),
        _texts("amr"),
        _instant("auth_time"),
        sa.PrimaryKeyConstraint("session_id", name="oauth_sessions_pkey"),
        _references("oauth_sessions", "session_id", "sessions.id"),
        schema=SCHEMA,
    )
    _indexes("oauth_sessions", "client_id")

    op.create_table(
        "oauth_consents",
        _id("user_id"),
        _text("client_id"),
        _texts("scopes"),
        _instant("granted_at"),
        sa.PrimaryKeyConstraint("user_id", "client_id", name="oauth_consents_pkey"),
        _references("oauth_consents", "user_id", "users.id"),
        _references("oauth_consents", "client_id", "oauth_clients.client_id"),
        schema=SCHEMA,
    )
    _indexes("oauth_consents", "client_id")

    op.create_table(
        "browser_sessions",
        _id(),
        _hash("token_hash"),
        _id("user_id"),
        _texts("amr"),
        _instant("auth_time"),
        _instant("mfa_at", required=False),
        sa.Column("ip", postgresql.INET()),
        _text("user_agent", required=False),
        _instant("expires_at"),
        sa.PrimaryKeyConstraint("id", name="browser_sessions_pkey"),
        sa.UniqueConstraint("token_hash", name="browser_sessions_token_hash_key"),
        _references("browser_sessions", "user_id", "users.id"),
        schema=SCHEMA,
    )
    _indexes("browser_sessions", "user_id", "expires_at")

    op.create_table(
        "device_codes",
        _id(),
        _hash("device_code_hash"),
        _hash("user_code_hash"),
        _text("client_id"),
        _texts("scopes"),
        sa.Column("ip", postgresql.INET()),
        _text("user_agent", required=False),
        sa.Column("interval_secs", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("polled_at", required=False),
        _text("status"),
        _id("user_id", required=False),
        _texts("amr"),
        _instant("auth_time", required=False),
        _instant("mfa_at", required=False),
        sa.PrimaryKeyConstraint("id", name="device_codes_pkey"),
        sa.UniqueConstraint("device_code_hash", name="device_codes_device_code_hash_key"),
        sa.UniqueConstraint("user_code_hash", name="device_codes_user_code_hash_key"),
        _references("device_codes", "user_id", "users.id"),
        schema=SCHEMA,
    )
    _indexes("device_codes", "user_id", "expires_at")


def downgrade() -> None:
    """Remove the provider's tables, data included."""
    for table in (
        "device_codes",
        "browser_sessions",
        "oauth_consents",
        "oauth_sessions",
        "authorization_codes",
        "oauth_clients",
    ):
        op.drop_table(table, schema=SCHEMA)
