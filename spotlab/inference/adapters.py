"""Models behind one port: checked input, hazard out. Inference floor: knows no feed, no store.

LightGBM, scikit-learn and shap are imported inside functions: the first takes 0.2 to 1 s, and a
screen that scores nothing should not wait for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.domain.risk import hazard_from_monthly_rate
from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference import calibration, calibrators
from spotlab.inference.card import Card
from spotlab.inference.estimators import Estimator, open_estimator
from spotlab.inference.lightgbm_alone import lightgbm

SMALL_BATCH_ROWS: Final = 200
"""Below this, starting threads takes longer than predicting (89 ms against 0.5 ms for a row)."""

FloatArray = NDArray[np.float64]


class CheckedModel(ABC):
    """A RiskModel that refuses input its card does not allow.

    Args:
        card: parsed and consistent.
        digest: SHA-256 over the artefact's checksums file.
    """

    def __init__(self, card: Card, digest: str) -> None:
        self._card = card
        self._spec = card.spec
        self.digest = digest
        bounds = [(feature.low, feature.high) for feature in self._spec.features]
        self._low = np.array([-np.inf if low is None else low for low, _ in bounds])
        self._high = np.array([np.inf if high is None else high for _, high in bounds])
        self._nullable = np.array([feature.nullable for feature in self._spec.features])

    @property
    def name(self) -> str:
        """As in the card."""
        return self._spec.name

    @property
    def version(self) -> str:
        """As in the card."""
        return self._spec.version

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrix it wants, in order."""
        return self._card.feature_names

    @property
    def card(self) -> Mapping[str, Any]:
        """Everything card.json says."""
        return self._card.text

    def hazard_per_hour(self, matrix: Matrix) -> FloatArray:
        """Hazard of each row; NaN for a row the model refuses. See `RiskModel`."""
        return hazard_from_monthly_rate(self.monthly_rate(matrix))

    def monthly_rate(self, matrix: Matrix) -> FloatArray:
        """Monthly interruption rate of each row, 0..1; NaN for a refused row."""
        return calibration.monthly_rate(self._spec, self.raw_score(matrix))

    def raw_score(self, matrix: Matrix) -> FloatArray:
        """Log-odds of the rate's position, of each row; NaN for a refused row."""
        accepted = self._accepted(matrix)
        score = self._score(matrix[accepted])
        return _spread(accepted, calibration.rate_score(self._spec, score, matrix[accepted]))

    def high_bucket_probability(self, matrix: Matrix) -> FloatArray:
        """P(next advisor bucket >= 3) of each row; NaN for a refused row."""
        accepted = self._accepted(matrix)
        rows = matrix[accepted]
        score = self._score(rows)
        return _spread(accepted, calibration.high_bucket_probability(self._spec, score, rows))

    def contributions(self, matrix: Matrix) -> tuple[Matrix, FloatArray]:
        """Log-odds of each feature, and the base; they add up to `raw_score`. See `RiskModel`.

        What a fresh bucket adds beyond the model's own score is counted to the bucket.
        """
        accepted = self._accepted(matrix)
        rows = matrix[accepted]
        parts, base = self._score_parts(rows)
        parts, base = calibrators.spread(self._spec.calibration.rate, parts, base)
        if self._spec.persistence is not None:
            score = self._score(rows)
            mixed = calibration.rate_score(self._spec, score, rows)
            alone = calibrators.apply(self._spec.calibration.rate, score)
            bucket = self.feature_names.index(self._spec.persistence.bucket_feature)
            parts[:, bucket] += mixed - alone
        return _spread(accepted, parts), _spread(accepted, base)

    def refusals(self, matrix: Matrix) -> dict[int, str]:
        """Why rows are refused, by row number; empty when every row is accepted.

        Raises:
            InvalidInput: the matrix is not (n, f) float64.
        """
        wrong = self._wrong(matrix)
        return {
            int(row): "; ".join(
                self._complaint(int(column), float(matrix[row, column]))
                for column in np.flatnonzero(wrong[row])
            )
            for row in np.flatnonzero(wrong.any(axis=1))
        }

    def _complaint(self, column: int, value: float) -> str:
        feature = self._spec.features[column]
        if np.isnan(value):
            return f"{feature.name} is unknown, which the model does not take"
        low, high = self._low[column], self._high[column]
        return f"{feature.name} is {value:g} ({feature.unit}), outside {low:g}..{high:g}"

    def _accepted(self, matrix: Matrix) -> NDArray[np.bool_]:
        return np.asarray(~self._wrong(matrix).any(axis=1))

    def _wrong(self, matrix: Matrix) -> NDArray[np.bool_]:
        width = len(self._spec.features)
        if matrix.ndim != 2 or matrix.shape[1] != width:
            raise InvalidInput(
                f"{self.name} {self.version} was given a matrix of shape {matrix.shape}.",
                remedy=f"It wants {width} columns: {', '.join(self.feature_names)}.",
            )
        if matrix.dtype != np.float64:
            raise InvalidInput(
                f"{self.name} {self.version} was given {matrix.dtype} numbers.",
                remedy="It wants float64: rounding moves a value across a tree's threshold.",
            )
        outside = (matrix < self._low) | (matrix > self._high)
        return np.asarray(outside | (np.isnan(matrix) & ~self._nullable))

    @abstractmethod
    def _score(self, rows: Matrix) -> FloatArray:
        """The model's own raw score, a log-odds, of accepted rows."""

    @abstractmethod
    def _score_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        """Contributions and bases that add up to `_score`."""


class LightGBMRisk(CheckedModel):
    """A LightGBM booster in its text format.

    Raises:
        ArtefactRefused: the text is no booster, or its features are not the card's.
    """

    def __init__(self, card: Card, model: bytes, digest: str) -> None:
        module = lightgbm()
        super().__init__(card, digest)
        if not model.startswith(b"tree\n"):
            raise ArtefactRefused("is no LightGBM text model", remedy="It starts with 'tree'.")
        try:
            self._booster = module.Booster(model_str=model.decode("utf-8"))
        except (module.basic.LightGBMError, ValueError) as exc:
            raise ArtefactRefused(f"LightGBM cannot read it ({exc})") from exc
        _refuse_other_features(card.feature_names, tuple(self._booster.feature_name()))

    def _score(self, rows: Matrix) -> FloatArray:
        return self._predict(rows, contributions=False) if len(rows) else np.zeros(0)

    def _score_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        if len(rows) == 0:
            return np.zeros((0, len(self.feature_names))), np.zeros(0)
        parts = self._predict(rows, contributions=True)
        return parts[:, :-1].copy(), parts[:, -1].copy()

    def _predict(self, rows: Matrix, *, contributions: bool) -> FloatArray:
        threads: dict[str, Any] = {"num_threads": 1} if len(rows) < SMALL_BATCH_ROWS else {}
        predicted = self._booster.predict(
            rows, raw_score=not contributions, pred_contrib=contributions, **threads
        )
        return np.asarray(predicted, dtype=np.float64)


class SklearnRisk(CheckedModel):
    """A scikit-learn estimator in skops format, of types on an explicit list.

    Raises:
        ArtefactRefused: a type that is not on the list, or features that are not the card's.
    """

    def __init__(self, card: Card, model: bytes, digest: str) -> None:
        super().__init__(card, digest)
        typical = np.array([np.nan if f.typical is None else f.typical for f in card.spec.features])
        self._estimator: Estimator = open_estimator(model, typical)
        _refuse_other_features(card.feature_names, self._estimator.feature_names)

    def _score(self, rows: Matrix) -> FloatArray:
        return self._estimator.log_odds(rows) if len(rows) else np.zeros(0)

    def _score_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        return self._estimator.parts(rows)


def _refuse_other_features(card: tuple[str, ...], model: tuple[str, ...]) -> None:
    if card == model:
        return
    if sorted(card) == sorted(model):
        problem = "its features are in another order than the card's"
    else:
        only_card = ", ".join(sorted({*card} - {*model})) or "none"
        only_model = ", ".join(sorted({*model} - {*card})) or "none"
        problem = (
            f"it has {len(model)} features, the card {len(card)}; only in the card: "
            f"{only_card}; only in the model: {only_model}"
        )
    raise ArtefactRefused(problem, remedy="Card and model come from the same training run.")


def _spread(accepted: NDArray[np.bool_], values: FloatArray) -> FloatArray:
    """Put the accepted rows' values back in their places, NaN elsewhere."""
    spread = np.full((len(accepted), *values.shape[1:]), np.nan)
    spread[accepted] = values
    return spread
