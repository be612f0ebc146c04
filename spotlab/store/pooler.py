"""Recognises a connection pooler between SpotLab and PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from sqlalchemy import Connection, Engine, text

from spotlab.store.failures import translated

_PROCESS: Final = text("SELECT pg_backend_pid()")
_ORDERS: Final = ((0, 1), (1, 0))


def changes_process(engine: Engine) -> bool:
    """Whether a connection gets another server process from transaction to transaction.

    Two connections begin and end transactions in both orders: a pooler in transaction mode then
    gives one of them the server process that the other had, whichever it hands out first.

    Raises:
        DatabaseDown: it does not answer.
    """
    with translated(engine), ExitStack() as stack:
        both = [stack.enter_context(engine.connect()) for _ in range(2)]
        seen: list[set[int]] = [set(), set()]
        for order in _ORDERS * 2:
            for index in order:
                seen[index].add(_process_of(both[index]))
            for index in order:
                both[index].rollback()
        return any(len(processes) > 1 for processes in seen)


def prepares_statements(engine: Engine) -> bool:
    """Whether the driver prepares statements that are repeated."""
    with translated(engine), engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        return getattr(driver, "prepare_threshold", None) is not None


def _process_of(connection: Connection) -> int:
    return int(connection.execute(_PROCESS).scalar_one())
