"""Alembic's environment: runs migrations on the connection that `migrate` passes."""

from __future__ import annotations

from alembic import context

from spotlab.store.tables.metadata import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
