"""Online forecasts of advisor buckets: the model and simple rules, weighted by earlier snapshots.

Each pair of known snapshots that are over a month apart is a test, then a lesson: the earlier one
was forecast from, and its outcomes became known when the later one was published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.domain.market import LINUX, FeedKind, Pool, Snapshot
from spotlab.errors import InvalidInput
from spotlab.inference.calibration import HIGH_BUCKET
from spotlab.inference.online.delayed_stream import Stream, test_then_train
from spotlab.inference.online.forecaster import OnlineForecaster
from spotlab.inference.online.nodes import NodeTree, Place
from spotlab.training.advisor.datasets import Dataset
from spotlab.training.advisor.labels import TRAILING, high
from spotlab.training.evaluation_report import MODEL

FloatArray = NDArray[np.float64]

BUCKET: Final = "advisor_bucket"
AGE: Final = "advisor_age_h"
MONTH_H: Final = TRAILING.total_seconds() / 3600.0
EXPERTS: Final = ("model of the month", MODEL, "persistence", "pool_rate", "base_rate")
"""The first is the model as of the beginning of the label's month; it is trusted at first."""
PRIOR: Final = (0.8, 0.05, 0.05, 0.05, 0.05)
RECALIBRATED: Final = (EXPERTS[0], MODEL, "pool_rate")


class BucketModel(Protocol):
    """A model that forecasts the next advisor bucket."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of its matrix."""
        ...

    def high_bucket_probability(self, matrix: Matrix) -> FloatArray:
        """P(next bucket >= 3) of each row; NaN for a rejected row."""
        ...


class Pairing(Protocol):
    """Rows of pools that an earlier snapshot lists, with their bucket in a later one."""

    def __call__(
        self, known: Sequence[Snapshot], prices: Sequence[Snapshot], later: Snapshot
    ) -> Dataset: ...


@dataclass(frozen=True, slots=True)
class OnlinePair:
    """Online forecasts of a pair of snapshots.

    Args:
        probability: (n,) P(later bucket >= 3).
        lessons: number of earlier pairs that were learnt from.
        forecaster: as it is after the last lesson.
    """

    probability: FloatArray
    lessons: int
    forecaster: OnlineForecaster


def online_pair(
    model: BucketModel,
    known: Sequence[Snapshot],
    prices: Sequence[Snapshot],
    later: Snapshot,
    pairing: Pairing,
) -> OnlinePair:
    """Forecast the buckets of a later snapshot online.

    Args:
        model: the frozen model.
        known: earlier advisor snapshots, and the specifications from the same files.
        prices: spot prices.
        later: the label's snapshot.
        pairing: joins snapshots to rows.
    Raises:
        InvalidInput: as `pairing`, for the last pair.
    """
    advisor = sorted(
        (each for each in known if each.kind is FeedKind.ADVISOR),
        key=lambda each: each.origin.event_time,
    )
    parts = _lessons(advisor, known, prices, pairing)
    parts.append((advisor[-1], pairing(known, prices, later)))
    tree = NodeTree.of(_places([data for _, data in parts]), [MONTH_H])
    number = {name: row for row, name in enumerate(_names(tree))}
    forecaster = OnlineForecaster(tree, EXPERTS, RECALIBRATED, PRIOR)
    pool = np.array(
        [number[_pool_name(pool)] for _, data in parts for pool in data.frame.pools], dtype=np.intp
    )
    sizes = [len(data.bucket) for _, data in parts]
    asked = slice(len(pool) - sizes[-1], None)
    made = test_then_train(
        forecaster,
        Stream(
            at_h=np.repeat([_hours(data.frame.as_of) for _, data in parts], sizes),
            known_h=np.repeat([_hours(data.label_at) for _, data in parts], sizes),
            nodes=tree.rows(pool, np.full(len(pool), MONTH_H)),
            experts=np.vstack(
                [_experts(model, before, data, advisor, parts) for before, data in parts]
            ),
            outcome=np.concatenate([high(data.bucket) for _, data in parts]),
            share=np.repeat(_shares([data.label_at for _, data in parts]), sizes),
        ),
    )
    return OnlinePair(made.probability[asked], len(parts) - 1, forecaster)


def _lessons(
    advisor: Sequence[Snapshot],
    known: Sequence[Snapshot],
    prices: Sequence[Snapshot],
    pairing: Pairing,
) -> list[tuple[Snapshot, Dataset]]:
    """Pairs of known snapshots, each with its rows as they were known at the earlier one."""
    lessons = []
    for before in advisor:
        until = before.origin.event_time
        past = [each for each in known if each.origin.event_time <= until]
        past_prices = [each for each in prices if each.origin.event_time <= until]
        for after in advisor:
            if after.origin.event_time - until <= TRAILING:
                continue
            try:
                lessons.append((before, pairing(past, past_prices, after)))
            except InvalidInput:
                continue  # They list no region and type in common: nothing to learn from.
    return lessons


def _shares(label_at: Sequence[datetime]) -> FloatArray:
    """(m,) part of a month of outcomes that each pair adds.

    Pairs with the same later snapshot share its outcomes, and later snapshots less than a month
    apart share part of their months.
    """
    days = sorted(set(label_at))
    new = {days[0]: 1.0} | {
        day: min((day - earlier) / TRAILING, 1.0) for earlier, day in pairwise(days)
    }
    count = Counter(label_at)
    return np.array([new[day] / count[day] for day in label_at])


def _experts(
    model: BucketModel,
    before: Snapshot,
    data: Dataset,
    advisor: Sequence[Snapshot],
    parts: Sequence[tuple[Snapshot, Dataset]],
) -> FloatArray:
    """(n, k) forecasts of EXPERTS with what was known when the rows were forecast."""
    matrix = data.frame.select(model.feature_names)
    of_the_month = matrix.copy()
    if AGE in model.feature_names:
        gap_h = _hours(data.label_at) - _hours(before.origin.event_time)
        of_the_month[:, model.feature_names.index(AGE)] = gap_h - MONTH_H
    bucket = data.frame.column(BUCKET)
    known = [each for _, each in parts if each.label_at <= data.frame.as_of]
    base_rate = float(high(bucket[~np.isnan(bucket)]).mean())
    by_name = {
        EXPERTS[0]: model.high_bucket_probability(of_the_month),
        MODEL: model.high_bucket_probability(matrix),
        "persistence": _share_after_bucket(known, bucket),
        "pool_rate": _pool_rate(advisor, before.origin.event_time, data, base_rate),
        "base_rate": np.full(len(bucket), base_rate),
    }
    return np.column_stack([by_name[name] for name in EXPERTS])


def _share_after_bucket(known: Sequence[Dataset], bucket: FloatArray) -> FloatArray:
    """(n,) share of high buckets after each bucket in earlier pairs; NaN where there was none."""
    share = np.full(len(bucket), np.nan)
    if known:
        earlier = np.concatenate([data.frame.column(BUCKET) for data in known])
        outcome = np.concatenate([high(data.bucket) for data in known])
        for level in np.unique(earlier[~np.isnan(earlier)]):
            share[bucket == level] = outcome[earlier == level].mean()
    return share


def _pool_rate(
    advisor: Sequence[Snapshot], until: datetime, data: Dataset, base_rate: float
) -> FloatArray:
    """(n,) share of the snapshots until then in which the pool's bucket was high.

    The base rate counts as one more snapshot.
    """
    total: dict[tuple[str, str], float] = {}
    count: dict[tuple[str, str], int] = {}
    for snapshot in advisor:
        if snapshot.origin.event_time > until:
            continue
        linux = snapshot.rows[snapshot.rows["operating_system"] == LINUX]
        is_high = (linux["bucket"].to_numpy(dtype=np.float64) >= HIGH_BUCKET).tolist()
        for key, found in zip(
            zip(linux["region"], linux["instance_type"], strict=True), is_high, strict=True
        ):
            total[key] = total.get(key, 0.0) + found
            count[key] = count.get(key, 0) + 1
    keys = [(pool.region, pool.instance_type) for pool in data.frame.pools]
    return np.array([(total.get(key, 0.0) + base_rate) / (count.get(key, 0) + 1) for key in keys])


def _places(parts: Sequence[Dataset]) -> list[Place]:
    places: Mapping[str, Place] = {
        _pool_name(pool): Place(pool.region, family, _pool_name(pool))
        for data in parts
        for pool, family in zip(data.frame.pools, data.families, strict=True)
    }
    return list(places.values())


def _names(tree: NodeTree) -> list[str]:
    return [tree.names[node].removeprefix("pool ") for node in tree.of_pool[:, -1]]


def _pool_name(pool: Pool) -> str:
    return f"{pool.region} {pool.instance_type}"


def _hours(at: datetime) -> float:
    return at.timestamp() / 3600.0
