"""The databases that the tests of this folder run on."""

from tests.support.databases import database, postgres_url, store

__all__ = ["database", "postgres_url", "store"]
