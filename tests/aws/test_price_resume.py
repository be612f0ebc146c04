"""A reading that is interrupted anywhere is resumed, and gives what an uninterrupted one gives."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from spotlab.aws.prices import OVERLAP, SpotPriceHistory
from spotlab.domain.market import FeedKind, MarketName, Snapshot
from spotlab.domain.ports import Archive
from spotlab.errors import AwsUnreachable, Cancelled, ChangedMeanwhile, Throttled
from spotlab.store import Store, open_store
from tests.support import price_reading
from tests.support.boto import client
from tests.support.databases import Database, database
from tests.support.feeds import NOW, Clock
from tests.support.migrated import copy_to
from tests.support.price_history_server import Answer, PriceHistoryServer, Row, throttled

__all__ = ["database"]

TYPES = ("m5.large", "c5.large", "r5.xlarge", "p3.2xlarge", "t3.micro")
ZONES = tuple(f"us-east-1{letter}" for letter in "abcdef")
DAYS = 90.0
PAGE_ROWS = 50
MARKET = MarketName.ACCOUNT
NOT_FOUND: Answer = (503, "<Response></Response>")


def history(seed: int = 1, changes: int = 1500) -> list[Row]:
    """Price changes of 30 pools over 100 days; many at the same second."""
    rng = random.Random(seed)
    rows = [
        Row(
            rng.choice(ZONES),
            rng.choice(TYPES),
            f"{rng.uniform(0.01, 0.05):.4f}",
            int(NOW.timestamp()) - rng.randrange(100 * 24) * 3600,
        )
        for _ in range(changes)
    ]
    return list({(row.zone, row.instance_type, row.epoch_s): row for row in rows}.values())


@dataclass
class Region:
    """A region, and the store that its prices go into."""

    store: Store
    server: PriceHistoryServer
    clock: Clock = field(default_factory=Clock)
    stop: bool = False
    waited: list[float] = field(default_factory=list)

    def source(
        self, archive: Archive | None = None, newest_days: float | None = None
    ) -> SpotPriceHistory:
        ec2 = client("ec2", attempts=1)
        self.server.attach(ec2)
        return SpotPriceHistory(
            ec2,
            "us-east-1",
            MARKET,
            self.clock,
            self.store.price_readings,
            archive or self.store.archive,
            days=DAYS,
            newest_days=newest_days,
            cancelled=lambda: self.stop,
            wait=self.waited.append,
        )

    def collect(self) -> Snapshot:
        """Read and archive, as `pipeline.collect` does."""
        source = self.source()
        (snapshot,) = source.fetch({})
        self.store.archive.save(snapshot)
        source.archived()
        return snapshot

    def fail_at(self, *requests: int, answer: Answer = NOT_FOUND) -> None:
        self.server.before = lambda number: answer if number in requests else None

    @property
    def stored_pages(self) -> int:
        reading = self.store.price_readings.get(MARKET, "us-east-1")
        assert reading is not None
        return len(list(self.store.price_readings.pages(reading)))


def rows_between(region: Region) -> list[Row]:
    """The rows of the first window, with each pool's last one before it."""
    now_s = int(NOW.timestamp())
    return region.server._window(now_s - int(DAYS) * 86400, now_s)


def region_of(tmp_path: Path, name: str, **options: int) -> Region:
    path = tmp_path / name / "spotlab.db"
    server = PriceHistoryServer(history(), page_rows=PAGE_ROWS, **options)
    return Region(open_store(None, copy_to(path)), server)


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    made = region_of(tmp_path, "own")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    made = region_of(tmp_path_factory.mktemp("region"), "uninterrupted")
    yield made.collect()
    made.store.close()


@pytest.mark.parametrize("page", [1, 2, 14, 27])
def test_a_failed_page_is_where_the_next_reading_continues(
    region: Region, uninterrupted: Snapshot, page: int
) -> None:
    region.fail_at(page)
    with pytest.raises(AwsUnreachable):
        region.collect()
    assert region.stored_pages == page - 1
    snapshot = region.collect()
    assert_frame_equal(snapshot.rows, uninterrupted.rows)
    assert snapshot.digest == uninterrupted.digest
    again = region.server.rows_served - len(rows_between(region))
    assert 0 <= again <= PAGE_ROWS, "only rows of the same second are read again"
    assert region.stored_pages == 0


@pytest.mark.parametrize("seed", range(2))
def test_a_process_that_is_killed_at_a_random_page_loses_at_most_that_page(
    database: Database, uninterrupted: Snapshot, seed: int
) -> None:
    """kill -9 of a real process, while it waits for a page."""
    page = random.Random(f"{seed} {database.kind}").randrange(1, 27)
    server = PriceHistoryServer(history(), page_rows=PAGE_ROWS)
    with server.served() as url:
        process = price_reading.start(url, database.url, database.sqlite_path, NOW, DAYS)
        server.before = lambda number: kill(process.pid) if number == page else None
        process.communicate()
        server.before = None
        assert process.returncode == -signal.SIGKILL
        with database.opened() as store:
            reading = store.price_readings.get(MARKET, "us-east-1")
            assert reading is not None
            assert reading.pages == page - 1
            source = price_reading.source(url, store, NOW, DAYS)
            (snapshot,) = source.fetch({})
            store.archive.save(snapshot)
            source.archived()
            archived = store.archive.latest(FeedKind.PRICE_HISTORY, MARKET, "us-east-1")
    assert archived is not None
    assert archived.digest == uninterrupted.digest
    assert_frame_equal(archived.rows, uninterrupted.rows)


def kill(process_id: int) -> None:
    os.kill(process_id, signal.SIGKILL)


def test_a_process_killed_before_its_snapshot_is_archived_reads_nothing_again(
    region: Region, uninterrupted: Snapshot
) -> None:
    region.source().fetch({})
    pages = region.server.pages
    snapshot = region.collect()
    assert (region.server.pages, snapshot.digest) == (pages, uninterrupted.digest)


def test_a_process_killed_after_its_snapshot_is_archived_archives_it_once(region: Region) -> None:
    (snapshot,) = region.source().fetch({})
    region.store.archive.save(snapshot)
    again = region.collect()
    assert again.digest == snapshot.digest
    assert len(region.store.archive.infos()) == 1


def test_the_next_reading_requests_only_what_is_new(region: Region) -> None:
    first = region.collect()
    region.server.requests.clear()
    region.server.rows_served = 0
    region.clock.time += timedelta(hours=1)
    fresh = Row("us-east-1a", "m5.large", "0.9", int(NOW.timestamp()) + 60)
    region.server.publish([fresh])
    second = region.collect()
    newest = first.rows["event_time"].max().to_pydatetime()
    assert datetime.fromisoformat(region.server.requests[0]["StartTime"]) == newest - OVERLAP
    assert len(region.server.requests) == 1
    assert region.server.rows_served <= 30 + 10, "each pool's price at the start, and the new rows"
    assert 0.9 in set(second.rows["spot_price_usd_per_hour"])


def test_later_snapshots_together_have_every_change(region: Region) -> None:
    """Each covers seven days, so that one snapshot every three days suffices."""
    past = region.server.rows
    region.server.rows = []
    start = int(NOW.timestamp())
    later = [row._replace(epoch_s=row.epoch_s + 20 * 86400) for row in past]
    region.server.publish(row for row in later if row.epoch_s <= start)
    changes = set(region.collect().rows.itertuples(index=False, name=None))
    for _ in range(10):
        region.clock.time += timedelta(days=2)
        now_s = int(region.clock.time.timestamp())
        region.server.rows = []
        region.server.publish(row for row in later if row.epoch_s <= now_s)
        rows = region.collect().rows
        assert rows["event_time"].min() < region.clock.time - timedelta(days=7)
        changes |= set(rows.itertuples(index=False, name=None))
    other = region_of(Path(region.store.engine.url.database or "").parent, "whole")
    other.clock.time, other.server.rows = region.clock.time, []
    other.server.publish(later)
    whole = set(other.collect().rows.itertuples(index=False, name=None))
    other.store.close()
    assert whole <= changes


def test_a_price_published_late_is_found(region: Region) -> None:
    region.collect()
    late = Row("us-east-1a", "m5.large", "0.9", int(NOW.timestamp()) - 5 * 3600)
    region.server.publish([late])
    region.clock.time += timedelta(minutes=10)
    assert 0.9 in set(region.collect().rows["spot_price_usd_per_hour"])


def test_a_pool_that_is_no_longer_listed_is_not_in_the_next_snapshot(region: Region) -> None:
    region.collect()
    left = [row for row in region.server.rows if row.instance_type != "m5.large"]
    region.server.rows = []
    region.server.publish(left)
    region.clock.time += timedelta(minutes=10)
    assert "m5.large" not in set(region.collect().rows["instance_type"])


def test_a_resumed_reading_continues_up_to_now(region: Region) -> None:
    region.fail_at(9)
    with pytest.raises(AwsUnreachable):
        region.collect()
    region.clock.time += timedelta(hours=3)
    region.server.publish([Row("us-east-1a", "m5.large", "0.9", int(NOW.timestamp()) + 3600)])
    snapshot = region.collect()
    assert snapshot.origin.event_time == region.clock.time
    assert snapshot.rows["event_time"].max() == NOW + timedelta(hours=1)
    assert snapshot.rows["event_time"].min() <= NOW - timedelta(days=90)


def test_a_reading_interrupted_long_ago_begins_anew(region: Region) -> None:
    region.fail_at(9)
    with pytest.raises(AwsUnreachable):
        region.collect()
    region.clock.time += timedelta(days=8)
    region.server.before = None
    region.server.requests.clear()
    region.collect()
    since = datetime.fromisoformat(region.server.requests[0]["StartTime"])
    assert since == region.clock.time - timedelta(days=90)


def test_an_archive_that_lost_its_snapshots_is_read_whole_again(region: Region) -> None:
    first = region.collect()

    class Emptied:
        def latest(self, *_: object) -> None:
            return None

    (snapshot,) = region.source(Emptied()).fetch({})  # type: ignore[arg-type]
    assert snapshot.digest == first.digest


def test_an_expired_page_token_is_replaced_by_a_time(
    tmp_path: Path, uninterrupted: Snapshot
) -> None:
    region = region_of(tmp_path, "expiring")

    def expire(number: int) -> Answer | None:
        if number % 7 == 0:
            region.server.requests += [{}] * 3  # as if much time had passed
        return None

    region.server = PriceHistoryServer(
        history(), page_rows=PAGE_ROWS, before=expire, tokens_expire_after=2
    )
    snapshot = region.collect()
    region.store.close()
    assert snapshot.digest == uninterrupted.digest
    assert sum("NextToken" not in asked for asked in region.server.requests if asked) > 3


def test_rows_in_another_order_are_all_read_after_an_interruption(
    region: Region, uninterrupted: Snapshot
) -> None:
    """Resuming by time would lose rows if AWS returned them by pool."""
    in_order = region.server._window

    def by_pool(since: int, until: int) -> list[Row]:
        return sorted(in_order(since, until), key=lambda row: (row[:2], -row.epoch_s))

    region.server._window = by_pool  # type: ignore[method-assign]
    region.fail_at(9)
    with pytest.raises(AwsUnreachable):
        region.collect()
    assert region.collect().digest == uninterrupted.digest


def test_lasting_throttling_fails_and_the_next_reading_continues(
    region: Region, uninterrupted: Snapshot
) -> None:
    region.fail_at(*range(5, 12), answer=throttled())
    with pytest.raises(Throttled):
        region.collect()
    assert len(region.waited) == 6
    assert region.waited == sorted(region.waited)
    assert region.collect().digest == uninterrupted.digest


def test_a_cancelled_reading_ends_between_pages_and_continues_later(
    region: Region, uninterrupted: Snapshot
) -> None:
    def cancel(number: int) -> None:
        region.stop = number == 6

    region.server.before = cancel
    with pytest.raises(Cancelled, match="first 6 pages are stored"):
        region.collect()
    region.stop = False
    assert region.collect().digest == uninterrupted.digest
    assert region.server.pages <= len(set(region.server.rows)) // PAGE_ROWS + 3


def collected(region: Region, source: SpotPriceHistory) -> list[Snapshot]:
    """Read and archive the newest 30 days and then the whole, as `pipeline.collect` does."""
    snapshots: list[Snapshot] = []
    while not snapshots or source.unfinished:
        snapshots += source.fetch({})
        region.store.archive.save(snapshots[-1])
        source.archived()
    return snapshots


def test_the_newest_month_comes_first_and_then_the_whole(
    region: Region, uninterrupted: Snapshot
) -> None:
    newest, whole = collected(region, region.source(newest_days=30.0))
    times = uninterrupted.rows["event_time"]
    recent = set(uninterrupted.rows[times > NOW - timedelta(days=30)].itertuples(index=False))
    assert recent
    assert recent <= set(newest.rows.itertuples(index=False))
    assert len(newest.rows) < 0.5 * len(uninterrupted.rows)
    assert whole.digest == uninterrupted.digest
    latest = region.store.archive.latest(FeedKind.PRICE_HISTORY, MARKET, "us-east-1")
    assert latest is not None
    assert latest.digest == uninterrupted.digest
    again = region.server.rows_served - len(rows_between(region))
    assert 0 <= again <= PAGE_ROWS, "only rows of the same second are read again"


@pytest.mark.parametrize("page", [1, 5, 9, 10, 20, 27])
def test_a_reading_of_the_newest_month_may_fail_at_any_page(
    region: Region, uninterrupted: Snapshot, page: int
) -> None:
    region.fail_at(page)
    with pytest.raises(AwsUnreachable):
        collected(region, region.source(newest_days=30.0))
    newest, whole = collected(region, region.source(newest_days=30.0))
    assert newest.rows["event_time"].min() < NOW - timedelta(days=30), "what is there comes at once"
    assert whole.digest == uninterrupted.digest
    records = [info.records for info in region.store.archive.infos()]
    assert records == sorted({*records}, reverse=True), "newest first, nothing twice"
    assert records[:2] == [len(whole.rows), len(newest.rows)]


def test_two_processes_that_read_at_once_lose_nothing(
    region: Region, uninterrupted: Snapshot
) -> None:
    first, second = region.source(), region.source()
    finished: list[Snapshot] = []

    def second_finishes(number: int) -> None:
        if number == 5:
            region.server.before = None
            finished.extend(second.fetch({}))
            region.store.archive.save(finished[0])
            second.archived()

    region.server.before = second_finishes
    with pytest.raises(ChangedMeanwhile, match="Another process"):
        first.fetch({})
    assert finished[0].digest == uninterrupted.digest
    assert region.stored_pages == 0
