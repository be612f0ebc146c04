"""Recipe of capacity models: horizons, scales and settings."""

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
"""Horizons at which the model is fitted; forecasts of others are interpolated."""
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
"""Scale and offset of features in the logistic part; features not listed are not transformed."""
CLIPPED_SHARE: Final = 0.001
"""Share of rows at each end whose values are clipped to that quantile."""
DIRECTIONS: Final = tuple(entry.direction for entry in CAPACITY_FEATURES)
OF_OTHERS: Final = tuple(name in OTHERS for name in NAMES)

RIDGE: Final = 0.02
"""Penalty on the squared weights of standardised features, per row."""
TREES_UP_TO_H: Final = 6.0
"""Longer horizons have too few independent cases: trees made their forecasts worse."""
ROUNDS: Final = 150
"""Largest number of trees; early stopping ends training before."""
ROUNDS_STEP: Final = 10
"""Early stopping compares scores at every this many trees."""
MIN_LOG_LOSS_GAIN: Final = 0.005
"""Gain in log loss, nats, needed to prefer a calibration to a simpler one."""
TIME_PARTS: Final = 6
FIRST_TEST_PART: Final = 2
"""Walk-forward validation: each sixth of the time, from the third on, is forecast by a fit on the
time before it, purged by the horizon. Early stopping and calibration use those forecasts."""
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

LICENCES: Final[Mapping[str, str]] = {
    "availability-2023-02-15": "MIT (rebuilt from FrontierCS/Frontier-CS)",
    EVALUATION_ONLY: "none stated: such a model is for measuring, not for shipping",
}
"""Licences of recorded traces, by the name of a folder in their path."""
LICENCE_UNKNOWN: Final = "not recorded: that of whoever recorded the trace"

SPACE: Final[Mapping[str, Range]] = {
    "ridge": Range(0.002, 0.1, log=True),
    "learning_rate": Range(0.01, 0.1, log=True),
    "num_leaves": Range(4, 31, integer=True),
    "min_data_in_leaf": Range(200, 4000, log=True, integer=True),
    "lambda_l2": Range(1.0, 200.0, log=True),
}
"""Settings that a search may change, with their ranges."""


def scale_of(name: str) -> tuple[Scale, float]:
    """Scale and offset of a feature in the logistic part."""
    return SCALES.get(name, ("as_is", 0.0))
