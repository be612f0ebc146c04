"""The simple rule of the advisor task as a model: the last bucket, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from spotlab.domain.risk import BUCKET_RATES
from spotlab.features.views import feature
from spotlab.inference.adapters import RuleRisk
from spotlab.inference.calibrators import Isotonic, Logistic, logit
from spotlab.inference.card import CARD_FORMAT, RULE, Calibration, FeatureSpec, parse_card
from spotlab.inference.rules import RULE_FORMAT, Table
from spotlab.training.advisor import recipe
from spotlab.training.advisor.booster import last_bucket_forecast
from spotlab.training.advisor.card import FORMULA, LABEL, SOURCES, persistence
from spotlab.training.advisor.card_metrics import (
    level_by_snapshot,
    metrics,
    rounded,
    scores_on_unseen_snapshots,
)
from spotlab.training.advisor.datasets import Dataset, dataset
from spotlab.training.advisor.labels import high, rate_position
from spotlab.training.advisor.splits import GroupSplit
from spotlab.training.advisor.training import SPLIT, AdvisorReport
from spotlab.training.saved_version import counted_steps, save_version

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

NAME: Final = "advisor-persistence"
VERSION: Final = "1.0.0"
MODEL_FILE: Final = "rule.json"
SUMMARY: Final = (
    "A rule to be beaten: the Spot Advisor's last bucket of the region and type. The monthly "
    "interruption rate and P(bucket >= 3) are what followed each bucket, and for a fresh bucket "
    "mostly the bucket itself."
)
LIMITS: Final = [
    "It is a baseline: it ranks all pools of a bucket alike, and all zones of a region.",
    "It knows nothing of prices, families or hardware. Where a type has no bucket it answers with "
    "the share of such types.",
    "It is explained by its one feature and that feature's age; a rule has no SHAP values, and "
    "needs none: the contribution is the difference to an unknown bucket.",
    "It was counted on one pair of snapshots, 14 months apart: see the limits of advisor-lgbm.",
]


def train_rule(
    data_dir: Path,
    out_dir: Path,
    *,
    seed: int,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    version: str | None = None,
    split: GroupSplit = SPLIT,
) -> AdvisorReport:
    """Count the rule's shares on the rows of the shipped model and write it as an artefact.

    It is measured like the shipped model: on the same rows and folds, with the same intervals.

    Args:
        data_dir, out_dir, seed, progress, cancelled, version, split: as for `training.train`.
    Raises:
        NotAvailable: the data is missing.
        InvalidInput: the version exists with other content.
        Cancelled: nothing was written.
    """
    step = counted_steps(progress, cancelled, 4)
    step("Reading the recorded market and computing features")
    data = dataset(data_dir, recipe.AS_OF, recipe.LABEL_AT)
    step("Counting the shares after each bucket")
    rule, calibration = fit(data)
    model = msgspec.json.format(msgspec.json.encode(rule), indent=1) + b"\n"
    forecast = last_bucket_forecast(data, split.folds)
    measured = rounded({"metrics": _own_metrics(metrics(data, forecast, forecast, seed))})

    def make_card(version: str, tests: Document) -> bytes:
        return _card(data, rule, calibration, version, split, seed, measured | tests)

    step("Testing on the snapshots of 2022")
    draft = RuleRisk(parse_card(make_card("draft", {})), model, digest="")
    tests = rounded(
        {
            "level_where_the_advisor_is_fresh": level_by_snapshot(draft, data_dir),
            "tests_on_data_never_trained_on": scores_on_unseen_snapshots(draft, data_dir),
        }
    )
    step("Writing the artefact")
    folder, new = save_version(
        out_dir, NAME, VERSION, model, lambda version: make_card(version, tests), version
    )
    return AdvisorReport(
        NAME, folder.name, folder, new, len(data.bucket), str(split), measured | tests
    )


def fit(data: Dataset) -> tuple[Table, Calibration]:
    """Share of high buckets after each bucket as log-odds, and the mean rate at these scores."""
    bucket, outcome = data.frame.column(recipe.BUCKET), high(data.bucket)
    position = rate_position(data.bucket)
    levels = [float(level) for level in np.unique(bucket[~np.isnan(bucket)])]
    groups = {level: bucket == level for level in levels} | {np.nan: np.isnan(bucket)}
    score = {
        level: round(float(logit(np.array([_share(outcome, rows)]))[0]), 6)
        for level, rows in groups.items()
    }
    rate = {level: _share(position, rows) for level, rows in groups.items()}
    unknown = next(value for level, value in score.items() if np.isnan(level))
    table = Table(
        RULE_FORMAT, recipe.BUCKET, tuple(levels), tuple(score[each] for each in levels), unknown
    )
    by_score = sorted({score[level]: rate[level] for level in score}.items())
    shares = np.maximum.accumulate([share for _, share in by_score])
    isotonic = Isotonic(
        tuple(each for each, _ in by_score), tuple(round(float(share), 6) for share in shares)
    )
    return table, Calibration(isotonic, Logistic(1.0, 0.0))


def _share(values: FloatArray, rows: NDArray[np.bool_]) -> float:
    """Mean of these rows, or of all if there are none."""
    return float(values[rows].mean() if rows.any() else values.mean())


def _own_metrics(document: Document) -> Document:
    """The figures without a comparison of the rule with itself."""
    return {
        name: value
        for name, value in document.items()
        if name not in ("last_bucket_only", "better_than_last_bucket_95")
    }


def _card(
    data: Dataset,
    rule: Table,
    calibration: Calibration,
    version: str,
    split: GroupSplit,
    seed: int,
    measured: Document,
) -> bytes:
    score = rule.score(data.frame.column(recipe.BUCKET))
    document = {
        "format": CARD_FORMAT,
        "name": NAME,
        "version": version,
        "task": recipe.TASK,
        "kind": RULE,
        "file": MODEL_FILE,
        "summary": SUMMARY,
        "rate_low": BUCKET_RATES[0],
        "rate_high": BUCKET_RATES[-1],
        "calibration": calibration,
        "persistence": persistence(data, calibration, score),
        "features": [
            FeatureSpec(
                name=name,
                unit=feature(name).unit,
                low=feature(name).low,
                high=feature(name).high,
                nullable=True,
                meaning=feature(name).meaning,
            )
            for name in (recipe.BUCKET, recipe.AGE)
        ],
        "label": LABEL,
        "formula": [
            "score = log-odds of the share at bucket >= 3 after the last bucket (rule.json)",
            *FORMULA[1:],
        ],
        "training": {
            "rows": len(data.bucket),
            "base_rate": round(float(np.mean(data.bucket >= 3)), 4),
            "groups": {split.by: len(set(data.families))},
            "features_as_of": f"{data.frame.as_of:%Y-%m-%d}",
            "label_of": f"{data.label_at:%Y-%m-%d}",
            "split": f"{split.folds} folds by {split.by}: none is on both sides; the shares are "
            "counted again in each fold's training part",
            "seed": seed,
        },
        "sources": [source for source in SOURCES if "Advisor" in source["data"]],
        "limits": LIMITS,
        **measured,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
