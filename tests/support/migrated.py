"""Copies of migrated SQLite databases: migrating one takes longer than most tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from spotlab.store import open_store


@cache
def empty_database() -> bytes:
    """The file of a migrated, empty database."""
    return file_of(lambda path: open_store(None, path).close())


def file_of(fill: Callable[[Path], None]) -> bytes:
    """The file that `fill` creates at the path it is called with, and closes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spotlab.db"
        fill(path)
        assert [each.name for each in path.parent.glob("spotlab.db*")] == [path.name], "is open"
        return path.read_bytes()


def copy_to(path: Path, database: Callable[[], bytes] = empty_database) -> Path:
    """Write the database to a path where there is none yet; returns the path."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(database())
    return path
