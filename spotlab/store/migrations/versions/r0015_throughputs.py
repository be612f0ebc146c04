"""Measured throughputs of instance types.

Revision r0015, after r0014. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0015"
down_revision = "r0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "throughputs",
        sa.Column("workload", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("throughputs", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("workload", "version", name=op.f("pk_throughputs")),
    )


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_table("throughputs")
