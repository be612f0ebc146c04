"""Switches, their journal, and launches into pools without capacity.

Revision r0016, after r0015. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0016"
down_revision = "r0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "switches",
        sa.Column("switch_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("target_pool", sa.String(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_instance_id", sa.String(), nullable=False),
        sa.Column("pause_requested", sa.Boolean(), nullable=False),
        sa.Column("rollback_requested", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("switch_id", name=op.f("pk_switches")),
    )
    op.create_index(
        "uq_switches_open_instance_id",
        "switches",
        ["instance_id"],
        unique=True,
        sqlite_where=sa.text("is_open = 1"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_index(
        op.f("ix_switches_account_requested_at"), "switches", ["account", "requested_at"]
    )
    for name in ("instance_id", "state", "requested_at", "new_instance_id"):
        op.create_index(op.f(f"ix_switches_{name}"), "switches", [name])
    op.create_table(
        "switch_journal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("switch_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switch_journal")),
        sa.UniqueConstraint("switch_id", "seq", name=op.f("uq_switch_journal_switch_id_seq")),
    )
    op.create_table(
        "launch_allowances",
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("allowance", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pool", name=op.f("pk_launch_allowances")),
    )
    op.create_table(
        "launch_claims",
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("switch_id", sa.String(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pool", "switch_id", name=op.f("pk_launch_claims")),
    )


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_table("launch_claims")
    op.drop_table("launch_allowances")
    op.drop_table("switch_journal")
    op.drop_table("switches")
