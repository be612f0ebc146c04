"""Adapters that make LightGBM models, scikit-learn models and rules `RiskModel`s.

LightGBM, scikit-learn and shap are imported inside functions: importing LightGBM alone takes 0.2
to 1 s, and a screen that scores nothing should not wait for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.domain.risk import hazard_from_monthly_rate
from spotlab.errors import ArtefactRefused
from spotlab.inference import calibration, calibrators
from spotlab.inference.boosters import ValidatedBooster
from spotlab.inference.card import Card, CardSpec
from spotlab.inference.estimators import Estimator, open_estimator
from spotlab.inference.input_checks import CheckedInput, require_same_features, scatter_accepted
from spotlab.inference.rules import parse_table
from spotlab.inference.tree_limits import TreeLimits

FloatArray = NDArray[np.float64]


class CheckedModel(CheckedInput, ABC):
    """A RiskModel that refuses rows its card does not allow.

    Args:
        card: parsed and consistent.
        digest: SHA-256 over the artefact's checksums file.
    Raises:
        ArtefactRefused: the card is for another task.
    """

    def __init__(self, card: Card, digest: str) -> None:
        super().__init__(card, digest)
        if not isinstance(card.spec, CardSpec):
            raise ArtefactRefused(f"card.json: task {card.spec.task} has no monthly rate")
        self._spec = card.spec

    def hazard_per_hour(self, matrix: Matrix) -> FloatArray:
        """(n,) hazard of each row; NaN for a refused row. See `RiskModel`."""
        return self.hazard_of(self.raw_score(matrix))

    def hazard_of(self, raw_score: FloatArray) -> FloatArray:
        """(n,) hazard of each raw score."""
        return hazard_from_monthly_rate(calibration.monthly_rate(self._spec, raw_score))

    def monthly_rate(self, matrix: Matrix) -> FloatArray:
        """(n,) monthly interruption rate of each row, 0..1; NaN for a refused row."""
        return calibration.monthly_rate(self._spec, self.raw_score(matrix))

    def raw_score(self, matrix: Matrix) -> FloatArray:
        """(n,) log-odds of each rate's position (see `calibration`); NaN for a refused row."""
        accepted, rows = self._accepted_rows(matrix)
        score = self._score(rows)
        return scatter_accepted(accepted, calibration.rate_score(self._spec, score, rows))

    def high_bucket_probability(self, matrix: Matrix) -> FloatArray:
        """(n,) P(next advisor bucket >= 3) of each row; NaN for a refused row."""
        accepted, rows = self._accepted_rows(matrix)
        score = self._score(rows)
        return scatter_accepted(
            accepted, calibration.high_bucket_probability(self._spec, score, rows)
        )

    def contributions(self, matrix: Matrix) -> tuple[Matrix, FloatArray]:
        """Log-odds of each feature, and the base; they add up to `raw_score`. See `RiskModel`.

        The change of the score by a fresh bucket is attributed to the bucket. The base contains
        the level correction of a bucket that was just read; the rest of the correction, for an
        older or unknown bucket, is attributed to the bucket's age.
        """
        accepted, rows = self._accepted_rows(matrix)
        scores = None if self._spec.persistence is None else self._scores(rows)
        parts, base = self._contributions(rows, scores)
        return scatter_accepted(accepted, parts), scatter_accepted(accepted, base)

    def explained(self, matrix: Matrix) -> tuple[Matrix, FloatArray, FloatArray]:
        """`contributions` and `raw_score`, for which the model is asked once."""
        accepted, rows = self._accepted_rows(matrix)
        scores = self._scores(rows)
        parts, base = self._contributions(rows, scores)
        return (
            scatter_accepted(accepted, parts),
            scatter_accepted(accepted, base),
            scatter_accepted(accepted, scores[1]),
        )

    def _scores(self, rows: Matrix) -> tuple[FloatArray, FloatArray]:
        """The model's scores of accepted rows, and `raw_score`."""
        score = self._score(rows)
        return score, calibration.rate_score(self._spec, score, rows)

    def _contributions(
        self, rows: Matrix, scores: tuple[FloatArray, FloatArray] | None
    ) -> tuple[Matrix, FloatArray]:
        """Contributions and bases of accepted rows; `scores` are needed if buckets persist."""
        parts, base = self._score_contributions(rows)
        parts, base = calibrators.spread_contributions(self._spec.calibration.rate, parts, base)
        rule = self._spec.persistence
        if rule is not None and scores is not None:
            persistence, age, fresh_level = calibration.rate_score_contributions(
                self._spec, rule, *scores, rows
            )
            parts[:, self.feature_names.index(rule.bucket_feature)] += persistence
            parts[:, self.feature_names.index(rule.age_feature)] += age
            base = base + fresh_level
        return parts, base

    @abstractmethod
    def _score(self, rows: Matrix) -> FloatArray:
        """(n,) raw scores of the model itself, in log-odds, of accepted rows."""

    @abstractmethod
    def _score_contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        """(n, f) contributions and (n,) bases that add up to `_score`."""


class LightGBMRisk(CheckedModel):
    """A LightGBM booster in its text format.

    Args:
        card: its card.
        model: the booster's text.
        digest: SHA-256 over the artefact's checksums file.
        limits: largest size of its trees; None: the defaults.
    Raises:
        ArtefactRefused: the text is not a valid booster, or its features are not the card's.
    """

    def __init__(
        self, card: Card, model: bytes, digest: str, limits: TreeLimits | None = None
    ) -> None:
        super().__init__(card, digest)
        self._booster = ValidatedBooster(model, card.feature_names, limits)

    def _score(self, rows: Matrix) -> FloatArray:
        return self._booster.raw_score(rows)

    def _score_contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        parts = self._booster.contributions(rows)
        return parts[:, :-1].copy(), parts[:, -1].copy()


class SklearnRisk(CheckedModel):
    """A scikit-learn estimator in skops format, built from types on an allow-list.

    Raises:
        ArtefactRefused: a type is not on the list, or the features are not the card's.
    """

    def __init__(self, card: Card, model: bytes, digest: str) -> None:
        super().__init__(card, digest)
        typical = np.array([np.nan if f.typical is None else f.typical for f in card.spec.features])
        self._estimator: Estimator = open_estimator(model, typical)
        require_same_features(card.feature_names, self._estimator.feature_names)

    def _score(self, rows: Matrix) -> FloatArray:
        return self._estimator.log_odds(rows) if len(rows) else np.zeros(0)

    def _score_contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        return self._estimator.contributions(rows)


class RuleRisk(CheckedModel):
    """A rule: a table of one feature.

    Raises:
        ArtefactRefused: the rule is not valid, or its feature is not the card's.
    """

    def __init__(self, card: Card, model: bytes, digest: str) -> None:
        super().__init__(card, digest)
        self._rule = parse_table(model, card.feature_names)
        self._column = card.feature_names.index(self._rule.feature)

    def _score(self, rows: Matrix) -> FloatArray:
        return self._rule.score(rows[:, self._column])

    def _score_contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        base = np.full(len(rows), self._rule.unknown)
        parts = np.zeros_like(rows)
        parts[:, self._column] = self._score(rows) - base
        return parts, base
