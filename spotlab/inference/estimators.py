"""scikit-learn estimators from skops files, by an explicit list of types. Inference floor.

skops never unpickles, but it does build the objects a file names. So before it reads a file, every
type in the file's schema is held against TRUSTED_TYPES, which lives here and not in the file.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, InvalidInput

FloatArray = NDArray[np.float64]

_PLAIN: Final = ("builtins.dict", "builtins.list", "builtins.str", "builtins.tuple")
_NUMPY: Final = ("numpy.ndarray", "numpy.dtype", "numpy.float64", "numpy.int64", "numpy.uint64")
_LINEAR: Final = (
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.impute._base.SimpleImputer",
)
_BOOSTING: Final = (
    "numpy.random._generator.Generator",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.preprocessing._label.LabelEncoder",
)
TRUSTED_TYPES: Final = frozenset({*_PLAIN, *_NUMPY, *_LINEAR, *_BOOSTING})
MAX_UNPACKED_BYTES: Final = 256 * 2**20


class Estimator:
    """A fitted binary classifier whose decision function is a log-odds.

    Args:
        fitted: a LogisticRegression or HistGradientBoostingClassifier, or a Pipeline that ends in
            one.
        typical: mean of each feature over the training rows, NaN where the card has none.
    """

    def __init__(self, fitted: Any, typical: FloatArray) -> None:
        self._fitted = fitted
        self._typical = typical
        steps = [step for _, step in getattr(fitted, "steps", [("", fitted)])]
        self._last = steps[-1]
        self._before = fitted[:-1] if len(steps) > 1 else None
        if not hasattr(fitted, "decision_function"):
            raise ArtefactRefused(
                f"{type(self._last).__name__} gives no log-odds",
                remedy="Use a classifier with a decision_function.",
            )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns it was fitted on, in order.

        Raises:
            ArtefactRefused: it was fitted on a matrix without names.
        """
        names = getattr(self._fitted, "feature_names_in_", None)
        if names is None:
            raise ArtefactRefused(
                "the estimator does not say which features it was fitted on",
                remedy="Fit it on a DataFrame whose columns are the features.",
            )
        return tuple(str(name) for name in names)

    def log_odds(self, rows: Matrix) -> FloatArray:
        """The decision function, (n,)."""
        return np.asarray(self._fitted.decision_function(self._frame(rows)), dtype=np.float64)

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
    """Build the estimator of a skops file.

    Raises:
        ArtefactRefused: no skops file, damaged, or a type that is not trusted (named).
    """
    _refuse_untrusted(content)
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(data=content)
        return Estimator(
            skops.io.loads(content, trusted=sorted({*unknown} & TRUSTED_TYPES)), typical
        )
    except ArtefactRefused:
        raise
    except Exception as exc:
        # skops documents no base error: whatever a damaged file provokes, the answer is the same.
        raise ArtefactRefused(f"skops cannot read it ({type(exc).__name__}: {exc})") from exc


def _refuse_untrusted(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _refuse_odd_members(archive)
            schema = json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as exc:
        raise ArtefactRefused(f"is no skops file ({exc})") from exc
    untrusted = sorted(_types(schema) - TRUSTED_TYPES)
    if untrusted:
        raise ArtefactRefused(
            f"holds types that are not trusted: {', '.join(untrusted[:5])}",
            remedy="Trusted are LogisticRegression, HistGradientBoostingClassifier, Pipeline, "
            "StandardScaler and SimpleImputer.",
        )


def _refuse_odd_members(archive: zipfile.ZipFile) -> None:
    unpacked = 0
    for member in archive.infolist():
        unpacked += member.file_size
        plain = "/" not in member.filename and "\\" not in member.filename
        if not plain or not member.filename.endswith((".npy", "schema.json")):
            raise ArtefactRefused(f"holds {member.filename!r}, which skops does not write")
    if unpacked > MAX_UNPACKED_BYTES:
        raise ArtefactRefused(f"unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MB")


def _types(node: Any) -> set[str]:
    """Every "module.class" that a skops schema names, anywhere in it."""
    if isinstance(node, list):
        return set().union(*(_types(item) for item in node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = {f"{node['__module__']}.{node['__class__']}"} if "__class__" in node else set()
    return own.union(*(_types(value) for value in node.values()))
