"""The archive's contract, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import event

from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Snapshot
from spotlab.errors import InvalidInput
from spotlab.store import Store
from tests.support import builders as make

HISTORY, PUBLIC = FeedKind.PRICE_HISTORY, MarketName.PUBLIC


def taken(content: str, hours: float, **changes: object) -> Snapshot:
    """A snapshot that was true, and fetched, some hours from now."""
    moment = make.NOW + timedelta(hours=hours)
    origin = make.provenance("DescribeSpotPriceHistory", event_time=moment, fetched_at=moment)
    return make.snapshot(content, origin=origin, **changes)


def digests(snapshots: list[Snapshot]) -> list[str]:
    return [snapshot.digest for snapshot in snapshots]


def test_a_snapshot_comes_back_with_the_same_dtypes(store: Store) -> None:
    saved = make.snapshot()
    assert store.archive.save(saved)

    opened = store.archive.latest(HISTORY, PUBLIC, "us-east-1")

    assert opened is not None
    assert_frame_equal(opened.rows, saved.rows)
    assert opened.rows["availability_zone"].tolist() == ["us-east-1a", None]
    assert str(opened.rows["event_time"].dt.tz) == "UTC"
    assert replace(opened, rows=saved.rows) == saved
    assert opened.origin.event_time.tzinfo is UTC


@pytest.mark.parametrize("kind", FeedKind)
def test_an_empty_feed_of_every_kind_comes_back(store: Store, kind: FeedKind) -> None:
    nothing = pd.DataFrame(columns=list(FEED_COLUMNS[kind]))
    store.archive.save(make.snapshot(kind=kind, scope="", rows=nothing))
    opened = store.archive.latest(kind, PUBLIC)
    assert opened is not None
    assert_frame_equal(opened.rows, nothing, check_index_type=False)


def test_an_unchanged_snapshot_only_moves_the_fetch_forward(store: Store) -> None:
    assert store.archive.save(taken("same", 0))
    assert not store.archive.save(taken("same", 2, validator='"etag-2"'))
    assert not store.archive.save(taken("same", 1, validator='"etag-late"'))

    (info,) = store.archive.infos()
    assert info.event_time == make.NOW
    assert info.fetched_at == make.NOW + timedelta(hours=2)
    assert info.validator == '"etag-2"'


def test_a_change_back_is_new(store: Store) -> None:
    assert [store.archive.save(taken(content, hour)) for hour, content in enumerate("aba")] == [
        True,
        True,
        True,
    ]
    assert len(store.archive.infos()) == 3


def test_reading_the_same_history_twice_adds_nothing(store: Store) -> None:
    days = [taken(content, -24 * day) for day, content in enumerate("abc")]
    assert [store.archive.save(day) for day in days] == [True, True, True]
    assert [store.archive.save(day) for day in days] == [False, False, False]
    assert len(store.archive.infos()) == 3


def test_latest_is_by_the_time_it_was_true(store: Store) -> None:
    for content, hours in (("late", 2), ("early", 0), ("middle", 1)):
        store.archive.save(taken(content, hours))

    def newest(hours: float | None) -> Snapshot | None:
        at = None if hours is None else make.NOW + timedelta(hours=hours)
        return store.archive.latest(HISTORY, PUBLIC, "us-east-1", at)

    found = [newest(hours) for hours in (None, 2, 1.5, 1, 0)]
    expected = [taken(content, 0).digest for content in ("late", "late", "middle", "middle")]
    assert [snapshot.digest for snapshot in found[:4] if snapshot] == expected
    assert newest(-0.001) is None


def test_kinds_markets_and_scopes_are_kept_apart(store: Store) -> None:
    store.archive.save(taken("a", 0))
    store.archive.save(taken("a", 0, scope="eu-west-1"))
    store.archive.save(taken("a", 0, market=MarketName.SIMULATED))
    store.archive.save(taken("a", 0, scope=""))

    assert store.archive.scopes(HISTORY, PUBLIC) == ["", "eu-west-1", "us-east-1"]
    assert store.archive.scopes(HISTORY, MarketName.SIMULATED) == ["us-east-1"]
    assert store.archive.scopes(FeedKind.ADVISOR, PUBLIC) == []
    assert store.archive.latest(FeedKind.ADVISOR, PUBLIC, "us-east-1") is None
    assert store.archive.latest(HISTORY, MarketName.RECORDED, "us-east-1") is None
    assert len(store.archive.infos(MarketName.SIMULATED)) == 1
    assert len(store.archive.infos()) == 4


def test_history_is_every_scope_after_since_up_to_until(store: Store) -> None:
    for hours in (0, 1, 2, 3):
        store.archive.save(taken(f"east {hours}", hours))
    store.archive.save(taken("west", 1.5, scope="eu-west-1"))

    found = store.archive.history(
        HISTORY, PUBLIC, since=make.NOW, until=make.NOW + timedelta(hours=2)
    )

    expected = [taken("east 1", 1), taken("west", 1.5), taken("east 2", 2)]
    assert digests(found) == digests(expected)


def test_infos_are_newest_first_and_load_no_rows(store: Store) -> None:
    for hours in (1, 3, 2):
        store.archive.save(taken(f"at {hours}", hours))
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    infos = store.archive.infos()

    assert [info.event_time for info in infos] == [
        make.NOW + timedelta(hours=hours) for hours in (3, 2, 1)
    ]
    assert {info.records for info in infos} == {2}
    assert not any("payload" in statement for statement in statements)


def test_infos_are_limited_by_kind_and_time(store: Store) -> None:
    for hours in (0, 1, 2, 3):
        store.archive.save(taken(f"at {hours}", hours))
    store.archive.save(taken("advisor", 1, kind=FeedKind.ADVISOR))
    until = make.NOW + timedelta(hours=2)
    infos = store.archive.infos(PUBLIC, HISTORY, since=make.NOW, until=until)
    assert [info.digest for info in infos] == digests([taken("at 2", 2), taken("at 1", 1)])


def test_the_newest_of_each_kind_and_scope(store: Store) -> None:
    for hours in (1, 0, 2):
        store.archive.save(taken(f"east {hours}", hours))
    store.archive.save(taken("east again", 2))  # the later of two at the same time
    store.archive.save(taken("west", -5, scope="us-west-2"))
    store.archive.save(taken("advisor", 1, kind=FeedKind.ADVISOR, scope=""))
    store.archive.save(taken("simulated", 9, market=MarketName.SIMULATED))

    def found(at: datetime | None = None) -> list[tuple[str, str, str]]:
        newest = store.archive.newest(PUBLIC, at)
        return [(info.kind, info.scope, info.digest) for info in newest]

    def expected(*content: tuple[str, str, str]) -> list[tuple[str, str, str]]:
        return [(kind, scope, taken(text, 0).digest) for kind, scope, text in content]

    west, advisor = (HISTORY, "us-west-2", "west"), (FeedKind.ADVISOR, "", "advisor")
    assert found() == expected((HISTORY, "us-east-1", "east again"), advisor, west)
    assert found(make.NOW) == expected((HISTORY, "us-east-1", "east 0"), west)
    assert found(make.NOW - timedelta(days=1)) == []
    assert store.archive.newest(MarketName.ACCOUNT) == []


def test_the_two_largest_of_each_scope_and_span(store: Store) -> None:
    rows = make.snapshot().rows
    for hours, count in ((0.1, 1), (0.2, 2), (0.3, 2), (0.4, 1), (1.5, 1), (2.5, 2)):
        taken_at = taken(f"at {hours}", hours - make.NOW.minute / 60, rows=rows.head(count))
        store.archive.save(taken_at)
    store.archive.save(taken("west", 0.1, scope="us-west-2"))
    since, until = make.NOW - timedelta(hours=1), make.NOW + timedelta(hours=1.5)
    infos = store.archive.largest(PUBLIC, HISTORY, since, until, 3600)
    east = [info.digest for info in infos if info.scope == "us-east-1"]
    assert east == digests([taken(f"at {hours}", 0) for hours in (0.3, 0.2, 1.5)])
    assert [info.scope for info in infos].count("us-west-2") == 1


def test_when_a_market_was_last_read(store: Store) -> None:
    assert store.archive.last_fetched_at(PUBLIC) is None
    for hours in (1, 3, 2):
        store.archive.save(taken(f"at {hours}", hours))
    assert store.archive.last_fetched_at(PUBLIC) == make.NOW + timedelta(hours=3)
    assert store.archive.last_fetched_at(MarketName.SIMULATED) is None


def test_a_longer_history_loads_no_more_rows_for_the_newest(store: Store) -> None:
    def rows_loaded() -> int:
        fetched: list[int] = []

        def count(*call: object) -> None:
            cursor = call[1]
            fetched.append(len(cursor.fetchall()))  # type: ignore[attr-defined]

        event.listen(store.engine, "after_cursor_execute", count)
        with suppress(Exception):  # the rows are gone
            store.archive.newest(PUBLIC)
        event.remove(store.engine, "after_cursor_execute", count)
        return fetched[-1]

    store.archive.save(taken("first", 0))
    before = rows_loaded()
    for hours in range(1, 30):
        store.archive.save(taken(f"at {hours}", hours))
    assert before == rows_loaded() == 1


def test_several_collectors_at_once_store_a_feed_once(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda _: store.archive.save(taken("same", 0)), range(16)))
    assert new.count(True) == 1
    assert len(store.archive.infos()) == 1


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    naive = datetime(2026, 11, 3)  # noqa: DTZ001 (what must be refused)
    with pytest.raises(InvalidInput, match="no time zone"):
        store.archive.save(make.snapshot(origin=make.provenance(event_time=naive)))
    assert store.archive.infos() == []


def test_the_active_market_is_the_one_set_last(store: Store) -> None:
    assert store.archive.active_market() is None
    store.archive.set_active_market(MarketName.SIMULATED)
    store.archive.set_active_market(MarketName.PUBLIC)
    assert store.archive.active_market() is MarketName.PUBLIC


def test_records_set_aside_are_counted_and_the_first_reasons_are_kept(store: Store) -> None:
    reasons = tuple(
        f"m5.large in us-east-1{letter} has price 0." for letter in "abcdefghijklmnopqrstuvwxyz"
    )
    store.archive.save(make.snapshot(set_aside=reasons))

    opened = store.archive.latest(HISTORY, PUBLIC, "us-east-1")
    (info,) = store.archive.newest(PUBLIC)

    assert opened is not None
    assert (opened.set_aside, opened.set_aside_count) == (reasons[:20], 26)
    assert (info.set_aside, info.set_aside_reasons) == (26, reasons[:20])
