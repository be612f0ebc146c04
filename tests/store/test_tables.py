"""The tables can be imported again, and store times exactly."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime, timedelta, timezone
from types import ModuleType

import pytest
from sqlalchemy import Table, text
from sqlmodel import select

import spotlab.store
from spotlab.errors import InvalidInput
from spotlab.store import Store
from spotlab.store.engine import reading, writing
from spotlab.store.tables.core import HealthRow
from spotlab.store.tables.metadata import METADATA
from spotlab.store.types import UtcDateTime, require_aware

METADATA_MODULE = "spotlab.store.tables.metadata"


def imported_again(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the tables as a hot reload does: drop all modules of the package and import again."""
    monkeypatch.setattr(spotlab.store, "tables", spotlab.store.tables)  # restored at the end
    for name in [name for name in sys.modules if name.startswith("spotlab.store.tables")]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module(METADATA_MODULE)


def test_a_hot_reload_can_import_the_tables_again(monkeypatch: pytest.MonkeyPatch) -> None:
    second = imported_again(monkeypatch).METADATA
    assert second is not METADATA
    assert set(second.tables) == set(METADATA.tables)


def test_reloaded_tables_read_what_the_former_wrote(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    store.health.note("database", ok=True, at=at, latency_ms=1.0, reason="")
    again = imported_again(monkeypatch)
    with reading(store.engine) as session:
        assert session.exec(select(again.core.HealthRow.at)).one() == at


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, 0, 999999, tzinfo=timezone(timedelta(hours=-9.5))),
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=14))),
    ],
)
def test_a_moment_comes_back_in_utc_to_the_microsecond(store: Store, moment: datetime) -> None:
    with writing(store.engine) as session:
        session.add(HealthRow(component="x", at=moment, ok=True, latency_ms=None, reason=""))
    with reading(store.engine) as session:
        found = session.exec(select(HealthRow.at)).one()
    assert found == moment
    assert found.utcoffset() == timedelta(0)


def test_a_session_in_another_time_zone_reads_the_same_moment(store: Store) -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    with writing(store.engine) as session:
        session.add(HealthRow(component="x", at=moment, ok=True, latency_ms=None, reason=""))
    with reading(store.engine) as session:
        if store.engine.dialect.name == "postgresql":
            session.connection().execute(text("SET LOCAL TIME ZONE 'Asia/Tokyo'"))
        found = session.exec(select(HealthRow.at)).one()
    assert (found, found.tzinfo) == (moment, UTC)


def test_a_naive_moment_is_refused_by_name() -> None:
    naive = datetime(2026, 7, 1, 12)  # noqa: DTZ001 (what must be refused)
    with pytest.raises(InvalidInput, match="The time 2026-07-01T12:00:00 has no time zone"):
        require_aware(naive)


@pytest.mark.parametrize("table", METADATA.tables.values(), ids=METADATA.tables)
def test_every_time_is_kept_as_utc(table: Table) -> None:
    times = [column for column in table.columns if column.name.endswith(("_at", "_time"))]
    assert all(isinstance(column.type, UtcDateTime) for column in times)
