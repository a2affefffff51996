"""Let abandoned anonymous users be found without looking at all users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "auth_0009"
down_revision = "auth_0008"
branch_labels = None
depends_on = None

SCHEMA = "_reactor_auth"


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "users_anonymous_idx", "users", ["created_at"], schema=SCHEMA, postgresql_where=sa.text("email IS NULL")
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_index("users_anonymous_idx", "users", schema=SCHEMA)
