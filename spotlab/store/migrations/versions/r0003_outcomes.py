"""Interruption events, shadow decisions and realised outcomes. Store floor.

Revision r0003, after r0002. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""


def downgrade() -> None:
    """Back to r0002."""
