"""Recognises a connection pooler between SpotLab and PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from sqlalchemy import Connection, Engine, text

from spotlab.errors import NotAvailable
from spotlab.store.failures import translated

_PROCESS: Final = text("SELECT pg_backend_pid()")
_ORDERS: Final = ((0, 1), (0, 1), (1, 0))
"""The second gives one connection the other's server process if the pooler hands out the one that
was released last, as PgBouncer does; the third, if it hands out the one released first."""


def changes_process(engine: Engine) -> bool:
    """Whether a connection gets another server process from transaction to transaction.

    Two connections begin and end transactions in several orders: a pooler in transaction mode then
    gives one of them the server process that the other had.

    Raises:
        DatabaseDown: it does not answer.
    """
    with translated(engine), ExitStack() as stack:
        both = [stack.enter_context(engine.connect()) for _ in range(2)]
        seen: list[set[int]] = [set(), set()]
        for order in _ORDERS:
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


def require_session(engine: Engine, what: str) -> None:
    """Raise an error if a pooler is in transaction mode on the way to PostgreSQL.

    PostgreSQL's clients change settings of their session, such as an empty search_path. Through
    such a pooler, these would stay with a server process that others get next.

    Args:
        engine: of PostgreSQL.
        what: the operation, as the start of a sentence: "A backup".
    Raises:
        NotAvailable: there is such a pooler.
        DatabaseDown: it does not answer.
    """
    if changes_process(engine):
        raise NotAvailable(
            f"{what} needs a session, but PostgreSQL is reached through a pooler in transaction "
            "mode.",
            remedy="Set SPOTLAB_DATABASE_URL to the address of PostgreSQL itself for this command.",
        )


def _process_of(connection: Connection) -> int:
    return int(connection.execute(_PROCESS).scalar_one())
