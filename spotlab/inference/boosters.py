"""LightGBM boosters, opened once their text is proved."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused
from spotlab.inference.input_checks import refuse_other_features
from spotlab.inference.lightgbm_import import lightgbm
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_structure import prove_trees

SMALL_BATCH_ROWS: Final = 200
"""Below this, starting threads takes longer than predicting (89 ms against 0.5 ms for a row)."""


class ProvedBooster:
    """A LightGBM booster whose text was proved before native code read it.

    Args:
        model: the text.
        feature_names: the columns it must have, in order.
        limits: None: the default ones.
    Raises:
        ArtefactRefused: the text is no proper model, or its columns are others.
    """

    def __init__(
        self, model: bytes, feature_names: tuple[str, ...], limits: TreeLimits | None
    ) -> None:
        refuse_other_features(feature_names, prove_trees(model, limits).feature_names)
        module = lightgbm()
        try:
            self._booster = module.Booster(model_str=model.decode("ascii"))
        except (module.basic.LightGBMError, ValueError) as exc:
            raise ArtefactRefused(f"LightGBM cannot read it ({exc})") from exc

    def raw_score(self, rows: Matrix) -> NDArray[np.float64]:
        """(n,) sum of the trees' values."""
        return self._predict(rows, raw_score=True) if len(rows) else np.zeros(0)

    def contributions(self, rows: Matrix) -> NDArray[np.float64]:
        """(n, f + 1) what each column adds to `raw_score`, and the base."""
        if not len(rows):
            return np.zeros((0, rows.shape[1] + 1))
        return self._predict(rows, pred_contrib=True)

    def _predict(self, rows: Matrix, **wanted: bool) -> NDArray[np.float64]:
        threads: dict[str, Any] = {"num_threads": 1} if len(rows) < SMALL_BATCH_ROWS else {}
        return np.asarray(self._booster.predict(rows, **wanted, **threads), dtype=np.float64)
