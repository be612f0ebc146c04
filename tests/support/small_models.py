"""Small LightGBM models of every kind that SpotLab reads, as texts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import lightgbm
import numpy as np

from spotlab.domain.features import Matrix
from tests.support import hostile_models

COLUMNS: Final = ("price", "bucket", "age", "family")
_KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "plain": {},
    "categorical": {"min_data_per_group": 2, "cat_smooth": 1, "max_cat_to_onehot": 2},
    "one category": {"min_data_per_group": 2, "cat_smooth": 1, "max_cat_to_onehot": 99},
    "linear": {"linear_tree": True},
    "linear of categories": {"linear_tree": True, "max_cat_to_onehot": 2, "cat_smooth": 1},
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    "zero is unknown": {"zero_as_missing": True},
    "nothing is unknown": {"use_missing": False},
    "sampled": {"data_sample_strategy": "goss", "learning_rate": 0.9},
    "bagged": {"bagging_freq": 1, "bagging_fraction": 0.3},
    "monotone": {"monotone_constraints": [1, 0, -1, 0]},
    "quantised": {"use_quantized_grad": True},
    "stump": {"min_data_in_leaf": 290},
    "shares": {"objective": "cross_entropy"},
    "deep": {"num_leaves": 31, "min_data_in_leaf": 1},
}
_CATEGORICAL: Final = ("categorical", "one category", "linear of categories")


@cache
def small_models() -> dict[str, str]:
    """The text of a small model of each kind, and the first trees of the shipped ones."""
    rows, high = training_rows()
    texts = {kind: _trained(kind, rows, high) for kind in _KINDS}
    for folder in (hostile_models.ADVISOR, hostile_models.CAPACITY):
        shipped = lightgbm.Booster(model_str=(folder / "model.txt").read_text())
        texts[f"shipped {folder.parent.name}"] = shipped.model_to_string(num_iteration=2)
    return texts


def training_rows(count: int = 300) -> tuple[Matrix, Matrix]:
    """(n, 4) rows with unknown values, zeros and a column of categories; and (n,) 0 or 1."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(count, len(COLUMNS)))
    rows[:, 1] = rng.integers(-1, 2, count)
    rows[:, 3] = rng.integers(0, 70, count)
    score = rows[:, 0] + rows[:, 1] + 3 * (rows[:, 3] % 3 == 0) + rng.normal(size=count)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, (score > 1.0) * 1.0


def _trained(kind: str, rows: Matrix, high: Matrix) -> str:
    settings = {"objective": "binary", "num_leaves": 6, "min_data_in_leaf": 5, "seed": 3}
    quiet = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
    chosen = settings | quiet | dict(_KINDS[kind])
    data = lightgbm.Dataset(
        rows,
        high,
        feature_name=list(COLUMNS),
        categorical_feature=["family"] if kind in _CATEGORICAL else [],
        params=chosen,
    )
    return str(lightgbm.train(chosen, data, num_boost_round=3).model_to_string())
