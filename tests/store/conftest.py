"""The databases that the tests of this folder run on."""

from tests.support.databases import database, migrated_postgres, postgres_url, store

__all__ = ["database", "migrated_postgres", "postgres_url", "store"]
