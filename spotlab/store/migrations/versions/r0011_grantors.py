"""Grantors of tokens and links.

Revision r0011, after r0010. Column types are explicit, independent of later table definitions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0011"
down_revision = "r0010"
branch_labels = None
depends_on = None

TABLES = ("api_tokens", "one_time_links")


def upgrade() -> None:
    """Upgrade to this revision; creators of existing tokens are read from the audit log. Links
    expire within a day: existing ones get no grantor."""
    for table in TABLES:
        op.add_column(table, sa.Column("grantors", sa.JSON(none_as_null=True), nullable=True))
    made = sa.text(
        """SELECT t.token_id, a.actor FROM api_tokens t
        JOIN audit_log a ON a.target = t.token_id AND a.action = 'token.create'
        JOIN users u ON u.name = a.actor
        WHERE a.actor <> t."user" AND (a.via = 'session' OR a.via LIKE 'token %')"""
    )
    tokens = sa.table("api_tokens", sa.column("token_id"), sa.column("grantors", sa.JSON()))
    for token_id, actor in op.get_bind().execute(made).all():
        given = tokens.update().where(tokens.c.token_id == token_id)
        op.get_bind().execute(given.values(grantors=[actor]))


def downgrade() -> None:
    """Downgrade to r0010."""
    for table in TABLES:
        op.drop_column(table, "grantors")
