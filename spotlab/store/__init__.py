"""The SQL store: ledger, fleet, archive, registry, health."""

from spotlab.store.store import Store, open_store

__all__ = ["Store", "open_store"]
