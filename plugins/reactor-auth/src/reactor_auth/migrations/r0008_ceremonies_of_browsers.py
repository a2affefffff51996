"""Let ceremonies with passkeys belong to a browser on the pages of the server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "auth_0008"
down_revision = "auth_0007"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"


def upgrade() -> None:
    """Add the column."""
    op.add_column("webauthn_challenges", sa.Column("browser_id", sa.Uuid(), nullable=True), schema=SCHEMA)
    op.create_foreign_key(
        "webauthn_challenges_browser_id_fkey",
        "webauthn_challenges",
        "browser_sessions",
        ["browser_id"],
        ["id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
        ondelete="CASCADE",
    )
    op.create_index("webauthn_challenges_browser_id_idx", "webauthn_challenges", ["browser_id"], schema=SCHEMA)


def downgrade() -> None:
    """Remove it; ceremonies of browsers are over."""
    op.execute(f"DELETE FROM {SCHEMA}.webauthn_challenges WHERE browser_id IS NOT NULL")
    op.drop_column("webauthn_challenges", "browser_id", schema=SCHEMA)
