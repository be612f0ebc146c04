"""Bytes of a recorded decision and milliseconds of its replay, compared with the former ways.

    python -m benchmarks ledger [--runs=96] [--data=../shared/data]

The demo fleet of 24 instances is evaluated again and again: on the recorded market, which does not
change, and on the simulated market, whose prices change in every run of 15 minutes. Everything that
the database grows by is counted. The peer of the size is the former format, which stored every
candidate of every decision; that of a replay is scoring the market and deciding again. Ratios are
comparable between machines; milliseconds are not.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from benchmarks._recorded import FILES
from spotlab.aws.feeds import FileFeed
from spotlab.demo.catalogue import POOLS
from spotlab.demo.market import Market
from spotlab.domain.market import FeedKind, MarketData
from spotlab.features.canonical_tables import tidy
from spotlab.pipeline import replay
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.recorded_candidates import recorded_candidates
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings, load
from spotlab.store import candidate_codec

ON_REQUEST = True
STEP = timedelta(minutes=15)
DAYS = timedelta(days=31)


class SteppingClock:
    """A clock that moves only when it is told to."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The time it was set to."""
        return self.at


def size(lab: Lab) -> int:
    """Bytes of the database, without what its write-ahead log repeats."""
    return int(lab.store.describe()["size_bytes"])


def changing_market(data: MarketData, at: datetime) -> MarketData:
    """The simulated market at a time: its prices and their history follow its seed."""
    market = Market(7)
    points = market.history(at - DAYS, at)
    pools = pd.DataFrame(
        [(pool.region.name, pool.zone, "Linux", pool.spec.name) for pool in POOLS],
        columns=["region", "availability_zone", "operating_system", "instance_type"],
    )
    history = pools.iloc[points.pool].assign(
        event_time=pd.to_datetime(points.epoch_s, unit="s", utc=True),
        spot_price_usd_per_hour=points.usd_per_hour,
    )
    history = tidy("price_history", history)
    newest = history.drop_duplicates(list(pools.columns), keep="last")
    return replace(
        data, as_of=at, prices=tidy("prices", newest), price_history=history.reset_index(drop=True)
    )


def markets(data: MarketData, clock: SteppingClock) -> Iterator[MarketData]:
    """The changing market at the clock's time, again and again."""
    while True:
        yield changing_market(data, clock.now())


def record(lab: Lab, clock: SteppingClock, runs: int) -> float:
    """Evaluate the fleet again and again; bytes that the database grew by, a decision."""
    evaluate_instances(lab)  # tables, indexes and first-time entries are not counted
    before, decisions = size(lab), 0
    for _ in range(runs):
        clock.at += STEP
        decisions += len(evaluate_instances(lab))
    return (size(lab) - before) / decisions


def former_bytes(lab: Lab) -> float:
    """Mean bytes of the candidates of the newest decisions, as they were stored before."""
    sizes = []
    for each in lab.store.ledger.list(limit=24):
        experiment = lab.store.ledger.get(each.experiment_id)
        scored = replay.with_features(lab.store, replay.restored(lab.store, experiment), experiment)
        opened = replay.opened(experiment, scored)
        packed = candidate_codec.pack(opened.candidates, opened.verdict, opened.feature_names)
        sizes.append(len(packed))
    return float(np.mean(sizes))


def replay_ms(lab: Lab) -> tuple[float, float, float, int]:
    """Medians over the newest decisions: replay, reading its market, and deciding from scratch.

    Returns:
        Milliseconds of each, and the number of decisions that were not identical.
    """
    replayed, read, anew, different = [], [], [], 0
    model = lab.model()
    for each in lab.store.ledger.list(limit=24):
        started = time.perf_counter()
        experiment = lab.store.ledger.get(each.experiment_id)
        scored = replay.restored(lab.store, experiment)
        restored = time.perf_counter()
        again = replay.replay(experiment, scored)
        different += bool(replay.differences(experiment, again))
        ended = time.perf_counter()
        read.append(restored - started)
        replayed.append(ended - restored)
        assert experiment.run is not None
        data, own = lab.store.market_runs.read(experiment.run.run_id)
        started = time.perf_counter()
        evaluation = Evaluation(score_market(data, model, Tracer(), own), experiment.policy)
        decided = evaluate(experiment.instance, evaluation, None, experiment.created_at)
        if decided.ranking is not None:
            recorded_candidates(decided.ranking, decided.experiment.verdict)
        anew.append(time.perf_counter() - started)
    return (*(1e3 * float(np.median(times)) for times in (replayed, read, anew)), different)


def lab_in(folder: Path, clock: SteppingClock) -> Lab:
    """A lab with the demo fleet in an empty home."""
    settings: Settings = load(home=folder, market="simulated")
    return bootstrap(settings, clock=clock)


def report(name: str, lab: Lab, bytes_each: float) -> None:
    """Print the figures of one market."""
    former = former_bytes(lab)
    replayed, read, anew, different = replay_ms(lab)
    print(
        f"  {name:30s} {bytes_each:7.0f} bytes a decision, {former / bytes_each:5.1f} × smaller "
        f"than its candidates alone ({former:,.0f})"
    )
    print(
        f"  {'':30s} replay {replayed:6.1f} ms (its market read first: {read:6.1f} ms more), "
        f"{anew / replayed:5.1f} × faster than deciding from scratch; {different} differ"
    )


def main(runs: str = "96", data: str = "") -> None:
    """Print bytes, milliseconds and ratios."""
    shared = Path(data or os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data"))
    with ExitStack() as stack:
        clock = SteppingClock(datetime.now(UTC))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lab = stack.enter_context(lab_in(folder, clock))
        lab.collect_if_stale()
        live = lab.market()
        stack.enter_context(patch.object(Lab, "market_is_stale", lambda _lab: False))
        changing = markets(live, clock)
        print(f"24 instances × {runs} runs, everything that the database grows by")
        with patch.object(Lab, "market", lambda _lab: next(changing)):
            report(
                f"simulated, {len(live.prices):,} pools, changing",
                lab,
                record(lab, clock, int(runs)),
            )
        if not (shared / FILES[FeedKind.ADVISOR]).exists():
            print(f"  recorded market: no data in {shared}")
            return
        files = [FileFeed(shared / path, kind, clock=clock) for kind, path in FILES.items()]
        lab.collect(files=files)
        pools = len(lab.market().prices)
        report(f"recorded, {pools:,} pools", lab, record(lab, clock, int(runs)))


if __name__ == "__main__":
    main()
