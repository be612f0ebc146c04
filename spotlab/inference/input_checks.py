"""Checks of a model's input against its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference.card import Card

FloatArray = NDArray[np.float64]


class CheckedInput:
    """A model that refuses rows its card does not allow.

    Args:
        card: parsed and consistent.
        digest: SHA-256 over the artefact's checksums file.
    """

    def __init__(self, card: Card, digest: str) -> None:
        self._card = card
        self.digest = digest
        bounds = [(feature.low, feature.high) for feature in card.spec.features]
        self._feature_names = card.feature_names
        self._low = np.array([-np.inf if low is None else low for low, _ in bounds])
        self._high = np.array([np.inf if high is None else high for _, high in bounds])
        self._nullable = np.array([feature.nullable for feature in card.spec.features])

    @property
    def name(self) -> str:
        """As in the card."""
        return self._card.spec.name

    @property
    def version(self) -> str:
        """As in the card."""
        return self._card.spec.version

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of its input matrix, in order."""
        return self._feature_names

    @property
    def card(self) -> Mapping[str, Any]:
        """The whole of card.json."""
        return self._card.text

    def refusals(self, matrix: Matrix) -> dict[int, str]:
        """The reason for each refused row, by row number; empty if every row is accepted.

        Raises:
            InvalidInput: the matrix is not (n, f) float64.
        """
        invalid = self._invalid_cells(matrix)
        return {
            int(row): "; ".join(
                self._refusal_reason(int(column), float(matrix[row, column]))
                for column in np.flatnonzero(invalid[row])
            )
            for row in np.flatnonzero(invalid.any(axis=1))
        }

    def _refusal_reason(self, column: int, value: float) -> str:
        feature = self._card.spec.features[column]
        if np.isnan(value):
            return f"{feature.name} is unknown, which the model does not accept"
        low, high = self._low[column], self._high[column]
        return f"{feature.name} is {value:g} ({feature.unit}), outside {low:g}..{high:g}"

    def _accepted_rows(self, matrix: Matrix) -> tuple[NDArray[np.bool_], Matrix]:
        """(n,) which rows are accepted, and these rows, read-only."""
        accepted = self._accepted(matrix)
        return accepted, matrix if accepted.all() else matrix[accepted]

    def _accepted(self, matrix: Matrix) -> NDArray[np.bool_]:
        self._check_shape(matrix)
        if self._is_valid(matrix):
            return np.ones(len(matrix), dtype=bool)
        return np.asarray(~self._invalid_cells(matrix).any(axis=1))

    def _is_valid(self, matrix: Matrix) -> bool:
        """Whether every cell is valid: columns are asked for their extremes, without a mask."""
        if not len(matrix):
            return True
        lowest, highest = np.fmin.reduce(matrix, axis=0), np.fmax.reduce(matrix, axis=0)
        if (lowest < self._low).any() or (highest > self._high).any():
            return False
        return not np.isnan(matrix[:, ~self._nullable]).any()

    def _invalid_cells(self, matrix: Matrix) -> NDArray[np.bool_]:
        self._check_shape(matrix)
        outside = (matrix < self._low) | (matrix > self._high)
        return np.asarray(outside | (np.isnan(matrix) & ~self._nullable))

    def _check_shape(self, matrix: Matrix) -> None:
        width = len(self._card.spec.features)
        if matrix.ndim != 2 or matrix.shape[1] != width:
            raise InvalidInput(
                f"{self.name} {self.version} received a matrix of shape {matrix.shape}.",
                remedy=f"It requires {width} columns: {', '.join(self.feature_names)}.",
            )
        if matrix.dtype != np.float64:
            raise InvalidInput(
                f"{self.name} {self.version} received {matrix.dtype} numbers.",
                remedy="It requires float64: rounding can move a value across a tree's threshold.",
            )


def require_same_features(card: tuple[str, ...], model: tuple[str, ...]) -> None:
    """Reject a model whose columns are not those of the card, in the same order.

    Raises:
        ArtefactRefused: names the differences.
    """
    if card == model:
        return
    if sorted(card) == sorted(model):
        problem = "its features are in another order than the card's"
    else:
        only_card = ", ".join(sorted({*card} - {*model})) or "none"
        only_model = ", ".join(sorted({*model} - {*card})) or "none"
        problem = (
            f"it has {len(model)} features, but the card has {len(card)}; only in the card: "
            f"{only_card}; only in the model: {only_model}"
        )
    raise ArtefactRefused(problem, remedy="Use a card and a model from the same training run.")


def scatter_accepted(accepted: NDArray[np.bool_], values: FloatArray) -> FloatArray:
    """The values of the accepted rows in their positions, NaN elsewhere."""
    if accepted.all():
        return values
    scattered = np.full((len(accepted), *values.shape[1:]), np.nan)
    scattered[accepted] = values
    return scattered
