"""Everything in SQL: tables, migrations, and one module for each kind of record.

Imports `domain`, `errors` and `telemetry` only; works on SQLite and PostgreSQL.
"""

from spotlab.store.store import Store, open_store

__all__ = ["Store", "open_store"]
