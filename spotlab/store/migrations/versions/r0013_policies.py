"""Policies, their states, the policy of each experiment, and shadow decisions of policies.

Revision r0013, after r0012. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0013"
down_revision = "r0012"
branch_labels = None
depends_on = None

_ONE_A_MODEL = "uq_shadow_decisions_experiment_id_model"
_ONE_A_CHALLENGER = "uq_shadow_decisions_experiment_id_model_policy"


def upgrade() -> None:
    """To this revision. Every decision before it was made with the built-in policy."""
    op.create_table(
        "policies",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_policies")),
    )
    op.create_index(
        "uq_policies_active",
        "policies",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "policy_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_events")),
    )
    op.create_index(op.f("ix_policy_events_name_version"), "policy_events", ["name", "version"])
    op.add_column(
        "experiments",
        sa.Column(
            "policy_version", sa.String(), nullable=False, server_default=sa.text("'default@1'")
        ),
    )
    with op.batch_alter_table("shadow_decisions") as shadows:
        shadows.add_column(
            sa.Column("policy", sa.String(), nullable=False, server_default=sa.text("''"))
        )
        shadows.drop_constraint(op.f(_ONE_A_MODEL), type_="unique")
        shadows.create_unique_constraint(
            op.f(_ONE_A_CHALLENGER), ["experiment_id", "model", "policy"]
        )


def downgrade() -> None:
    """Back to r0012; the shadow decisions of policies are deleted."""
    op.execute("DELETE FROM shadow_decisions WHERE policy <> ''")
    with op.batch_alter_table("shadow_decisions") as shadows:
        shadows.drop_constraint(op.f(_ONE_A_CHALLENGER), type_="unique")
        shadows.create_unique_constraint(op.f(_ONE_A_MODEL), ["experiment_id", "model"])
        shadows.drop_column("policy")
    op.drop_column("experiments", "policy_version")
    op.drop_table("policy_events")
    op.drop_table("policies")
