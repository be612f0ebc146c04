"""Model states, their history and uploads. Store floor.

Revision r0002, after r0001. Types are spelled out, so that it stays what it was when tables change.
"""

from __future__ import annotations

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""


def downgrade() -> None:
    """Back to r0001."""
