"""Records that a snapshot's source had and that could not be used.

Revision r0025. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0025"
down_revision = "r0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("market_snapshots") as snapshots:
        snapshots.add_column(
            sa.Column("set_aside", sa.Integer(), nullable=False, server_default="0")
        )
        snapshots.add_column(sa.Column("set_aside_reasons", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Back to the revision before."""
    with op.batch_alter_table("market_snapshots") as snapshots:
        snapshots.drop_column("set_aside_reasons")
        snapshots.drop_column("set_aside")
