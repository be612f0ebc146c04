"""What capacity models are made of: horizons, scales and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from spotlab.features.capacity_model.features import CAPACITY_FEATURES, NAMES, OTHERS
from spotlab.recorded.formats import EVALUATION_ONLY
from spotlab.training.advisor.hyperparameters import Range

Scale = Literal["as_is", "log", "log_odds"]

NAME: Final = "capacity-lgbm"
VERSION: Final = "1.0.1"
HORIZONS_H: Final = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0)
"""Where the model is fitted; any other horizon lies between."""
MEASURED_H: Final = (1.0, 3.0)
SPLIT: Final = "time:0.6"

SCALES: Final[Mapping[str, tuple[Scale, float]]] = {
    "streak_h": ("log", 0.1),
    "last_outage_h": ("log", 0.1),
    "last_stay_h": ("log", 0.1),
    **{name: ("log_odds", 0.03) for name in NAMES if "available" in name},
    **{name: ("log_odds", 0.001) for name in NAMES if name.startswith("daily_lost")},
    **{name: ("log", 0.001) for name in NAMES if "loss_rate" in name},
}
"""The logistic part's scale of a feature, with its offset; one that is not here enters as it is."""
CLIPPED_SHARE: Final = 0.001
"""Share of rows at each end whose values count as the value at that quantile."""
DIRECTIONS: Final = tuple(entry.direction for entry in CAPACITY_FEATURES)
OF_OTHERS: Final = tuple(name in OTHERS for name in NAMES)

RIDGE: Final = 0.02
"""Penalty on the squared weights of centred and spread features, a row."""
TREES_UP_TO_H: Final = 6.0
"""Longer horizons have too few independent cases: trees made them worse on later time."""
ROUNDS: Final = 150
"""At most so many trees; training stops before."""
ROUNDS_STEP: Final = 10
"""Early stopping looks after so many trees each."""
MIN_LOG_LOSS_GAIN: Final = 0.005
"""A calibration must be better by so much log loss, nats, to be preferred to a simpler one."""
TIME_PARTS: Final = 6
FIRST_TEST_PART: Final = 2
"""Validation walks forward: each sixth of the time from the third on is forecast by what was fitted
on the time before it, purged by the horizon. Trees stop, and the calibration is chosen and fitted,
by those forecasts."""
TREES: Final[Mapping[str, Any]] = {
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_data_in_leaf": 1000,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "max_bin": 127,
    "extra_trees": True,
}
HORIZON: Final = "ln_horizon"
"""The trees' last column."""

LICENCES: Final[Mapping[str, str]] = {
    "availability-2023-02-15": "MIT (rebuilt from FrontierCS/Frontier-CS)",
    EVALUATION_ONLY: "none stated: such a model is for measuring, not for shipping",
}
"""Of recorded traces, by a folder on their way."""
LICENCE_UNKNOWN: Final = "not recorded: that of whoever recorded the trace"

SPACE: Final[Mapping[str, Range]] = {
    "ridge": Range(0.002, 0.1, log=True),
    "learning_rate": Range(0.01, 0.1, log=True),
    "num_leaves": Range(4, 31, integer=True),
    "min_data_in_leaf": Range(200, 4000, log=True, integer=True),
    "lambda_l2": Range(1.0, 200.0, log=True),
}
"""What a search may change, around the settings above."""


def scale_of(name: str) -> tuple[Scale, float]:
    """The logistic part's scale of a feature, and its offset."""
    return SCALES.get(name, ("as_is", 0.0))
