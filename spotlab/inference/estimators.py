"""scikit-learn estimators from skops files, built from types on an allow-list.

Neither skops nor scikit-learn validates the contents of a file. `skops_file` checks the file before
skops reads it, and `estimator_checks` the estimator before scikit-learn or shap uses it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference.estimator_checks import validate_estimator
from spotlab.inference.skops_file import TRUSTED_TYPES, check_skops_file

FloatArray = NDArray[np.float64]


class Estimator:
    """A fitted binary classifier whose decision function is a log-odds.

    Args:
        fitted: a validated LogisticRegression or HistGradientBoostingClassifier, or a Pipeline
            that ends in one.
        typical: mean of each feature over the training rows; NaN if the card has none.
    """

    def __init__(self, fitted: Any, typical: FloatArray) -> None:
        self._fitted = fitted
        self._typical = typical
        steps = [step for _, step in getattr(fitted, "steps", [("", fitted)])]
        self._final_step = steps[-1]
        self._transformers = fitted[:-1] if len(steps) > 1 else None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns it was fitted on, in order."""
        return tuple(str(name) for name in self._fitted.feature_names_in_)

    def log_odds(self, rows: Matrix) -> FloatArray:
        """(n,) values of the decision function.

        Raises:
            InvalidInput: scikit-learn cannot compute them, for example after an overflow.
        """
        try:
            scores = self._fitted.decision_function(self._frame(rows))
        except (ValueError, TypeError, AttributeError) as exc:
            raise InvalidInput(
                f"The estimator cannot compute log-odds ({exc}).",
                remedy="Disable the model, and use one that was fitted on such values.",
            ) from exc
        return np.asarray(scores, dtype=np.float64)

    def contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        """(n, f) contributions and (n,) bases that add up to `log_odds`.

        Those of a linear model are coefficient x (value - mean); those of trees are from shap.

        Raises:
            InvalidInput: the estimator has no explanation.
        """
        if hasattr(self._final_step, "coef_"):
            return self._linear_contributions(rows)
        if self._transformers is None:
            return self._tree_contributions(rows)
        raise InvalidInput(
            f"No explanation is available for {type(self._final_step).__name__} after other steps.",
            remedy="Fit the trees on the features without other steps, or use a linear model.",
        )

    def _linear_contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        if np.isnan(self._typical).any():
            raise InvalidInput(
                "No explanation is available: the card lacks the typical value of a feature.",
                remedy="Add `typical`, the training mean, to each feature of the card.",
            )
        transformed = np.vstack([rows, self._typical])
        if self._transformers is not None:
            transformed = np.asarray(
                self._transformers.transform(self._frame(transformed)), dtype=np.float64
            )
        if transformed.shape[1] != rows.shape[1]:
            raise InvalidInput(
                "No explanation is available: a step changes the number of features.",
                remedy="Use steps that preserve the columns.",
            )
        weights = np.asarray(self._final_step.coef_, dtype=np.float64)[0]
        base = float(transformed[-1] @ weights + self._final_step.intercept_[0])
        return (transformed[:-1] - transformed[-1]) * weights, np.full(len(rows), base)

    def _tree_contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        import shap

        explainer = shap.TreeExplainer(self._final_step)
        parts = np.asarray(explainer.shap_values(rows), dtype=np.float64)
        return parts, np.full(len(rows), float(np.ravel(explainer.expected_value)[-1]))

    def _frame(self, rows: Matrix) -> Any:
        import pandas as pd

        return pd.DataFrame(rows, columns=list(self.feature_names))


def open_estimator(content: bytes, typical: FloatArray) -> Estimator:
    """Read the estimator in a skops file, and validate it before it is used.

    Raises:
        ArtefactRefused: the file is damaged or not a skops file, contains an untrusted type
            (named), or contains trees or numbers that cannot result from fitting.
    """
    check_skops_file(content)
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(data=content)
        fitted = skops.io.loads(content, trusted=sorted({*unknown} & TRUSTED_TYPES))
        validate_estimator(fitted)
        return Estimator(fitted, typical)
    except ArtefactRefused:
        raise
    except Exception as exc:
        # skops has no documented base error: any error means that the file is damaged.
        raise ArtefactRefused(f"skops cannot read it ({type(exc).__name__}: {exc})") from exc
