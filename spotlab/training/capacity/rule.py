"""The simple rules of the capacity task as models: one feature, one logistic curve a horizon."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.features.capacity_model.features import CAPACITY_FEATURES, NAMES, OTHERS
from spotlab.features.capacity_model.registry import HORIZON
from spotlab.inference import calibrators
from spotlab.inference.capacity import CapacityModel, scaled_feature
from spotlab.inference.card import (
    CAPACITY,
    CARD_FORMAT,
    RULE,
    CapacityColumn,
    CapacityKnot,
    FeatureSpec,
    parse_card,
)
from spotlab.inference.rules import RULE_FORMAT, Logistic
from spotlab.recorded.traces import trace_files
from spotlab.training.capacity import recipe
from spotlab.training.capacity.baselines import BASELINES_KEY, fit_baselines, fit_logistic
from spotlab.training.capacity.card import LABEL, split_description
from spotlab.training.capacity.evaluation import (
    Forecast,
    TraceOptions,
    campaigns,
    forecaster,
)
from spotlab.training.capacity.metrics import CapacitySplit, measure
from spotlab.training.capacity.rows import capacity_rows
from spotlab.training.capacity.training import (
    CapacityReport,
    Parts,
    trace_documents,
    trace_folders,
    with_end,
)
from spotlab.training.capacity.training_rows import HorizonRows, training_rows
from spotlab.training.provenance import CARD_KEY
from spotlab.training.saved_version import counted_steps, save_version

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

VERSION: Final = "1.0.0"
MODEL_FILE: Final = "rule.json"
DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class RuleRecipe:
    """A rule of one feature.

    Args:
        name: of the model.
        feature: its feature.
        scale, offset: of the feature in the logistic curve; see `CapacityColumn`.
        summary: for its card.
        limit: what it does not see.
    """

    name: str
    feature: str
    scale: recipe.Scale
    offset: float
    summary: str
    limit: str


STREAK: Final = RuleRecipe(
    "capacity-streak",
    "streak_h",
    "log",
    1.0,
    "A rule to be beaten: the longer a pool has been available without a break, the less likely "
    "it loses capacity. One logistic curve of ln(1 + hours) for each horizon.",
    "It sees neither the share of the day that was available nor any other pool.",
)
POOL_RATE: Final = RuleRecipe(
    "capacity-pool-rate",
    "available_24h",
    "as_is",
    0.0,
    "A rule to be beaten: a pool's own rate, the share of the last day in which it was available. "
    "One logistic curve for each horizon.",
    "It sees neither when in that day capacity was lost nor any other pool.",
)
RULES: Final[Mapping[str, RuleRecipe]] = {rule.name: rule for rule in (STREAK, POOL_RATE)}


def train_rule(
    rule: RuleRecipe,
    data: Sequence[Path],
    out_dir: Path,
    *,
    split: str = recipe.SPLIT,
    seed: int,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    version: str | None = None,
    options: TraceOptions | None = None,
) -> CapacityReport:
    """Fit a rule on traces and write it as an artefact, measured like the shipped model.

    Args:
        rule: which one.
        data, out_dir, split, seed, progress, cancelled, version, options: as for
            `train_capacity`.
    Raises:
        InvalidInput: a file is rejected, the traces are not sufficient, the split is unknown, or
            the version exists with other content.
        Cancelled: nothing was written.
    """
    parsed_split = CapacitySplit.parse(split)
    step = counted_steps(progress, cancelled, 4)
    step("Reading traces and computing features")
    files = trace_files(trace_folders(data))
    traces = (options or TraceOptions()).read(files)
    panels = campaigns(traces, files)
    step("Measuring the rule on held-out data")
    model = msgspec.json.format(msgspec.json.encode(Logistic(RULE_FORMAT, rule.feature))) + b"\n"

    def fitted(parts: Parts, pools: Sequence[Sequence[int]] | None) -> Forecast:
        head = _head(rule, training_rows(parts, pools), "draft")
        return forecaster(CapacityModel(parse_card(msgspec.json.encode(head)), model, digest=""))

    measured = measure(panels, parsed_split, fitted, seed)
    step("Fitting on every row")
    training = training_rows(with_end(panels))
    step("Writing the artefact")

    def make_card(version: str) -> bytes:
        document = {
            **_head(rule, training, version),
            "label": LABEL,
            "formula": [
                "log-odds_h = intercept_h + weight_h * (scale(x) - centre), for each knot h",
                "between knots: linear in ln H; below the first: constant hazard; beyond the last: "
                "the hazard between the last two",
            ],
            "training": {
                "rows": {f"{each.horizon_h:g} h": len(each.label) for each in training},
                "seed": seed,
            },
            "split": {
                "spec": str(parsed_split),
                "what": split_description(parsed_split),
                "the_model_itself": "is fitted on every row of the traces, after the test",
            },
            "metrics": measured,
            BASELINES_KEY: _baselines(panels, training),
            CARD_KEY: trace_documents(traces, files),
            "limits": [
                f"It is a baseline. {rule.limit}",
                "It is explained by its one feature: the contribution is the difference to the "
                "feature's mean in training. A rule has no SHAP values, and needs none.",
                "Learned from few pools over few weeks of one kind of instance.",
            ],
        }
        return msgspec.json.format(msgspec.json.encode(document, enc_hook=float), indent=1) + b"\n"

    folder, new = save_version(out_dir, rule.name, VERSION, model, make_card, version)
    rows = {f"{each.horizon_h:g} h": len(each.label) for each in training}
    return CapacityReport(
        rule.name, folder.name, folder, new, rows, str(parsed_split), {"metrics": measured}
    )


def _head(rule: RuleRecipe, training: Sequence[HorizonRows], version: str) -> Document:
    """The part of the card that is needed to open the model."""
    column = NAMES.index(rule.feature)
    scaled = [scaled_feature(rows.matrix[:, column], rule.scale, rule.offset) for rows in training]
    known = np.concatenate(scaled)
    known = known[~np.isnan(known)]
    centre = round(float(known.mean()), DIGITS)
    entry = CAPACITY_FEATURES[column].feature
    return {
        "format": CARD_FORMAT,
        "name": rule.name,
        "version": version,
        "task": CAPACITY,
        "kind": RULE,
        "file": MODEL_FILE,
        "summary": rule.summary,
        "horizon_feature": HORIZON,
        "horizons_h": [rows.horizon_h for rows in training],
        "features": [
            FeatureSpec(entry.name, entry.unit, entry.low, entry.high, True, entry.meaning)
        ],
        "columns": [
            CapacityColumn(
                scale=rule.scale,
                offset=rule.offset,
                low=round(float(known.min()), DIGITS),
                high=round(float(known.max()), DIGITS),
                centre=centre,
                spread=1.0,
                of_others=rule.feature in OTHERS,
            )
        ],
        "knots": [
            _knot(rows, values, centre) for rows, values in zip(training, scaled, strict=True)
        ],
    }


def _knot(rows: HorizonRows, scaled: FloatArray, centre: float) -> CapacityKnot:
    curve = fit_logistic(np.nan_to_num(scaled - centre, nan=0.0), rows.label)
    terms = (round(curve["intercept"], DIGITS), round(curve["slope"], DIGITS))
    return CapacityKnot(
        rows.horizon_h, terms, terms, trees=False, calibration=calibrators.Logistic(1.0, 0.0)
    )


def _baselines(panels: Sequence[TracePanel], training: Sequence[HorizonRows]) -> list[Document]:
    return [
        fit_baselines([(panel, capacity_rows(panel, each.horizon_h)) for panel in panels])
        for each in training
    ]
