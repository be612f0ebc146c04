"""Correlation ids of experiments.

Revision r0008, after r0007. Column types are explicit, independent of later table definitions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade to this revision; the id of earlier experiments is unknown: ""."""
    op.add_column(
        "experiments",
        sa.Column("correlation_id", sa.String(), server_default=sa.text("''"), nullable=False),
    )


def downgrade() -> None:
    """Downgrade to r0007."""
    op.drop_column("experiments", "correlation_id")
