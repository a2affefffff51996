"""Make second factors, recovery codes, passkeys and their challenges; note on sessions and roles what they need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "auth_0004"
down_revision = "auth_0003"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"


def _instant(name: str, *, required: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not required)


def _owner(table: str, *, required: bool = True) -> tuple[sa.Column[object], sa.ForeignKeyConstraint]:
    return (
        sa.Column("user_id", sa.Uuid(), nullable=not required),
        sa.ForeignKeyConstraint(["user_id"], [f"{SCHEMA}.users.id"], name=f"{table}_user_id_fkey", ondelete="CASCADE"),
    )


def upgrade() -> None:
    """Make the tables and columns of second factors."""
    op.add_column("sessions", _instant("mfa_at"), schema=SCHEMA)
    op.add_column("sessions", _instant("step_up_at"), schema=SCHEMA)
    op.add_column(
        "roles",
        sa.Column("mfa_required", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        schema=SCHEMA,
    )
    op.create_table(
        "mfa_factors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("factor_type", sa.Text(), nullable=False),
        sa.Column("friendly_name", sa.Text()),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("last_counter", sa.BigInteger()),
        _instant("created_at", required=True),
        _instant("verified_at"),
        _instant("last_used_at"),
        sa.PrimaryKeyConstraint("id", name="mfa_factors_pkey"),
        sa.CheckConstraint("factor_type = 'totp'", name="mfa_factors_type_check"),
        *_owner("mfa_factors"),
        schema=SCHEMA,
    )
    op.create_index("mfa_factors_user_id_idx", "mfa_factors", ["user_id"], schema=SCHEMA)
    op.create_index(
        "mfa_factors_unverified_idx",
        "mfa_factors",
        ["created_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("verified_at IS NULL"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        _instant("created_at", required=True),
        _instant("used_at"),
        sa.PrimaryKeyConstraint("id", name="recovery_codes_pkey"),
        *_owner("recovery_codes"),
        sa.UniqueConstraint("user_id", "code_hash", name="recovery_codes_user_id_code_hash_key"),
        schema=SCHEMA,
    )
    op.create_table(
        "webauthn_credentials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("aaguid", sa.Uuid()),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("name", sa.Text()),
        _instant("created_at", required=True),
        _instant("last_used_at"),
        sa.PrimaryKeyConstraint("id", name="webauthn_credentials_pkey"),
        sa.UniqueConstraint("credential_id", name="webauthn_credentials_credential_id_key"),
        *_owner("webauthn_credentials"),
        schema=SCHEMA,
    )
    op.create_index("webauthn_credentials_user_id_idx", "webauthn_credentials", ["user_id"], schema=SCHEMA)
    op.create_table(
        "webauthn_challenges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("challenge_type", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Uuid()),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text()),
        _instant("created_at", required=True),
        _instant("expires_at", required=True),
        _instant("consumed_at"),
        sa.PrimaryKeyConstraint("id", name="webauthn_challenges_pkey"),
        sa.CheckConstraint(
            "challenge_type IN ('registration', 'authentication', 'login')", name="webauthn_challenges_type_check"
        ),
        *_owner("webauthn_challenges", required=False),
        sa.ForeignKeyConstraint(
            ["session_id"], [f"{SCHEMA}.sessions.id"], name="webauthn_challenges_session_id_fkey", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    for column in ("user_id", "session_id", "expires_at"):
        op.create_index(f"webauthn_challenges_{column}_idx", "webauthn_challenges", [column], schema=SCHEMA)


def downgrade() -> None:
    """Remove second factors and passkeys, data included."""
    for table in ("webauthn_challenges", "webauthn_credentials", "recovery_codes", "mfa_factors"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_column("roles", "mfa_required", schema=SCHEMA)
    op.drop_column("sessions", "step_up_at", schema=SCHEMA)
    op.drop_column("sessions", "mfa_at", schema=SCHEMA)
