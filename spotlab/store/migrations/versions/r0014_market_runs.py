"""Each run's market once, and experiments that refer to it.

Revision r0014, after r0013. Types are spelled out, so that it stays what it was when tables change.
No row of `experiments` is rewritten, so that a database of any size is migrated at once: decisions
that were recorded before have their candidates in the row and are read from there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0014"
down_revision = "r0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "market_blobs",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_market_blobs")),
    )
    op.create_table(
        "market_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_runs")),
        sa.UniqueConstraint("digest", name=op.f("uq_market_runs_digest")),
    )
    op.create_table(
        "market_scores",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("hazard", sa.String(), nullable=False),
        sa.Column("names", sa.String(), nullable=False),
        sa.Column("features_digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "model", name=op.f("pk_market_scores")),
    )
    op.add_column("experiments", sa.Column("market_run_id", sa.Integer(), nullable=True))
    op.add_column("experiments", sa.Column("document", sa.LargeBinary(), nullable=True))
    op.create_index(op.f("ix_experiments_market_run_id"), "experiments", ["market_run_id"])


def downgrade() -> None:
    """Back to r0012. Decisions that were recorded since lose their inputs and candidates."""
    op.drop_index(op.f("ix_experiments_market_run_id"), "experiments")
    op.drop_column("experiments", "document")
    op.drop_column("experiments", "market_run_id")
    op.drop_table("market_scores")
    op.drop_table("market_runs")
    op.drop_table("market_blobs")
