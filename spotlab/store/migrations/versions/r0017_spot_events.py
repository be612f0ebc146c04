"""Events from queues, refused messages, readings of queues and of CloudTrail, signals of instances.

Revision r0017, after r0015. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0017"
down_revision = "r0016"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "spot_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("aws_account_id", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("effect", sa.String(), nullable=False),
        sa.Column("evaluation", sa.String(), nullable=False),
        sa.Column("evaluated_at", _TIME, nullable=True),
        sa.Column("experiment_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_spot_events")),
    )
    for columns in (["instance_id"], ["at"], ["evaluation", "received_at"]):
        op.create_index(op.f(f"ix_spot_events_{'_'.join(columns)}"), "spot_events", columns)
    op.create_table(
        "refused_messages",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("refused_at", _TIME, nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_refused_messages")),
    )
    op.create_index(op.f("ix_refused_messages_refused_at"), "refused_messages", ["refused_at"])
    op.create_table(
        "event_queues",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("read_at", _TIME, nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", name=op.f("pk_event_queues")),
    )
    op.create_table(
        "interruption_histories",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("read_back_to", _TIME, nullable=False),
        sa.Column("boundary", sa.JSON(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("unknown_pool", sa.Integer(), nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", name=op.f("pk_interruption_histories")),
    )
    with op.batch_alter_table("instances") as table:
        table.add_column(sa.Column("state_at", _TIME, nullable=True))
        table.add_column(sa.Column("signal_kind", sa.String(), nullable=True))
        table.add_column(sa.Column("signal_at", _TIME, nullable=True))
        table.add_column(sa.Column("notice_ends_at", _TIME, nullable=True))


def downgrade() -> None:
    """Back to the revision before."""
    with op.batch_alter_table("instances") as table:
        for column in ("notice_ends_at", "signal_at", "signal_kind", "state_at"):
            table.drop_column(column)
    for name in ("interruption_histories", "event_queues", "refused_messages", "spot_events"):
        op.drop_table(name)
