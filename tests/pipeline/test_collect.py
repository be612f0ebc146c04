"""Collecting archives and counts new snapshots; a bad feed does not affect the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Provenance, Snapshot
from spotlab.errors import Cancelled, FeedRefused
from spotlab.pipeline.collect import ADVISOR_SCRAPER, PRICE_SCRAPER, CollectReport, collect
from spotlab.store import Store, open_store
from tests.support.market import NOW, StillClock
from tests.support.migrated import copy_to

ADVISOR_ROWS = [
    ("us-east-1", "Linux", "m5.large", 1, 60),
    ("us-east-1", "Windows", "m5.large", 2, 30),
    ("eu-west-1", "Linux", "m5.large", 0, 65),
]
PRICE_ROWS = [("us-east-1", "Linux", "m5.large", 0.03)]


def snapshot(kind: FeedKind, rows: list[tuple[object, ...]], at: datetime) -> Snapshot:
    frame = pd.DataFrame(rows, columns=list(FEED_COLUMNS[kind]))
    origin = Provenance(f"{kind} feed", at, at)
    return Snapshot(kind, MarketName.SIMULATED, "", origin, str(hash(tuple(rows))), frame, "etag-1")


@dataclass
class ListedFeed:
    """Returns its snapshots in turn; raises an exception; None means "unchanged"."""

    name: str
    kind: FeedKind
    turns: list[Snapshot | Exception | None]
    asked_with: list[dict[FeedKind, str]] = field(default_factory=list)

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        return ((self.kind, ""),)

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        self.asked_with.append(dict(validators))
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return [] if turn is None else [turn]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    yield opened
    opened.engine.dispose()


def run(store: Store, clock: StillClock, *feeds: ListedFeed) -> CollectReport:
    return collect(feeds, MarketName.SIMULATED, store.archive, store.health, clock)


def test_counts_rows_by_system_and_says_when_nothing_is_new(store: Store) -> None:
    clock = StillClock()
    advisor = snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW)
    prices = snapshot(FeedKind.SPOT_PRICES, PRICE_ROWS, NOW)
    feeds = (
        ListedFeed("advisor", FeedKind.ADVISOR, [advisor, advisor]),
        ListedFeed("prices", FeedKind.SPOT_PRICES, [prices, prices]),
    )
    first = collect(feeds, MarketName.SIMULATED, store.archive, store.health, clock)
    assert first.counts["advisor_linux"] == 2
    assert first.counts["advisor_all"] == 3
    assert first.counts["spot_prices_linux"] == 1
    assert first.regions == 2
    assert not first.unchanged
    again = collect(feeds, MarketName.SIMULATED, store.archive, store.health, clock)
    assert again.unchanged
    assert again.counts == first.counts


def test_a_not_modified_answer_keeps_the_rows_and_renews_their_age(store: Store) -> None:
    clock = StillClock()
    feed = ListedFeed(
        "advisor", FeedKind.ADVISOR, [snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW), None]
    )
    run(store, clock, feed)
    clock.forward(minutes=30)
    report = collect([feed], MarketName.SIMULATED, store.archive, store.health, clock)
    assert feed.asked_with == [{}, {FeedKind.ADVISOR: "etag-1"}]
    assert report.unchanged
    assert report.counts["advisor_all"] == 3
    kept = store.archive.latest(FeedKind.ADVISOR, MarketName.SIMULATED)
    assert kept is not None
    assert kept.origin.fetched_at == NOW + timedelta(minutes=30)
    assert kept.origin.event_time == NOW


def test_records_that_were_set_aside_are_counted_and_listed(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    reasons = tuple(f"record {number} has no price." for number in range(30))
    odd = replace(snapshot(FeedKind.SPOT_PRICES, PRICE_ROWS, NOW), set_aside=reasons)
    report = run(store, StillClock(), ListedFeed("prices", FeedKind.SPOT_PRICES, [odd]))
    (source,) = report.sources
    assert (source.set_aside, source.set_aside_reasons) == (30, reasons[:20])
    assert "prices: 30 records were set aside. record 0 has no price." in caplog.text
    assert not report.errors


class ResumableFeed(ListedFeed):
    """Counts how many snapshots were archived when it was told so."""

    store: Store
    archived_with: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether it has more to tell."""
        return bool(self.turns)

    def archived(self) -> None:
        self.archived_with = len(self.store.archive.infos())


def test_a_resumable_source_is_told_once_its_snapshots_are_archived(store: Store) -> None:
    feed = ResumableFeed(
        "prices", FeedKind.SPOT_PRICES, [snapshot(FeedKind.SPOT_PRICES, PRICE_ROWS, NOW)]
    )
    feed.store = store
    run(store, StillClock(), feed)
    assert feed.archived_with == 1


def test_older_prices_are_read_after_the_newest_ones_of_all_sources(store: Store) -> None:
    names = ("us-east-1", "eu-west-1")
    feeds = []
    for name in names:
        whole = replace(snapshot(FeedKind.SPOT_PRICES, PRICE_ROWS * 3, NOW), scope=name)
        newest = replace(snapshot(FeedKind.SPOT_PRICES, PRICE_ROWS, NOW), scope=name)
        feed = ResumableFeed(name, FeedKind.SPOT_PRICES, [newest, whole])
        feed.store = store
        feeds.append(feed)
    read: list[str] = []
    shown: list[list[int]] = []
    report = collect(
        feeds,
        MarketName.SIMULATED,
        store.archive,
        store.health,
        StillClock(),
        lambda text, _share: read.append(text.removeprefix("reading ")),
        newest_archived=lambda: shown.append(
            [info.records for info in store.archive.newest(MarketName.SIMULATED)]
        ),
    )
    assert read == [*names, *names, "collected"]
    assert shown == [[1, 1]], "published once, before anything older is read"
    assert [source.records for source in report.sources] == [3, 3]
    assert report.counts["spot_prices_all"] == 6
    assert [info.records for info in store.archive.newest(MarketName.SIMULATED)] == [3, 3]


def test_a_source_that_is_cancelled_ends_the_collection_without_a_failure(store: Store) -> None:
    turns = [Cancelled("cancelled between two pages")]
    feeds = [
        ListedFeed("prices", FeedKind.SPOT_PRICES, [*turns]),
        ListedFeed("advisor", FeedKind.ADVISOR, [snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW)]),
    ]
    with pytest.raises(Cancelled, match="between two pages"):
        run(store, StillClock(), *feeds)
    assert store.health.last(PRICE_SCRAPER) is None
    assert store.archive.infos() == []


def test_a_refused_feed_is_reported_and_the_last_good_one_stays(store: Store) -> None:
    clock = StillClock()
    good = snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW)
    prices = snapshot(FeedKind.SPOT_PRICES, PRICE_ROWS, NOW)
    advisor = ListedFeed("advisor", FeedKind.ADVISOR, [good, FeedRefused("advisor: truncated.")])
    market = ListedFeed("prices", FeedKind.SPOT_PRICES, [prices, prices])
    run(store, clock, advisor, market)
    report = collect([advisor, market], MarketName.SIMULATED, store.archive, store.health, clock)
    assert report.errors == ("advisor: truncated.",)
    assert not report.unchanged
    assert [source.records for source in report.sources] == [0, 1]
    kept = store.archive.latest(FeedKind.ADVISOR, MarketName.SIMULATED)
    assert kept is not None
    assert kept.digest == good.digest
    down, up = store.health.last(ADVISOR_SCRAPER), store.health.last(PRICE_SCRAPER)
    assert down is not None
    assert up is not None
    assert (down.state, down.reason) == ("down", "advisor: truncated.")
    assert up.state == "healthy"


def test_a_cancelled_collect_keeps_what_was_read(store: Store) -> None:
    advisor = ListedFeed(
        "advisor", FeedKind.ADVISOR, [snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW)]
    )
    prices = ListedFeed("prices", FeedKind.SPOT_PRICES, [])
    answers = iter([False, True])
    with pytest.raises(Cancelled, match="after 1 of 2 sources"):
        collect(
            [advisor, prices],
            MarketName.SIMULATED,
            store.archive,
            store.health,
            StillClock(),
            cancelled=lambda: next(answers),
        )
    assert store.archive.latest(FeedKind.ADVISOR, MarketName.SIMULATED) is not None


class WaitingFeed(ListedFeed):
    """Answers once another feed is being read."""

    other_is_read: threading.Event

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        assert self.other_is_read.wait(60)
        return super().fetch(validators)


class NoticedFeed(WaitingFeed):
    """The other feed."""

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        self.other_is_read.set()
        return super().fetch(validators)


def test_a_slow_source_does_not_hold_up_the_next_and_comes_first_in_the_report(
    store: Store,
) -> None:
    slow = WaitingFeed("advisor", FeedKind.ADVISOR, [snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW)])
    quick = NoticedFeed(
        "prices", FeedKind.SPOT_PRICES, [snapshot(FeedKind.SPOT_PRICES, PRICE_ROWS, NOW)]
    )
    slow.other_is_read = quick.other_is_read = threading.Event()
    report = run(store, StillClock(), slow, quick)
    assert [each.name for each in report.sources] == ["advisor", "prices"]


def test_progress_names_each_source(store: Store) -> None:
    told: list[tuple[str, float]] = []
    feed = ListedFeed("advisor", FeedKind.ADVISOR, [snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW)])
    collect(
        [feed],
        MarketName.SIMULATED,
        store.archive,
        store.health,
        StillClock(),
        progress=lambda text, share: told.append((text, share)),
    )
    assert told == [("reading advisor", 0.0), ("collected", 1.0)]


def test_a_change_is_archived_beside_the_former_one(store: Store) -> None:
    clock = StillClock()
    later = [("us-east-1", "Linux", "m5.large", 4, 60)]
    feed = ListedFeed(
        "advisor",
        FeedKind.ADVISOR,
        [
            snapshot(FeedKind.ADVISOR, ADVISOR_ROWS, NOW),
            snapshot(FeedKind.ADVISOR, list(later), NOW + timedelta(hours=1)),
        ],
    )
    run(store, clock, feed)
    clock.forward(hours=1)
    report = collect([feed], MarketName.SIMULATED, store.archive, store.health, clock)
    assert report.sources[0].new
    before = store.archive.latest(FeedKind.ADVISOR, MarketName.SIMULATED, at=NOW)
    assert before is not None
    assert len(before.rows) == 3
    assert before.origin.event_time == NOW
