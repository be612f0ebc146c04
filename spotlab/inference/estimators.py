"""scikit-learn estimators from skops files, by an explicit list of types.

Neither skops nor scikit-learn checks what a file gives it to compute with: `skops_file` proves the
file before skops reads it, and `fitted` the estimator before scikit-learn or shap does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference.estimator_checks import prove
from spotlab.inference.skops_file import TRUSTED_TYPES, check_skops_file

FloatArray = NDArray[np.float64]


class Estimator:
    """A fitted binary classifier whose decision function is a log-odds.

    Args:
        fitted: a LogisticRegression or HistGradientBoostingClassifier, or a Pipeline that ends in
            one, proved.
        typical: mean of each feature over the training rows, NaN where the card has none.
    """

    def __init__(self, fitted: Any, typical: FloatArray) -> None:
        self._fitted = fitted
        self._typical = typical
        steps = [step for _, step in getattr(fitted, "steps", [("", fitted)])]
        self._last = steps[-1]
        self._before = fitted[:-1] if len(steps) > 1 else None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns it was fitted on, in order."""
        return tuple(str(name) for name in self._fitted.feature_names_in_)

    def log_odds(self, rows: Matrix) -> FloatArray:
        """The decision function, (n,).

        Raises:
            InvalidInput: scikit-learn cannot compute it, as when a value is beyond all numbers.
        """
        try:
            found = self._fitted.decision_function(self._frame(rows))
        except (ValueError, TypeError, AttributeError) as exc:
            raise InvalidInput(
                f"The estimator gives no log-odds ({exc}).",
                remedy="Disable the model, and ask for one that was fitted on such values.",
            ) from exc
        return np.asarray(found, dtype=np.float64)

    def parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        """Contributions and bases that add up to `log_odds`.

        A linear model's are exact: coefficient x (value - mean). Trees are explained by shap.

        Raises:
            InvalidInput: the estimator has no explanation.
        """
        if hasattr(self._last, "coef_"):
            return self._linear_parts(rows)
        if self._before is None:
            return self._tree_parts(rows)
        raise InvalidInput(
            f"No explanation for {type(self._last).__name__} behind other steps.",
            remedy="Fit the trees on the features themselves, or use a linear model.",
        )

    def _linear_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        if np.isnan(self._typical).any():
            raise InvalidInput(
                "No explanation: the card has no typical value of every feature.",
                remedy="Write `typical`, the training mean, beside each feature of the card.",
            )
        seen = np.vstack([rows, self._typical])
        if self._before is not None:
            seen = np.asarray(self._before.transform(self._frame(seen)), dtype=np.float64)
        if seen.shape[1] != rows.shape[1]:
            raise InvalidInput(
                "No explanation: a step before the linear model changes the number of features.",
                remedy="Use steps that keep the columns.",
            )
        weights = np.asarray(self._last.coef_, dtype=np.float64)[0]
        base = float(seen[-1] @ weights + self._last.intercept_[0])
        return (seen[:-1] - seen[-1]) * weights, np.full(len(rows), base)

    def _tree_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        import shap

        explainer = shap.TreeExplainer(self._last)
        parts = np.asarray(explainer.shap_values(rows), dtype=np.float64)
        return parts, np.full(len(rows), float(np.ravel(explainer.expected_value)[-1]))

    def _frame(self, rows: Matrix) -> Any:
        import pandas as pd

        return pd.DataFrame(rows, columns=list(self.feature_names))


def open_estimator(content: bytes, typical: FloatArray) -> Estimator:
    """Build the estimator of a skops file, and prove it before anything is computed with it.

    Raises:
        ArtefactRefused: no skops file, damaged, a type that is not trusted (named), or trees and
            numbers that no fit leaves.
    """
    check_skops_file(content)
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(data=content)
        fitted = skops.io.loads(content, trusted=sorted({*unknown} & TRUSTED_TYPES))
        prove(fitted)
        return Estimator(fitted, typical)
    except ArtefactRefused:
        raise
    except Exception as exc:
        # skops documents no base error: whatever a damaged file provokes, the answer is the same.
        raise ArtefactRefused(f"skops cannot read it ({type(exc).__name__}: {exc})") from exc
