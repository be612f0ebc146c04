"""Listings by region, and the next external id of an account.

Revision r0018, after r0015. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0018"
down_revision = "r0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "region_listings",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", name=op.f("pk_region_listings")),
    )
    with op.batch_alter_table("accounts") as accounts:
        accounts.add_column(
            sa.Column("pending_external_id", sa.String(), nullable=False, server_default="")
        )
    with op.batch_alter_table("accounts") as accounts:
        accounts.alter_column("pending_external_id", server_default=None)


def downgrade() -> None:
    """Back to the revision before."""
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_column("pending_external_id")
    op.drop_table("region_listings")
