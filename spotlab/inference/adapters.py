"""Models behind one port: checked input, hazard out.

LightGBM, scikit-learn and shap are imported inside functions: the first takes 0.2 to 1 s, and a
screen that scores nothing should not wait for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.domain.risk import hazard_from_monthly_rate
from spotlab.errors import ArtefactRefused
from spotlab.inference import calibration, calibrators
from spotlab.inference.boosters import ProvedBooster
from spotlab.inference.card import Card, CardSpec
from spotlab.inference.estimators import Estimator, open_estimator
from spotlab.inference.input_checks import CheckedInput, refuse_other_features, spread_out
from spotlab.inference.tree_limits import TreeLimits

FloatArray = NDArray[np.float64]


class CheckedModel(CheckedInput, ABC):
    """A RiskModel that refuses input its card does not allow.

    Args:
        card: parsed and consistent.
        digest: SHA-256 over the artefact's checksums file.
    """

    def __init__(self, card: Card, digest: str) -> None:
        super().__init__(card, digest)
        if not isinstance(card.spec, CardSpec):
            raise ArtefactRefused(f"card.json: task {card.spec.task} gives no monthly rate")
        self._spec = card.spec

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
        return spread_out(accepted, calibration.rate_score(self._spec, score, matrix[accepted]))

    def high_bucket_probability(self, matrix: Matrix) -> FloatArray:
        """P(next advisor bucket >= 3) of each row; NaN for a refused row."""
        accepted = self._accepted(matrix)
        rows = matrix[accepted]
        score = self._score(rows)
        return spread_out(accepted, calibration.high_bucket_probability(self._spec, score, rows))

    def contributions(self, matrix: Matrix) -> tuple[Matrix, FloatArray]:
        """Log-odds of each feature, and the base; they add up to `raw_score`. See `RiskModel`.

        What a fresh bucket changes of the model's own score is counted to the bucket. The level of
        one just read is in the base; that a bucket is older, or unknown, is counted to its age.
        """
        accepted = self._accepted(matrix)
        rows = matrix[accepted]
        parts, base = self._score_parts(rows)
        parts, base = calibrators.spread(self._spec.calibration.rate, parts, base)
        rule = self._spec.persistence
        if rule is not None:
            kept, older, fresh = calibration.rate_score_parts(
                self._spec, rule, self._score(rows), rows
            )
            parts[:, self.feature_names.index(rule.bucket_feature)] += kept
            parts[:, self.feature_names.index(rule.age_feature)] += older
            base = base + fresh
        return spread_out(accepted, parts), spread_out(accepted, base)

    @abstractmethod
    def _score(self, rows: Matrix) -> FloatArray:
        """The model's own raw score, a log-odds, of accepted rows."""

    @abstractmethod
    def _score_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        """Contributions and bases that add up to `_score`."""


class LightGBMRisk(CheckedModel):
    """A LightGBM booster in its text format.

    Args:
        card: its card.
        model: the booster's text.
        digest: SHA-256 over the artefact's checksums file.
        limits: how large its trees may be; None: the default ones.
    Raises:
        ArtefactRefused: the text is no booster, or its features are not the card's.
    """

    def __init__(
        self, card: Card, model: bytes, digest: str, limits: TreeLimits | None = None
    ) -> None:
        super().__init__(card, digest)
        self._booster = ProvedBooster(model, card.feature_names, limits)

    def _score(self, rows: Matrix) -> FloatArray:
        return self._booster.raw_score(rows)

    def _score_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        parts = self._booster.contributions(rows)
        return parts[:, :-1].copy(), parts[:, -1].copy()


class SklearnRisk(CheckedModel):
    """A scikit-learn estimator in skops format, of types on an explicit list.

    Raises:
        ArtefactRefused: a type that is not on the list, or features that are not the card's.
    """

    def __init__(self, card: Card, model: bytes, digest: str) -> None:
        super().__init__(card, digest)
        typical = np.array([np.nan if f.typical is None else f.typical for f in card.spec.features])
        self._estimator: Estimator = open_estimator(model, typical)
        refuse_other_features(card.feature_names, self._estimator.feature_names)

    def _score(self, rows: Matrix) -> FloatArray:
        return self._estimator.log_odds(rows) if len(rows) else np.zeros(0)

    def _score_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        return self._estimator.parts(rows)
