"""Guards of switches, stops, and switches that have begun.

Revision r0020, after r0016. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0020"
down_revision = "r0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "switch_guards",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("guards", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "version", name=op.f("pk_switch_guards")),
    )
    op.create_table(
        "switch_stops",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_switch_stops")),
    )
    op.create_table(
        "switch_starts",
        sa.Column("switch_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("group_name", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("switch_id", name=op.f("pk_switch_starts")),
    )
    op.create_index(op.f("ix_switch_starts_at"), "switch_starts", ["at"])


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_table("switch_starts")
    op.drop_table("switch_stops")
    op.drop_table("switch_guards")
