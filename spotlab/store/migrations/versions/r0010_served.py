"""Request counts of app servers.

Revision r0010, after r0009. Column types are explicit, independent of later table definitions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0010"
down_revision = "r0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade to this revision."""
    op.create_table(
        "served_requests",
        sa.Column("process_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("took", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("process_id", "at", name=op.f("pk_served_requests")),
    )
    op.create_index(op.f("ix_served_requests_at"), "served_requests", ["at"])


def downgrade() -> None:
    """Downgrade to r0009."""
    op.drop_table("served_requests")
