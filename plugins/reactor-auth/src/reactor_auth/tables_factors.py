"""The tables of second factors and passkeys (contract auth.md §3.12, §6)."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from reactor_auth.tables import metadata, sessions, users
from reactor_auth.tables_oauth import browser_sessions

_INSTANT = DateTime(timezone=True)

mfa_factors = Table(
    "mfa_factors",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("factor_type", Text, CheckConstraint("factor_type = 'totp'", name="mfa_factors_type_check"), nullable=False),
    Column("friendly_name", Text),
    # Encrypted with the data key (decision 46).
    Column("secret", Text, nullable=False),
    # The last time step that was accepted; that step and earlier ones never are again.
    Column("last_counter", BigInteger),
    Column("created_at", _INSTANT, nullable=False),
    Column("verified_at", _INSTANT),
    Column("last_used_at", _INSTANT),
)
Index("mfa_factors_user_id_idx", mfa_factors.c.user_id)
Index("mfa_factors_unverified_idx", mfa_factors.c.created_at, postgresql_where=mfa_factors.c.verified_at.is_(None))

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("created_at", _INSTANT, nullable=False),
    Column("used_at", _INSTANT),
    UniqueConstraint("user_id", "code_hash"),
)

webauthn_credentials = Table(
    "webauthn_credentials",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("aaguid", Uuid),
    Column("counter", BigInteger, nullable=False),
    Column("transports", ARRAY(Text), nullable=False),
    Column("name", Text),
    Column("created_at", _INSTANT, nullable=False),
    Column("last_used_at", _INSTANT),
)
Index("webauthn_credentials_user_id_idx", webauthn_credentials.c.user_id)

webauthn_challenges = Table(
    "webauthn_challenges",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column(
        "challenge_type",
        Text,
        CheckConstraint(
            "challenge_type IN ('registration', 'authentication', 'login')", name="webauthn_challenges_type_check"
        ),
        nullable=False,
    ),
    # Whose ceremony it is, and in which session or browser; all NULL for a sign-in, whose user is not known yet.
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE")),
    Column("session_id", Uuid, ForeignKey(sessions.c.id, ondelete="CASCADE")),
    Column("browser_id", Uuid, ForeignKey(browser_sessions.c.id, ondelete="CASCADE")),
    Column("challenge", LargeBinary, nullable=False),
    # What the new passkey is to be called.
    Column("name", Text),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Column("consumed_at", _INSTANT),
)
Index("webauthn_challenges_user_id_idx", webauthn_challenges.c.user_id)
Index("webauthn_challenges_session_id_idx", webauthn_challenges.c.session_id)
Index("webauthn_challenges_browser_id_idx", webauthn_challenges.c.browser_id)
Index("webauthn_challenges_expires_at_idx", webauthn_challenges.c.expires_at)
