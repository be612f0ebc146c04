"""Backtest sweeps and their finished cells. Store floor.

Revision r0004, after r0003. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""


def downgrade() -> None:
    """Back to r0003."""
