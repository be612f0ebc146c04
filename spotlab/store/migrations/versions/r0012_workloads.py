"""Workloads, their assignments, and the workload of each experiment; tags of instances.

Revision r0012, after r0011. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0012"
down_revision = "r0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "workloads",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_workloads")),
    )
    op.create_table(
        "workload_assignments",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("workload", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_workload_assignments")),
    )
    op.add_column("instances", sa.Column("tags", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("experiments", sa.Column("workload", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Back to r0011."""
    op.drop_column("experiments", "workload")
    op.drop_column("instances", "tags")
    op.drop_table("workload_assignments")
    op.drop_table("workloads")
