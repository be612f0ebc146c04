"""What the tables promise: they can be imported again, and keep moments whole."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime, timedelta, timezone
from types import ModuleType

import pytest
from sqlalchemy import text
from sqlmodel import select

import spotlab.store
from spotlab.errors import InvalidInput
from spotlab.store import Store
from spotlab.store.engine import reading, writing
from spotlab.store.tables import core
from spotlab.store.tables.core import HealthRow
from spotlab.store.types import UtcDateTime, require_aware


def imported_again(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What a hot reload does: forget the module and import it once more."""
    monkeypatch.setattr(spotlab.store, "tables", core)  # put back when the test ends
    monkeypatch.delitem(sys.modules, core.__name__)
    return importlib.import_module(core.__name__)


def test_a_hot_reload_can_import_the_tables_again(monkeypatch: pytest.MonkeyPatch) -> None:
    second = imported_again(monkeypatch)
    metadata = second.Base.metadata
    assert metadata is not core.Base.metadata
    assert list(metadata.tables) == list(core.Base.metadata.tables)

    importlib.reload(second)
    assert second.Base.metadata is not metadata
    assert list(second.Base.metadata.tables) == list(metadata.tables)


def test_reloaded_tables_read_what_the_former_wrote(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    store.health.note("database", ok=True, at=at, latency_ms=1.0, reason="")
    again = imported_again(monkeypatch)
    with reading(store.engine) as session:
        assert session.exec(select(again.HealthRow.at)).one() == at


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


@pytest.mark.parametrize("table", core.Base.metadata.tables.values(), ids=core.Base.metadata.tables)
def test_every_time_is_kept_as_utc(table: core.Base) -> None:
    times = [column for column in table.columns if column.name.endswith(("_at", "_time"))]
    assert all(isinstance(column.type, UtcDateTime) for column in times)
