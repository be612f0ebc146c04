"""LightGBM is imported without what SpotLab does not use of it, and predicts all the same."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import numpy as np
from spotlab.inference.lightgbm_import import lightgbm

library = lightgbm()
assert not {"scipy", "scipy.sparse", "sklearn"} & set(sys.modules)
rows = np.random.default_rng(1).normal(size=(200, 3))
options = {"objective": "binary", "verbose": -1}
data = library.Dataset(rows, label=rows[:, 0] > 0)
booster = library.train(options, data, num_boost_round=3)
assert booster.predict(rows).shape == (200,)
assert booster.predict(rows, pred_contrib=True).shape == (200, 4)
from scipy.sparse import csr_matrix
from scipy.special import gammaincinv
assert csr_matrix(rows).shape == (200, 3) and gammaincinv(1.0, 0.5) > 0
"""


def test_lightgbm_predicts_without_scipy_which_can_still_be_imported() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
