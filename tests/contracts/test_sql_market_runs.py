"""The markets of runs are stored once, read exactly, and deleted when nothing refers to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import delete, func, select

from spotlab.domain.decision import RunReference
from spotlab.domain.interruptions import OwnRecord, Record
from spotlab.domain.market import MarketData, Pool
from spotlab.errors import NotFound
from spotlab.features.canonical_tables import tidy
from spotlab.store import Store
from spotlab.store.engine import reading, writing
from spotlab.store.frame_codec import unpack_frame
from spotlab.store.market_parts import TABLES, split
from spotlab.store.market_runs import UNUSED_AFTER, RecordedScores
from spotlab.store.retention import SqlRetention
from spotlab.store.retention_rules import RULES
from spotlab.store.tables.core import ExperimentRow
from spotlab.store.tables.market_runs import MarketBlobRow, MarketRunRow, MarketScoreRow
from tests.support import builders as make
from tests.support.market import NOW, market_data
from tests.support.racing import call_concurrently

HERE = Pool("us-east-1", "us-east-1a", "m6i.large")
OWN = OwnRecord({HERE: Record(2, 310.1 + 0.2)})
PRICES: dict[tuple[str, str | None], float] = {
    ("m6i.large", "us-east-1a"): 0.1 + 0.2,
    ("m6a.large", None): 0.034,
}
LATER = NOW + UNUSED_AFTER + timedelta(hours=1)


def market(price: float = 0.1 + 0.2) -> MarketData:
    """With a price history of three days, in canonical form."""
    data = market_data({**PRICES, ("m6i.large", "us-east-1a"): price})
    points = [
        data.prices.assign(event_time=NOW - timedelta(hours=7 * step)) for step in range(10, 0, -1)
    ]
    return replace(data, price_history=tidy("price_history", pd.concat(points)))


def rows(store: Store, table: type) -> int:
    with reading(store.engine) as session:
        return int(
            session.connection().execute(select(func.count()).select_from(table)).scalar_one()
        )


def test_a_market_is_read_exactly_as_it_was_saved(store: Store) -> None:
    data = market().with_degraded("a feed failed")
    read, own = store.market_runs.read(store.market_runs.save(data, OWN, NOW))
    for name in TABLES:
        assert_frame_equal(getattr(read, name), getattr(data, name).reset_index(drop=True))
    assert (read.market, read.as_of, read.degraded) == (data.market, data.as_of, data.degraded)
    assert (read.origins, own) == (data.origins, OWN)


def test_an_unchanged_market_is_not_written_again(store: Store) -> None:
    first = store.market_runs.save(market(), OWN, NOW)
    parts = rows(store, MarketBlobRow)
    assert store.market_runs.save(market(), OWN, NOW + timedelta(minutes=15)) == first
    assert (rows(store, MarketRunRow), rows(store, MarketBlobRow)) == (1, parts)


def test_of_a_market_whose_prices_changed_only_the_prices_are_written(store: Store) -> None:
    first, second = market(), market(0.05)
    second = replace(second, price_history=first.price_history)
    store.market_runs.save(first, OWN, NOW)
    parts = rows(store, MarketBlobRow)
    run_id = store.market_runs.save(second, OWN, NOW)
    assert rows(store, MarketBlobRow) == parts + 1
    assert_frame_equal(store.market_runs.read(run_id)[0].prices, second.prices)


def test_new_points_of_the_history_leave_the_parts_of_earlier_days_alone() -> None:
    data = market()
    longer = pd.concat([data.price_history, data.prices.assign(event_time=NOW)])
    before = {part.digest for part in split("price_history", data.price_history, NOW)}
    after = {part.digest for part in split("price_history", tidy("price_history", longer), NOW)}
    assert len(after - before) == 1
    assert before - after <= before
    assert len(before & after) >= len(before) - 1


def test_a_part_is_known_by_its_own_rows_alone() -> None:
    history = market().price_history
    zones = history["availability_zone"].where(history["instance_type"] != "m6a.large")
    for table in (history, history.assign(availability_zone=zones)):
        parts = split("price_history", tidy("price_history", table), NOW)
        assert len(parts) > 2
        for part in parts:
            (alone,) = split("rows", unpack_frame(part.payload()), NOW)
            assert part.digest == alone.digest


def test_a_history_in_another_order_is_kept_in_that_order(store: Store) -> None:
    data = market()
    data = replace(data, price_history=data.price_history.iloc[::-1].reset_index(drop=True))
    read, _ = store.market_runs.read(store.market_runs.save(data, OWN, NOW))
    assert_frame_equal(read.price_history, data.price_history)


def test_hazards_are_read_bit_for_bit(store: Store) -> None:
    run_id = store.market_runs.save(market(), OWN, NOW)
    hazard = np.array([0.1 + 0.2, np.nan, 5e-324, -0.0])
    scores = RecordedScores("bucket@1", hazard, ("a", "b"), "abc")
    for _ in range(2):
        store.market_runs.save_scores(run_id, scores, NOW)
    read = store.market_runs.scores(run_id, "bucket@1")
    assert read.hazard_per_hour.tobytes() == hazard.tobytes()
    assert (read.feature_names, read.features_digest) == (("a", "b"), "abc")
    with pytest.raises(NotFound, match="The prediction of other@1 for this decision"):
        store.market_runs.scores(run_id, "other@1")


def test_processes_that_save_the_same_market_at_once_share_it(store: Store) -> None:
    ids = call_concurrently([lambda: store.market_runs.save(market(), OWN, NOW)] * 4)
    assert len(set(ids)) == 1
    assert rows(store, MarketRunRow) == 1


def sweep(store: Store, now: datetime) -> int:
    """Delete runs and parts that nothing refers to; returns the number of runs."""
    (rule,) = [each for each in RULES if each.row is MarketRunRow]
    retention = SqlRetention(store.engine)
    deleted = 0
    while count := retention.delete_batch(rule, now, now):
        deleted += count
    unused = store.market_runs.unused_blobs(now)
    store.market_runs.delete_blobs(unused, now)
    return deleted


def refer(store: Store, run_id: int) -> None:
    """Record a decision that was made on a run's market."""
    made = make.experiment(candidates=(), run=RunReference(run_id, 3, "abc"))
    store.ledger.record(made)


def test_what_a_decision_refers_to_stays_and_the_rest_goes(store: Store) -> None:
    used = store.market_runs.save(market(), OWN, NOW)
    unused = store.market_runs.save(market(0.05), OWN, NOW)
    for run_id in (used, unused):
        scores = RecordedScores("bucket@1", np.array([float(run_id)]), (), "")
        store.market_runs.save_scores(run_id, scores, NOW)
    refer(store, used)

    assert sweep(store, NOW + timedelta(hours=1)) == 0, "a run may still be deciding"
    assert sweep(store, LATER) == 1

    assert_frame_equal(store.market_runs.read(used)[0].prices, market().prices)
    assert store.market_runs.scores(used, "bucket@1").hazard_per_hour.tolist() == [float(used)]
    with pytest.raises(NotFound, match="The market of this decision is no longer"):
        store.market_runs.read(unused)
    assert rows(store, MarketScoreRow) == 1

    with writing(store.engine) as session:
        session.connection().execute(delete(ExperimentRow))
    assert sweep(store, LATER) == 1
    assert [rows(store, table) for table in (MarketRunRow, MarketScoreRow, MarketBlobRow)] == [
        0
    ] * 3


def test_parts_without_a_run_as_a_crash_leaves_them_are_swept(store: Store) -> None:
    used = store.market_runs.save(market(), OWN, NOW)
    refer(store, used)
    with writing(store.engine) as session:
        session.add(MarketBlobRow(digest="left by a crash", used_at=NOW, payload=b"x"))
    assert store.market_runs.unused_blobs(NOW + timedelta(hours=1)) == []
    assert store.market_runs.unused_blobs(LATER) == ["left by a crash"]


def test_a_part_that_is_used_again_meanwhile_is_not_deleted(store: Store) -> None:
    with writing(store.engine) as session:
        session.connection().execute(delete(MarketBlobRow))
    (part,) = split("specs", market().specs, NOW)
    with writing(store.engine) as session:
        session.add(MarketBlobRow(digest=part.digest, used_at=NOW, payload=part.payload()))
    unused = store.market_runs.unused_blobs(LATER)
    assert unused == [part.digest]
    run_id = store.market_runs.save(market(), OWN, LATER)
    assert store.market_runs.delete_blobs(unused, LATER) == 0
    assert_frame_equal(store.market_runs.read(run_id)[0].specs, market().specs)
