"""Which log lines belong to a decision.

Revision r0008, after r0007. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision; of decisions made before it is unknown: ""."""
    op.add_column(
        "experiments",
        sa.Column("correlation_id", sa.String(), server_default=sa.text("''"), nullable=False),
    )


def downgrade() -> None:
    """Back to r0007."""
    op.drop_column("experiments", "correlation_id")
