"""Interruption events, shadow decisions, realised outcomes and drift.

Revision r0003, after r0002. Column types are explicit, independent of later table definitions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade to this revision."""
    op.create_table(
        "interruption_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("emulated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interruption_events")),
        sa.UniqueConstraint(
            "instance_id",
            "kind",
            "at",
            name=op.f("uq_interruption_events_instance_id_kind_at"),
        ),
    )
    op.create_index(op.f("ix_interruption_events_at"), "interruption_events", ["at"])
    op.create_table(
        "exposure_intervals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("emulated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exposure_intervals")),
        sa.UniqueConstraint(
            "instance_id",
            "pool",
            "started_at",
            name=op.f("uq_exposure_intervals_instance_id_pool_started_at"),
        ),
    )
    op.create_index(op.f("ix_exposure_intervals_ended_at"), "exposure_intervals", ["ended_at"])
    op.create_table(
        "shadow_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("champion", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("champion_decision", sa.String(), nullable=True),
        sa.Column("chosen_pool", sa.String(), nullable=True),
        sa.Column("current_risk", sa.Float(), nullable=True),
        sa.Column("chosen_risk", sa.Float(), nullable=True),
        sa.Column("horizon_h", sa.Float(), nullable=False),
        sa.Column("saving_usd_per_hour", sa.Float(), nullable=True),
        sa.Column("cost_difference_usd_per_hour", sa.Float(), nullable=True),
        sa.Column("own_cost_difference_usd_per_hour", sa.Float(), nullable=True),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_decisions")),
        sa.UniqueConstraint(
            "experiment_id",
            "model",
            name=op.f("uq_shadow_decisions_experiment_id_model"),
        ),
    )
    op.create_index(op.f("ix_shadow_decisions_created_at"), "shadow_decisions", ["created_at"])
    op.create_index(op.f("ix_shadow_decisions_model"), "shadow_decisions", ["model"])
    op.create_table(
        "realised_outcomes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("market", sa.String(), nullable=False),
        sa.Column("predicted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("horizon_h", sa.Float(), nullable=False),
        sa.Column("predicted", sa.Float(), nullable=False),
        sa.Column("realised", sa.Float(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("challenger", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_realised_outcomes")),
        sa.UniqueConstraint(
            "experiment_id",
            "target",
            "model",
            name=op.f("uq_realised_outcomes_experiment_id_target_model"),
        ),
    )
    op.create_index(op.f("ix_realised_outcomes_model"), "realised_outcomes", ["model"])
    op.create_index(
        op.f("ix_realised_outcomes_predicted_at"), "realised_outcomes", ["predicted_at"]
    )
    op.create_table(
        "drift_snapshots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("market", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pools", sa.Integer(), nullable=False),
        sa.Column("sketches", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_snapshots")),
        sa.UniqueConstraint(
            "market",
            "model",
            "at",
            name=op.f("uq_drift_snapshots_market_model_at"),
        ),
    )


def downgrade() -> None:
    """Downgrade to r0002."""
    op.drop_table("drift_snapshots")
    op.drop_table("realised_outcomes")
    op.drop_table("shadow_decisions")
    op.drop_table("exposure_intervals")
    op.drop_table("interruption_events")
