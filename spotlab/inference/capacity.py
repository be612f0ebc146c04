"""Capacity models: P(capacity lost within a horizon | available now).

Each horizon h in the card (a knot) has its own logistic term and its own calibration. One booster,
whose last column is ln(h), corrects the shorter horizons:

    score_h = intercept_h + sum of weight_h,i * z_i + trees(x, ln h)
    calibrated_h = calibration_h(score_h)

where z_i is the feature on its scale, clipped to the range seen in training, centred and divided
by its spread. Between knots, the calibrated log-odds is linear in ln(horizon). A longer horizon
never has a lower risk: each knot uses the highest log-odds of the knots up to it. Below the first
knot the hazard is constant; beyond the last knot it equals the hazard between the last two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference import calibrators
from spotlab.inference.boosters import ValidatedBooster
from spotlab.inference.card import CAPACITY, RULE, CapacityColumn, CapacitySpec, Card
from spotlab.inference.input_checks import CheckedInput, scatter_accepted
from spotlab.inference.rules import check_logistic
from spotlab.inference.tree_limits import TreeLimits

FloatArray = NDArray[np.float64]


class CapacityModel(CheckedInput):
    """A capacity model: logistic terms from its card, trees from LightGBM's text format.

    A rule has logistic terms only.

    Args:
        card: a card of the task capacity.
        model: the booster's text, or a rule.
        digest: SHA-256 over the artefact's checksums file.
        limits: largest size of its trees; None: the defaults.
    Raises:
        ArtefactRefused: the card is for another task, or the trees do not match it.
    """

    def __init__(
        self, card: Card, model: bytes, digest: str, limits: TreeLimits | None = None
    ) -> None:
        super().__init__(card, digest)
        if not isinstance(card.spec, CapacitySpec):
            raise ArtefactRefused(f"card.json: task {card.spec.task} is not {CAPACITY}")
        self._spec = card.spec
        if card.spec.kind == RULE:
            check_logistic(model, card.feature_names)
            return
        columns = (*card.feature_names, card.spec.horizon_feature)
        self._booster = ValidatedBooster(model, columns, limits)

    @property
    def horizons_h(self) -> tuple[float, ...]:
        """Horizons at which it was fitted, increasing; others are interpolated."""
        return tuple(knot.horizon_h for knot in self._spec.knots)

    def loss_probability(self, matrix: Matrix, horizon_h: float) -> FloatArray:
        """P(capacity lost within the horizon), given that it is available now.

        Args:
            matrix: (n, f) features in the order of `feature_names`; NaN is unknown.
            horizon_h: hours, above 0.
        Returns:
            (n,) 0..1, non-decreasing in the horizon; NaN for a row outside the card's bounds.
        Raises:
            InvalidInput: the matrix has the wrong shape or type, or the horizon is not above 0.
        """
        accepted = self._accepted(matrix)
        place = self._position(horizon_h)
        levels = self._levels(matrix[accepted], place.last)
        return scatter_accepted(accepted, place.probability(levels))

    def hazard_per_hour(self, matrix: Matrix) -> FloatArray:
        """(n,) mean hazard of losing capacity over the next hour; NaN for a refused row."""
        return _cumulative_hazard(self.loss_probability(matrix, 1.0))

    def contributions(self, matrix: Matrix, horizon_h: float) -> tuple[Matrix, FloatArray]:
        """Contribution of each feature to the log-odds of `loss_probability`, and the base.

        Args:
            matrix, horizon_h: as for `loss_probability`.
        Returns:
            (n, f) contributions and (n,) bases that add up to the log-odds; NaN for a refused row.
        """
        accepted = self._accepted(matrix)
        rows = matrix[accepted]
        place = self._position(horizon_h)
        knots = range(place.last + 1)
        levels = self._levels(rows, place.last)
        log_odds = calibrators.logit(place.probability(levels))
        explained = np.stack([self._knot_contributions(rows, knot) for knot in knots])
        low, high = (_argmax_until(levels, knot) for knot in (place.first, place.last))
        each = np.arange(len(rows))
        parts = (1.0 - place.share) * explained[low, each] + place.share * explained[high, each]
        return scatter_accepted(accepted, parts), scatter_accepted(
            accepted, log_odds - parts.sum(axis=1)
        )

    def _levels(self, rows: Matrix, last: int) -> FloatArray:
        """(last + 1, n) calibrated log-odds of each knot, before they are made non-decreasing."""
        alone = self._without_others(rows)
        values = scaled_features(rows, self._spec.columns)
        levels = np.empty((last + 1, len(rows)))
        for number, knot in enumerate(self._spec.knots[: last + 1]):
            score = self._linear(values, alone, number).sum(axis=1) + self._intercepts(
                alone, number
            )
            if knot.trees:
                score += self._tree_scores(rows, knot.horizon_h, contributions=False)
            levels[number] = calibrators.apply(knot.calibration, score)
        return levels

    def _knot_contributions(self, rows: Matrix, number: int) -> Matrix:
        """(n, f) contributions to a knot's calibrated log-odds."""
        knot = self._spec.knots[number]
        alone = self._without_others(rows)
        parts = self._linear(scaled_features(rows, self._spec.columns), alone, number)
        base = self._intercepts(alone, number)
        if knot.trees:
            trees = self._tree_scores(rows, knot.horizon_h, contributions=True)
            parts = parts + trees[:, : len(self._low)]
            base = base + trees[:, len(self._low) :].sum(axis=1)
        return calibrators.spread_contributions(knot.calibration, parts, base)[0]

    def _without_others(self, rows: Matrix) -> NDArray[np.bool_]:
        of_others = [column.of_others for column in self._spec.columns]
        return np.asarray(np.isnan(rows[:, of_others]).all(axis=1))

    def _linear(self, values: Matrix, alone: NDArray[np.bool_], number: int) -> Matrix:
        knot = self._spec.knots[number]
        weights = np.where(alone[:, None], knot.alone[1:], knot.with_others[1:])
        return np.asarray(values * weights, dtype=np.float64)

    def _intercepts(self, alone: NDArray[np.bool_], number: int) -> FloatArray:
        knot = self._spec.knots[number]
        return np.where(alone, knot.alone[0], knot.with_others[0])

    def _tree_scores(self, rows: Matrix, horizon_h: float, *, contributions: bool) -> FloatArray:
        matrix = with_horizon(rows, horizon_h)
        predict = self._booster.contributions if contributions else self._booster.raw_score
        return predict(matrix)

    def _position(self, horizon_h: float) -> _KnotPosition:
        if not 0.0 < horizon_h < np.inf:
            raise InvalidInput(
                f"The horizon of {horizon_h} h is not above 0.", remedy="Enter hours above 0."
            )
        return _KnotPosition.of(horizon_h, self.horizons_h)


@dataclass(frozen=True, slots=True)
class _KnotPosition:
    """The position of a horizon among the knots.

    Args:
        first, last: numbers of the knots around it; equal below the first knot.
        share: position between `first` and `last`, 0..1.
        below: horizon / first knot if it is below the first knot, otherwise 1.
        beyond: hours beyond the last knot / hours between the last two knots, otherwise 0.
    """

    first: int
    last: int
    share: float
    below: float = 1.0
    beyond: float = 0.0

    @classmethod
    def of(cls, horizon_h: float, knots_h: tuple[float, ...]) -> _KnotPosition:
        end = len(knots_h) - 1
        if horizon_h <= knots_h[0]:
            return cls(0, 0, 0.0, below=horizon_h / knots_h[0])
        if horizon_h > knots_h[-1]:
            beyond = (horizon_h - knots_h[-1]) / (knots_h[-1] - knots_h[-2])
            return cls(end - 1, end, 1.0, beyond=beyond)
        last = int(np.searchsorted(knots_h, horizon_h))
        low, high = knots_h[last - 1], knots_h[last]
        return cls(last - 1, last, float(np.log(horizon_h / low) / np.log(high / low)))

    def probability(self, levels: FloatArray) -> FloatArray:
        """(n,) probabilities from the knots' (last + 1, n) log-odds."""
        non_decreasing = np.maximum.accumulate(levels, axis=0)
        low, high = non_decreasing[self.first], non_decreasing[self.last]
        probability = calibrators.sigmoid((1.0 - self.share) * low + self.share * high)
        if self.below == 1.0 and self.beyond == 0.0:
            return probability
        hazard = _cumulative_hazard(probability)
        step = hazard - _cumulative_hazard(calibrators.sigmoid(low))
        return np.asarray(-np.expm1(-(hazard * self.below + step * self.beyond)), dtype=np.float64)


def scaled_features(rows: Matrix, columns: tuple[CapacityColumn, ...]) -> Matrix:
    """(n, f) inputs of the logistic term; 0 where a feature is unknown."""
    values = np.empty_like(rows)
    for number, column in enumerate(columns):
        scaled = scaled_feature(rows[:, number], column.scale, column.offset)
        values[:, number] = (
            np.clip(scaled, column.low, column.high) - column.centre
        ) / column.spread
    return np.nan_to_num(values, nan=0.0)


def scaled_feature(values: FloatArray, kind: str, offset: float) -> FloatArray:
    """A feature on the scale of a `CapacityColumn`."""
    if kind == "log":
        return np.asarray(np.log(values + offset), dtype=np.float64)
    if kind == "log_odds":
        return np.asarray(np.log((values + offset) / (1.0 - values + offset)), dtype=np.float64)
    return values


def with_horizon(rows: Matrix, horizon_h: float) -> Matrix:
    """The rows with ln(horizon in hours) as their last column, as the trees expect them."""
    return np.column_stack([rows, np.full(len(rows), np.log(horizon_h))])


def _argmax_until(levels: FloatArray, knot: int) -> NDArray[np.intp]:
    """(n,) number of the first knot with the highest log-odds, among the knots up to `knot`."""
    return np.asarray(np.argmax(levels[: knot + 1], axis=0), dtype=np.intp)


def _cumulative_hazard(probability: FloatArray) -> FloatArray:
    return np.asarray(-np.log1p(-np.minimum(probability, 1.0 - 1e-12)), dtype=np.float64)
