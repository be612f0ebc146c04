"""The capacity model's card: description, data, figures and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from typing import Any, Final

import msgspec

from spotlab.features.capacity_model.features import CAPACITY_FEATURES
from spotlab.features.capacity_model.registry import HORIZON
from spotlab.inference.card import CAPACITY, CARD_FORMAT, FeatureSpec
from spotlab.training.capacity import recipe
from spotlab.training.capacity.baselines import BASELINES_KEY
from spotlab.training.capacity.fit import CapacityFit
from spotlab.training.capacity.metrics import CapacitySplit
from spotlab.training.provenance import CARD_KEY

Document = dict[str, Any]

MODEL_FILE: Final = "model.txt"
SUMMARY: Final = (
    "P(capacity lost within H hours | available now) of a pool, for any H, from the availability "
    "history of the pool and of others probed beside it."
)
LABEL: Final = {
    "what": "1 where a probe at some sampled tick of the next H hours could not have the capacity, "
    "given that it could be had now. Ticks are sampled about every ten minutes.",
    "what_it_is_not": [
        "A launch probe is not an interruption: an instance that runs may be left running while "
        "another cannot be launched, and the other way round.",
        "It says nothing of price, nor of how many instances could be had.",
        "It is no guarantee: what the recorded weeks did not hold, it has not learned.",
    ],
}
FORMULA: Final = [
    "z_i = (clip(scale_i(x_i), low_i, high_i) - centre_i) / spread_i; 0 where x_i is unknown",
    "score_h = intercept_h + sum of weight_h,i * z_i + trees(x, ln h), for each knot h (trees up "
    f"to {recipe.TREES_UP_TO_H:g} h); with its own weights where no other pool is known",
    "log-odds_h = calibration_h(score_h), never below that of a shorter knot",
    "between knots: linear in ln H; below the first: constant hazard; beyond the last: the hazard "
    "between the last two",
]
LIMITS: Final = [
    "Learned from few pools over few weeks of one kind of instance: treat other kinds with care, "
    "and look at the forecast-outcome ledger before relying on a level.",
    "Probabilities drift with the market: on the recorded campaigns the share of losses moved by a "
    "third from one month to the next.",
    "In a pool's first day, what rests on earlier days is unknown; such rows were not tested.",
    "Beyond 6 h the figures rest on few independent cases.",
    "On campaigns that taught it nothing, this recipe fitted on the clean one of February 2023 "
    "scored (AUC / PR-AUC / Brier at 1 h; measured, not tuned): 2022-10-26 .789/.643/.162, "
    "where streak_only scored .765/.573/.178; 2023-08-27 .889/.677/.101, where availability_24h"
    " scored .903/.777/.091 and did better.",
    "Where capacity stays or is gone for days, as on 2023-08-27, its level is off (calibration "
    "error .05 at 1 h, .10 at 3 h), and the share of the last day that was available ranks "
    "pools better.",
    "A pool without siblings that changes three times as slowly as those it learned from is "
    "ranked a little better by the streak alone (AUC .770 against .760 at 1 h, region left out).",
    "A trace without siblings is forecast by weights of its own, which do a little worse.",
]


def draft_card(fit: CapacityFit) -> bytes:
    """The part of a card that is needed to open the model."""
    return _encoded(_head(fit, "draft"))


def card(
    fit: CapacityFit,
    *,
    version: str,
    seed: int,
    split: CapacitySplit,
    settings: Mapping[str, float],
    searched: Document | None,
    measured: Document,
    baselines: Sequence[Document],
    traces: Sequence[Document],
) -> bytes:
    """The card as JSON.

    Args:
        fit: on all rows.
        version: of the model.
        seed: of trees and intervals.
        split, measured: how the recipe was tested, and its figures by horizon.
        settings, searched: settings of the fit, and the search that found them.
        baselines: parameters, one document per horizon.
        traces: training traces.
    """
    return _encoded(
        {
            **_head(fit, version),
            "label": LABEL,
            "formula": FORMULA,
            "features_from": "availability alone: no name, zone, price or clock time",
            "training": {
                "rows": dict(fit.rows),
                "trees": fit.rounds,
                "calibration": dict(fit.calibration),
                "settings": dict(settings),
                "search": searched,
                "seed": seed,
                "libraries": {name: installed(name) for name in ("lightgbm", "numpy")},
            },
            "split": {
                "spec": str(split),
                "what": split_description(split),
                "the_model_itself": "is fitted on every row of the traces, after the test",
            },
            "metrics": measured,
            BASELINES_KEY: list(baselines),
            CARD_KEY: list(traces),
            "licence": {
                "model": "as the project's",
                "data": sorted({str(trace["licence"]) for trace in traces}),
            },
            "limits": LIMITS,
        }
    )


def _head(fit: CapacityFit, version: str) -> Document:
    return {
        "format": CARD_FORMAT,
        "name": recipe.NAME,
        "version": version,
        "task": CAPACITY,
        "kind": "lightgbm",
        "file": MODEL_FILE,
        "summary": SUMMARY,
        "horizon_feature": HORIZON,
        "horizons_h": [knot.horizon_h for knot in fit.knots],
        "features": [
            FeatureSpec(
                name=entry.feature.name,
                unit=entry.feature.unit,
                low=entry.feature.low,
                high=entry.feature.high,
                nullable=True,
                meaning=entry.feature.meaning,
            )
            for entry in CAPACITY_FEATURES
        ],
        "columns": fit.columns,
        "knots": fit.knots,
    }


def split_description(split: CapacitySplit) -> str:
    return {
        "time": f"fitted on the first {split.share:.0%} of the time, labels included, and tested "
        "on the rest",
        "pool": "each fifth of the pools forecast by what was fitted on the others, over the same "
        "time; what the others show now is a feature",
        "none": "not tested",
    }[split.by]


def _encoded(document: Document) -> bytes:
    """The document as JSON; numpy numbers are written as plain numbers."""
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=float), indent=1) + b"\n"
