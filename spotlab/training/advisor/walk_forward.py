"""Walk-forward evaluation of the advisor recipe at short gaps.

The licensed data has no two advisor snapshots closer than 16 months. The snapshots of 2022 are
closer, but have no licence: they are not used to train a shipped model or to choose settings.

For each snapshot, the recipe is fitted on pairs of snapshots whose *label* was published by then,
and forecasts every later snapshot that is far enough away. So a tested label is always newer than
the training data, and its trailing month began after the features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import Snapshot
from spotlab.domain.risk import BUCKET_RATES
from spotlab.errors import NotAvailable
from spotlab.features.engine import compute
from spotlab.inference.calibration import HIGH_BUCKET
from spotlab.inference.calibrators import apply, sigmoid
from spotlab.training.advisor import recipe
from spotlab.training.advisor.booster import BoosterFitter, raw_score, scoring_matrix
from spotlab.training.advisor.datasets import (
    DATA_VARIABLE,
    Dataset,
    market_of_snapshots,
    pools_of,
    read_advisor,
    recorded_market,
    with_labels,
)
from spotlab.training.advisor.labels import TRAILING, high
from spotlab.training.advisor.nested_validation import validate
from spotlab.training.evaluation_report import assess
from spotlab.training.scores import auc, brier

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

MIN_GAP: Final = timedelta(days=30)
NEARLY_A_MONTH: Final = timedelta(days=29)
"""Includes the last pair of 2022, the only one whose fit had pairs of about a month."""
MODEL: Final = "recipe"
PERSISTENCE: Final = "persistence"
BASE_RATE: Final = "base_rate"


@dataclass(frozen=True, slots=True)
class PairForecasts:
    """Forecasts for one pair of snapshots, by a fit on data up to the first.

    Args:
        before, after: dates of the features and of the label.
        trained_pairs: number of earlier pairs that the fit was trained on.
        bucket: (n,) bucket at `before`.
        outcome: (n,) 1 if the bucket at `after` is at least 3, else 0.
        families: (n,) family of each row; intervals draw whole families.
        forecasts: (n,) probabilities by forecaster: the recipe, persistence, the base rate.
    """

    before: datetime
    after: datetime
    trained_pairs: int
    bucket: FloatArray
    outcome: FloatArray
    families: tuple[str, ...]
    forecasts: Mapping[str, FloatArray]


def walk_forward(
    folder: Path,
    *,
    min_gap: timedelta = MIN_GAP,
    seed: int = 7,
    step: Callable[[str], None] = lambda _text: None,
) -> Document:
    """Train the recipe on earlier advisor snapshots of 2022 and test it on later ones.

    Args:
        folder: recorded data, with its evaluation-only part.
        min_gap: between the snapshots of a pair. Files are dated by the day of their commit, which
            is the day of the fetch or a later one. If the gap is less than a month, the result says
            how many days of the label's trailing month the features may know.
        seed: of the fits and of the intervals, which draw whole families.
        step: called at the start of each step; may raise Cancelled.
    Returns:
        `{label, split, pairs: [{before, after, gap_days, trained_pairs, rows, base_rate, ...}],
        days_of_label_known, "all": G, "bucket < 3 before": G, "newest": G, "newest, bucket < 3
        before": G}`, where G is a document of `evaluation_report.assess` with the baselines
        `persistence` (shares after each bucket in the training rows) and `base_rate`. "newest" are
        the forecasts from the last snapshot that has any, by the fit with the most pairs.
    Raises:
        NotAvailable: there are no evaluation-only snapshots, or too few.
    """
    overlap = max(TRAILING + timedelta(days=1) - min_gap, timedelta(0))
    snapshots = _snapshots(folder)
    specs = recorded_market(folder, recipe.AS_OF).specs
    frames = {
        day: compute(market_of_snapshots([each], specs), pools_of(each))
        for day, each in snapshots.items()
    }
    pairs = {
        (before, after): with_labels(frames[before], snapshots[after], overlap)
        for before in snapshots
        for after in snapshots
        if after - before >= min_gap
    }
    tested = []
    for now in snapshots:
        known = [data for (_, after), data in pairs.items() if after <= now]
        later = {after: data for (before, after), data in pairs.items() if before == now}
        if known and later:
            step(f"Walking forward: fitted until {now:%Y-%m-%d}")
            tested += _forecast(concatenated(known), len(known), now, later, seed)
    if not tested:
        raise NotAvailable(
            f"No advisor snapshot has both an earlier and a later pair {min_gap.days} days apart.",
            remedy="Add more snapshots to evaluation-only/advisor.",
        )
    newest = [each for each in tested if each.before == tested[-1].before]
    return {
        "label": "advisor bucket of a later snapshot is 3 or 4: over 15 % interrupted in a month",
        "split": f"walk forward, snapshots at least {min_gap.days} days apart; fitted on pairs "
        "whose label was published by the day of the forecast; intervals draw families",
        "days_of_label_known": max((TRAILING - min_gap).days, 0),
        "pairs": [_pair_document(each) for each in tested],
        "all": _assessed(tested, False, seed),
        "bucket < 3 before": _assessed(tested, True, seed),
        "newest": _assessed(newest, False, seed),
        "newest, bucket < 3 before": _assessed(newest, True, seed),
    }


def concatenated(datasets: Sequence[Dataset]) -> Dataset:
    """The concatenated rows of several data sets, as of the newest."""
    newest = max(datasets, key=lambda part: part.frame.as_of).frame
    return Dataset(
        frame=FeatureFrame(
            newest.as_of,
            tuple(pool for part in datasets for pool in part.frame.pools),
            newest.names,
            np.concatenate([part.frame.values for part in datasets]),
        ),
        bucket=np.concatenate([part.bucket for part in datasets]),
        families=tuple(family for part in datasets for family in part.families),
        label_at=max(part.label_at for part in datasets),
    )


def _snapshots(folder: Path) -> dict[datetime, Snapshot]:
    files = sorted((folder / "evaluation-only" / "advisor").glob("*.json.gz"))
    if not files:
        raise NotAvailable(
            "The advisor snapshots of 2022 are not available: evaluation-only/advisor is missing.",
            remedy=f"Set {DATA_VARIABLE} to the folder of recorded data.",
        )
    read = [read_advisor(path) for path in files]
    return {snapshot.origin.event_time: snapshot for snapshot in read}


def _forecast(
    known: Dataset, pairs: int, now: datetime, later: Mapping[datetime, Dataset], seed: int
) -> list[PairForecasts]:
    """Forecasts for every later snapshot, by the recipe fitted on `known`."""
    candidate = recipe.CANDIDATES[0]
    fitter = BoosterFitter(known, rounds=recipe.ROUNDS, seed=seed)
    validated = validate(fitter, candidate, fitter.rows)
    booster = fitter.fit(candidate, fitter.rows, validated.rounds)
    outcome = high(known.bucket)
    shares = _share_after_each_bucket(known.frame.column(recipe.BUCKET), outcome)
    tested = []
    for after, data in later.items():
        bucket = data.frame.column(recipe.BUCKET)
        score = raw_score(booster, scoring_matrix(data))
        tested.append(
            PairForecasts(
                before=now,
                after=after,
                trained_pairs=pairs,
                bucket=bucket,
                outcome=high(data.bucket),
                families=data.families,
                forecasts={
                    MODEL: sigmoid(apply(validated.high_bucket.calibrator, score)),
                    PERSISTENCE: shares[bucket.astype(np.intp)],
                    BASE_RATE: np.full(len(bucket), float(outcome.mean())),
                },
            )
        )
    return tested


def _share_after_each_bucket(bucket: FloatArray, outcome: FloatArray) -> FloatArray:
    """(5,) share of high buckets after each bucket."""
    level = bucket.astype(np.intp)
    count = np.bincount(level, minlength=len(BUCKET_RATES))
    return np.asarray(
        np.bincount(level, weights=outcome, minlength=len(BUCKET_RATES)) / np.maximum(count, 1)
    )


def _pair_document(pair: PairForecasts) -> Document:
    return {
        "before": f"{pair.before:%Y-%m-%d}",
        "after": f"{pair.after:%Y-%m-%d}",
        "gap_days": (pair.after - pair.before).days,
        "trained_pairs": pair.trained_pairs,
        "rows": len(pair.outcome),
        "base_rate": float(pair.outcome.mean()),
        **{
            name: {"auc": auc(pair.outcome, forecast), "brier": brier(pair.outcome, forecast)}
            for name, forecast in pair.forecasts.items()
            if name != BASE_RATE
        },
    }


def _assessed(tested: Sequence[PairForecasts], low_only: bool, seed: int) -> Document:
    """The evaluation of all pairs together."""
    masks = [
        each.bucket < HIGH_BUCKET if low_only else np.ones(len(each.bucket), dtype=bool)
        for each in tested
    ]
    masked = list(zip(tested, masks, strict=True))
    forecasts = {
        name: np.concatenate([each.forecasts[name][rows] for each, rows in masked])
        for name in (MODEL, PERSISTENCE, BASE_RATE)
    }
    return assess(
        np.concatenate([each.outcome[rows] for each, rows in masked]),
        forecasts.pop(MODEL),
        np.concatenate([np.array(each.families)[rows] for each, rows in masked]),
        forecasts,
        seed=seed,
    )
