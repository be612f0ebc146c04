"""Features from the Spot Advisor: interruptions of a pool and of its neighbours.

Every feature here has FeedKind.ADVISOR as a source, so that training can exclude all of them if the
available snapshot is too old or too close to the label.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind
from spotlab.domain.risk import BUCKET_RATES
from spotlab.features.panel import Floats, Ints, Panel, mean_of_others, ratio, tally

_MIN_STEP_H: Final = 7 * 24.0
_ABSENT: Final = "NaN: the advisor does not list the type in the region"
_NO_PAST: Final = "NaN: no earlier snapshot lists the type in the region"


def _advisor(
    name: str,
    meaning: str,
    unit: str,
    low: float,
    high: float,
    missing: str = _ABSENT,
    others: tuple[FeedKind, ...] = (),
) -> Feature:
    return Feature(name, meaning, unit, (FeedKind.ADVISOR, *others), 86_400, missing, low, high)


FEATURES: Final = (
    _advisor(
        "family_stress_index",
        "½ · mean(bucket / 4) + ½ · mean(min(1, price_position)), each over the family's types in "
        "the region, if known. Types of a family share hosts, so a shortage of one is a shortage "
        "of all: the bucket shows how often instances were interrupted last month; the price "
        "position changes within hours.",
        "share",
        0,
        1,
        "NaN: no bucket, or no price position, in the family",
        (FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY, FeedKind.ON_DEMAND),
    ),
    _advisor(
        "historic_interrupt_rate",
        "Monthly interruption rate of the advisor's bucket: the middle of its range, or 0.25 for "
        "the open range '>20 %'.",
        "share",
        0,
        1,
    ),
    _advisor("advisor_bucket", "Interruption bucket of the trailing month, 0..4.", "1", 0, 4),
    _advisor(
        "advisor_savings",
        "Savings against on-demand, negative where spot costs more.",
        "%",
        -100,
        100,
    ),
    _advisor("advisor_age_h", "as_of − time of the advisor's snapshot.", "h", 0, 876_600),
    _advisor(
        "advisor_bucket_mean_past",
        "Mean bucket over the earlier snapshots.",
        "1",
        0,
        4,
        _NO_PAST,
    ),
    _advisor(
        "advisor_bucket_change",
        "Bucket − bucket in the newest snapshot that is at least 7 d older; snapshots of "
        "neighbouring days cover nearly the same month.",
        "1",
        -4,
        4,
        _NO_PAST,
    ),
    _advisor(
        "family_bucket_mean",
        "Mean bucket of the family's other types in the region.",
        "1",
        0,
        4,
        "NaN: no other type of the family listed in the region",
    ),
    _advisor(
        "region_bucket_mean",
        "Mean bucket of the region's other types.",
        "1",
        0,
        4,
        "NaN: no other type listed in the region",
    ),
    _advisor(
        "family_bucket_mean_elsewhere",
        "Mean bucket of the family's types in all other regions.",
        "1",
        0,
        4,
        "NaN: the family is listed in no other region",
    ),
    _advisor(
        "type_bucket_mean_elsewhere",
        "Mean bucket of the type in all other regions.",
        "1",
        0,
        4,
        "NaN: the type is listed in no other region",
    ),
)


def columns(panel: Panel) -> dict[str, Floats]:
    """Each feature of this module, (n,)."""
    advisor, past = panel.market.advisor, panel.market.advisor_past
    cells = panel.cells(advisor)
    found = dict(panel.unchanged(advisor, ("bucket", "savings_percent"), _of_snapshot))
    price = panel.at_pools(ratio(*_sums(panel, np.minimum(panel.position, 1.0))))
    interruption = found.pop("interruption")
    return {
        **found,
        "family_stress_index": 0.5 * interruption + 0.5 * price,
        "advisor_age_h": panel.at_pools(panel.matrix(cells, panel.age_h(advisor["event_time"]))),
        **panel.unchanged(past, ("bucket",), _mean_past),
        "advisor_bucket_change": found["advisor_bucket"]
        - panel.at_pools(_week_before(panel, cells)),
    }


def _of_snapshot(panel: Panel) -> dict[str, Floats]:
    """What depends on the newest snapshot alone; "interruption" is a part of the stress index."""
    advisor = panel.market.advisor
    cells = panel.cells(advisor)
    bucket = panel.matrix(cells, _buckets(advisor))
    matrices = {
        "interruption": ratio(*_sums(panel, bucket / 4.0)),
        "historic_interrupt_rate": _rates(bucket),
        "advisor_bucket": bucket,
        "advisor_savings": panel.matrix(cells, advisor["savings_percent"].to_numpy(np.float64)),
        **_neighbours(panel, bucket),
    }
    return {name: panel.at_pools(matrix) for name, matrix in matrices.items()}


def _buckets(frame: pd.DataFrame) -> Floats:
    return frame["bucket"].to_numpy(dtype=np.float64)


def _rates(bucket: Floats) -> Floats:
    known = np.isfinite(bucket)
    rates = np.array(BUCKET_RATES)[np.where(known, bucket, 0.0).astype(np.int64)]
    return np.where(known, rates, np.nan)


def _sums(panel: Panel, matrix: Floats) -> tuple[Floats, Floats]:
    """(R, T) sum over the type's family in the region, and the number of known values."""
    known = np.isfinite(matrix)
    total = panel.family_sum(np.where(known, matrix, 0.0))
    return total, panel.family_sum(known.astype(np.float64))


def _neighbours(panel: Panel, bucket: Floats) -> dict[str, Floats]:
    """Leave-one-out means: they exclude the pool's own bucket."""
    known = np.isfinite(bucket).astype(np.float64)
    value = np.where(known > 0.0, bucket, 0.0)
    family, listed = _sums(panel, bucket)
    return {
        "family_bucket_mean": mean_of_others(family, listed, bucket),
        "region_bucket_mean": mean_of_others(
            value.sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True), bucket
        ),
        "family_bucket_mean_elsewhere": ratio(
            family.sum(axis=0, keepdims=True) - family, listed.sum(axis=0, keepdims=True) - listed
        ),
        "type_bucket_mean_elsewhere": mean_of_others(
            value.sum(axis=0, keepdims=True), known.sum(axis=0, keepdims=True), bucket
        ),
    }


def _mean_past(panel: Panel) -> dict[str, Floats]:
    past = panel.market.advisor_past
    cells = panel.cells(past)
    listed = cells >= 0
    count = tally(cells[listed], panel.size)
    total = tally(cells[listed], panel.size, _buckets(past)[listed])
    means = ratio(total, count).reshape(panel.shape)
    return {"advisor_bucket_mean_past": panel.at_pools(means)}


def _week_before(panel: Panel, cells: Ints) -> Floats:
    """(R, T) bucket in the newest earlier snapshot that is at least a week older than the row."""
    past = panel.market.advisor_past
    if past.empty:
        return np.full(panel.shape, np.nan)
    now = panel.matrix(cells, panel.age_h(panel.market.advisor["event_time"])).ravel()
    past_cells, age = panel.cells(past), panel.age_h(past["event_time"])
    usable = (past_cells >= 0) & (age - np.append(now, np.nan)[past_cells] >= _MIN_STEP_H)
    oldest_first = np.argsort(-age[usable], kind="stable")
    before = np.full(len(now), np.nan)
    before[past_cells[usable][oldest_first]] = _buckets(past)[usable][oldest_first]
    return before.reshape(panel.shape)
