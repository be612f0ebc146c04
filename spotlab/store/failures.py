"""Database errors as SpotLab's own errors, with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError, StatementError

from spotlab.errors import DatabaseDown, InvalidInput, SpotlabError

_LOCKED: Final = (
    "is locked by another process",
    "Nothing was written; try again, or end the process that holds it.",
)
_READ_ONLY: Final = ("cannot be written to", "Make the file and its folder writable.")
_FULL: Final = ("has no space left", "Nothing was written; free space on its disk.")
_CORRUPT: Final = (
    "is damaged or not a database",
    "Move it away and replace it with an undamaged copy.",
)
_NOT_OPENED: Final = ("cannot be opened", "Check that its folder exists and is accessible.")
_UNPREPARED: Final = ("lacks a table or column", "Run `spotlab migrate`.")
_NO_ANSWER: Final = ("does not answer", "Check that it runs and that the address is right.")

_EXPLANATIONS: Final = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_FULL": _FULL,
    "SQLITE_CORRUPT": _CORRUPT,
    "SQLITE_NOTADB": _CORRUPT,
    "SQLITE_CANTOPEN": _NOT_OPENED,
    "SQLITE_ERROR": _UNPREPARED,
    "25006": _READ_ONLY,
    "42501": _READ_ONLY,
    "53100": _FULL,
    "42P01": _UNPREPARED,
    "42703": _UNPREPARED,
    "55P03": _LOCKED,
    "40P01": _LOCKED,
}
"""By SQLite's error name (its first two words) or PostgreSQL's SQLSTATE."""

_SQLITE_LIMITS: Final = ("pattern too complex", "integer overflow", "too big", "malformed JSON")
_POSTGRES_LIMITS: Final = "54"
"""SQLSTATE class "program limit exceeded", such as a text too long for an index."""

STILL_READABLE: Final = frozenset({_FULL[0], _READ_ONLY[0]})
"""Problems of a database that rejects writes but can still be read."""


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Translate errors of the database and its driver into SpotLab's own.

    Raises:
        DatabaseDown: it cannot be reached, is locked, full, read-only, damaged or not prepared.
        InvalidInput: a value cannot be stored.
    """
    try:
        yield
    except StatementError as exc:
        raise _translate(engine, exc, exc.orig) from exc
    except (OverflowError, UnicodeError) as exc:
        # The driver could not send the value: an integer over 64 bits, half of a surrogate pair.
        raise _unstorable(engine, exc) from exc
    except (SQLAlchemyError, OSError) as exc:
        raise _down(engine, exc) from exc


def address(engine: Engine) -> str:
    """The database's address without its password (and without options, which may hold one)."""
    if is_sqlite(engine):
        return engine.url.database or ""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def is_sqlite(engine: Engine) -> bool:
    """Whether the database is a SQLite file."""
    return engine.dialect.name == "sqlite"


def _translate(engine: Engine, exc: StatementError, cause: BaseException | None) -> SpotlabError:
    if isinstance(cause, SpotlabError):
        return cause
    if (
        isinstance(exc, DataError | IntegrityError)
        or isinstance(cause, ValueError | TypeError | ArithmeticError)
        or _exceeds_a_limit(cause)
    ):
        return _unstorable(engine, cause)
    return _down(engine, cause or exc)


def _unstorable(engine: Engine, cause: BaseException | None) -> InvalidInput:
    return InvalidInput(
        f"The database cannot store this value: {_first_line(engine, cause)}.",
        remedy="Use a number, time or text that the database can store.",
    )


def _exceeds_a_limit(cause: BaseException | None) -> bool:
    """Whether the database rejected a value for its size or shape."""
    if _code(cause) == "SQLITE_ERROR":  # SQLite's name for errors without one of their own
        return any(text in str(cause) for text in _SQLITE_LIMITS)
    return _code(cause).startswith(_POSTGRES_LIMITS)


def _code(cause: BaseException | None) -> str:
    return getattr(cause, "sqlstate", None) or "_".join(
        getattr(cause, "sqlite_errorname", "").split("_")[:2]
    )


def _down(engine: Engine, cause: BaseException) -> DatabaseDown:
    code = _code(cause)
    unknown = _NOT_OPENED if isinstance(cause, OSError) else _NO_ANSWER
    what, remedy = _EXPLANATIONS.get(code, unknown)
    message = f"The database {address(engine)} {what} ({_first_line(engine, cause)})."
    return DatabaseDown(message, remedy=remedy, what=what)


def _first_line(engine: Engine, cause: BaseException | None) -> str:
    text = str(cause).strip().splitlines()[0].rstrip(".") if str(cause).strip() else repr(cause)
    password = engine.url.password
    return text.replace(str(password), "***") if password else text
