"""LightGBM models without a card, as people have them."""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm
import numpy as np

from spotlab.features.capacity_model.registry import HORIZON


def bare_booster(
    *columns: str, objective: str = "binary", horizons_h: Sequence[float] = (0.5, 1.0, 3.0)
) -> lightgbm.Booster:
    """Trees on columns of random values within 0..1; that of ln(horizon) has these horizons."""
    rng = np.random.default_rng(2)
    rows = rng.random((600, len(columns)))
    for column, name in enumerate(columns):
        if name == HORIZON:
            rows[:, column] = np.log(rng.choice(horizons_h, 600))
    label = (rng.random(600) < 0.2 + 0.5 * (rows[:, 0] < 0.4)).astype(float)
    settings = {"objective": objective, "verbosity": -1, "num_leaves": 7, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(rows, label, feature_name=[*columns]), 10)


def bare_model(*columns: str, objective: str = "binary") -> bytes:
    """The text of such a model."""
    return bare_booster(*columns, objective=objective).model_to_string().encode()
