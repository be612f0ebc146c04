"""Model states, their history and uploads.

Revision r0002, after r0001. Column types are explicit, independent of later table definitions.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None

BEGAN: Final = "The history begins here: earlier moves were not recorded."


def upgrade() -> None:
    """Upgrade: an `enabled` flag per version, and a history that begins with the existing ones."""
    op.add_column(
        "model_versions",
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
    events = op.create_table(
        "model_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_events")),
    )
    op.create_index(op.f("ix_model_events_name"), "model_events", ["name"], unique=False)
    op.create_index(op.f("ix_model_events_task_at"), "model_events", ["task", "at"], unique=False)
    versions = sa.table(
        "model_versions",
        sa.column("name"),
        sa.column("version"),
        sa.column("task"),
        sa.column("state"),
        sa.column("registered_at"),
    )
    first = sa.select(
        versions.c.registered_at,
        sa.literal("spotlab"),
        versions.c.name,
        versions.c.version,
        versions.c.task,
        sa.literal("register"),
        sa.literal(""),
        versions.c.state,
        sa.literal(BEGAN),
        sa.literal(""),
    ).order_by(versions.c.registered_at, versions.c.name, versions.c.version)
    columns = ["at", "actor", "name", "version", "task", "action", "before", "after", "reason"]
    op.execute(sa.insert(events).from_select([*columns, "instance_id"], first))


def downgrade() -> None:
    """Downgrade to r0001."""
    op.drop_table("model_events")
    op.drop_column("model_versions", "enabled")
