"""Placement scores.

Revision r0009, after r0008. Column types are explicit, independent of later table definitions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade to this revision."""
    op.create_table(
        "placement_answers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("emulated", sa.Boolean(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("instance_types", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placement_answers")),
    )
    op.create_index(op.f("ix_placement_answers_asked_at"), "placement_answers", ["asked_at"])


def downgrade() -> None:
    """Downgrade to r0008."""
    op.drop_table("placement_answers")
