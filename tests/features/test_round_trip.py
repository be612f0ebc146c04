"""Snapshots through a real SQL archive and a real online store give the same features."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from spotlab.domain.market import MarketName
from spotlab.domain.ports import Archive, OnlineStore
from spotlab.errors import NotAvailable
from spotlab.features import offline, online
from spotlab.features.canonical_tables import COLUMNS
from spotlab.features.embedded_valkey import join_server
from spotlab.features.engine import compute
from spotlab.features.redis_online import RedisOnlineStore, connect
from spotlab.store import open_store
from tests.support.archive import MemoryArchive
from tests.support.migrated import copy_to
from tests.support.snapshots import NOW, market_snapshots


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    store = open_store(None, copy_to(tmp_path / "spotlab.db"))
    for snapshot in market_snapshots():
        store.archive.save(snapshot)
    yield store.archive
    store.close()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[OnlineStore]:
    try:
        address, membership = join_server(tmp_path, idle_s=1.0)
    except NotAvailable as exc:
        pytest.skip(str(exc))
    client = connect(address)
    yield RedisOnlineStore(client)
    client.close()
    membership.close()


@pytest.mark.parametrize("ago", [timedelta(), timedelta(days=2), timedelta(days=30)])
def test_the_sql_archive_gives_the_same_market(archive: Archive, ago: timedelta) -> None:
    in_memory = MemoryArchive(market_snapshots())
    read, expected = (
        offline.read_market(each, MarketName.RECORDED, NOW - ago) for each in (archive, in_memory)
    )
    for table in COLUMNS:
        pd.testing.assert_frame_equal(getattr(read, table), getattr(expected, table), obj=table)
    assert read.origins == expected.origins
    assert compute(read).values.tobytes() == compute(expected).values.tobytes()


def test_a_real_server_gives_the_published_market_back(
    archive: Archive, valkey: OnlineStore
) -> None:
    data = offline.read_market(archive, MarketName.RECORDED, NOW)
    landed = online.publish(valkey, data)
    read = online.read_market(valkey, MarketName.RECORDED, NOW)
    assert landed > 0
    assert read is not None
    for table in COLUMNS:
        pd.testing.assert_frame_equal(getattr(read, table), getattr(data, table), obj=table)
    assert (read.as_of, read.origins) == (data.as_of, data.origins)
    assert compute(read).values.tobytes() == compute(data).values.tobytes()
    assert online.publish(valkey, data) == 1, "its rows are still there"
