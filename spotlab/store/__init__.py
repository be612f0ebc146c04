"""Everything in SQL: tables, migrations, and one module for each kind of record.

Imports `domain`, `errors` and `telemetry` only; works on SQLite and PostgreSQL.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spotlab.store.store import Store, open_store

__all__ = ["Store", "open_store"]


def __getattr__(name: str) -> Any:
    """Import the repositories on first use; a process that needs one module starts sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from spotlab.store import store

    return getattr(store, name)
