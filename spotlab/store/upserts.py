"""Insert or update in one statement, safe beside other writers. Store floor."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def upsert(session: Session, row: SQLModel, *, update: Collection[str] | None = None) -> None:
    """Insert a row; where its primary key exists, update these columns instead.

    Args:
        session: inside a transaction.
        row: the new values.
        update: columns to take over from `row`; None: all but the key; none: the row that is
            there stays as it is.
    """
    table = inspect(type(row)).local_table
    values = {column.name: getattr(row, column.name) for column in table.columns}
    key = [column.name for column in table.primary_key]
    changed = [name for name in values if name not in key] if update is None else update
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(type(row)).values(values)
    if not changed:
        session.connection().execute(statement.on_conflict_do_nothing(index_elements=key))
        return
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=key, set_={name: statement.excluded[name] for name in changed}
        )
    )


def insert_new(session: Session, row: SQLModel) -> bool:
    """Insert a row, unless its primary key exists; of several at once, one gets True.

    Args:
        session: inside a transaction.
        row: the values.
    """
    table = inspect(type(row)).local_table
    values = {column.name: getattr(row, column.name) for column in table.columns}
    key = list(table.primary_key)
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    # What it returns, and no count of rows: drivers give -1 for an insert.
    new = dialect.insert(type(row)).values(values).on_conflict_do_nothing().returning(*key)
    return session.connection().execute(new).first() is not None
