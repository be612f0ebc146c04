"""Small fitted models and their cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from spotlab.domain.features import Matrix
from spotlab.inference import artefacts

FEATURES = ("advisor_bucket", "advisor_age_h", "log_spot_price", "vcpu_count")
PERSISTENCE = {
    "bucket_feature": "advisor_bucket",
    "age_feature": "advisor_age_h",
    "lead_h": 720.0,
    "gap_h": [168.0, 2088.0, 8766.0],
    "unchanged": [0.85, 0.59, 0.34],
}


def rows(count: int, seed: int = 1) -> Matrix:
    """Feature rows of a market in which high buckets and large types are risky."""
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [
            rng.integers(0, 5, count).astype(np.float64),
            np.full(count, 2.0),
            rng.normal(-1.0, 1.0, count),
            2.0 ** rng.integers(0, 7, count),
        ]
    )


def outcomes(matrix: Matrix, seed: int = 2) -> Matrix:
    """(n,) high bucket next month, 0 or 1."""
    score = matrix[:, 0] - 2.0 + 0.3 * np.log2(matrix[:, 3]) - 0.9
    return (np.random.default_rng(seed).random(len(matrix)) < 1 / (1 + np.exp(-score))) * 1.0


def card(**changed: Any) -> dict[str, Any]:
    """A consistent card of the features above."""
    bounds = {"advisor_bucket": (0, 4), "advisor_age_h": (0, None), "vcpu_count": (1, 4096)}
    units = {"advisor_age_h": "h", "vcpu_count": "count"}
    plain = {
        "format": 1,
        "name": "toy",
        "version": "1.0.0",
        "task": "advisor",
        "kind": "lightgbm",
        "file": "model.txt",
        "features": [
            {
                "name": name,
                "unit": units.get(name, "1"),
                "low": bounds.get(name, (-14, 14))[0],
                "high": bounds.get(name, (-14, 14))[1],
                "nullable": name != "vcpu_count",
            }
            for name in FEATURES
        ],
        "calibration": {
            "rate": {"slope": 0.9, "intercept": 0.1},
            "high_bucket": {"slope": 1.0, "intercept": 0.0},
        },
        "persistence": PERSISTENCE,
    }
    return plain | changed


def booster_text(names: tuple[str, ...] = FEATURES) -> str:
    """A small LightGBM model as text."""
    matrix = rows(600)
    data = lightgbm.Dataset(matrix, outcomes(matrix), feature_name=list(names))
    settings = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    return str(lightgbm.train(settings, data, num_boost_round=20).model_to_string())


def saved(models_dir: Path, **changed: Any) -> Path:
    """Save an artefact of the toy model in `models_dir`."""
    content = json.dumps(card(**changed)).encode()
    return artefacts.save(models_dir, content, booster_text().encode())


def frame_of(matrix: Matrix) -> pd.DataFrame:
    """The rows as a DataFrame with column names, as scikit-learn requires."""
    return pd.DataFrame(matrix, columns=list(FEATURES))
