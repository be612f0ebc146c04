"""Counts of experiments, and indexes of failures and switches.

Revision r0021, after r0020. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0021"
down_revision = "r0020"
branch_labels = None
depends_on = None

_FAILED = sa.text("error != ''")
_SWITCHES = sa.text("decision = 'SWITCH' AND shadow = false")


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "experiment_counts",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("is_degraded", sa.Boolean(), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("experiments", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account",
            "model",
            "decision",
            "shadow",
            "is_degraded",
            "failed",
            name=op.f("pk_experiment_counts"),
        ),
    )
    op.execute(
        "INSERT INTO experiment_counts "
        "SELECT account, model, coalesce(decision, ''), shadow, is_degraded, error != '', count(*) "
        "FROM experiments "
        "GROUP BY account, model, coalesce(decision, ''), shadow, is_degraded, error != ''"
    )
    op.create_index(
        "ix_experiments_failed",
        "experiments",
        ["created_at", "id"],
        sqlite_where=_FAILED,
        postgresql_where=_FAILED,
    )
    op.create_index(
        "ix_experiments_switches",
        "experiments",
        ["instance_id", "created_at"],
        sqlite_where=_SWITCHES,
        postgresql_where=_SWITCHES,
    )


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_index("ix_experiments_switches", "experiments")
    op.drop_index("ix_experiments_failed", "experiments")
    op.drop_table("experiment_counts")
