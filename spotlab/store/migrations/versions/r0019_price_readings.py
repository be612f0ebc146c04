"""Price histories that are being read page by page, and indexes of market snapshots.

Revision r0019, after r0015. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0019"
down_revision = "r0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "price_readings",
        sa.Column("market", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("covers_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_aside", sa.Integer(), nullable=False),
        sa.Column("set_aside_reasons", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("market", "region", name=op.f("pk_price_readings")),
    )
    op.create_table(
        "price_pages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("market", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("stored_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("set_aside", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_pages")),
    )
    op.create_index(op.f("ix_price_pages_market_region"), "price_pages", ["market", "region"])
    listed = ["market", "kind", "event_time", "scope", "records"]
    name = "ix_market_snapshots_market_kind_event_time_scope_records"
    op.create_index(op.f(name), "market_snapshots", listed)
    fetched = ["market", "fetched_at"]
    op.create_index(op.f("ix_market_snapshots_market_fetched_at"), "market_snapshots", fetched)


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_index(op.f("ix_market_snapshots_market_fetched_at"), "market_snapshots")
    name = "ix_market_snapshots_market_kind_event_time_scope_records"
    op.drop_index(op.f(name), "market_snapshots")
    op.drop_index(op.f("ix_price_pages_market_region"), table_name="price_pages")
    op.drop_table("price_pages")
    op.drop_table("price_readings")
