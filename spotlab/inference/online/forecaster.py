"""The online forecast: experts, their recalibrations, their combination and its recalibration.

1. Each expert is recalibrated, and all are combined by one logistic regression, at the levels
   RECALIBRATED_AT: these are further experts.
2. An `Aggregation` weighs all of them.
3. Its forecast is recalibrated; a second `Aggregation` weighs the recalibrations and the forecast
   itself, so that recalibration cannot do harm for long.

Everything learns from a row only when `learn` is told its outcome.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.inference.online.aggregation import Aggregation
from spotlab.inference.online.nodes import ASLEEP, LEVELS, IntArray, NodeTree
from spotlab.inference.online.recalibration import OnlineLogistic, log_odds

FloatArray = NDArray[np.float64]

RECALIBRATED_AT: Final = ("task", "family", "pool")
SCOPES: Final = ("all horizons", "own horizon")
"""Recalibrations share their rows with all horizons, or with the row's horizon only."""
LEVEL_PRIOR: Final = (0.4, 0.2, 0.2, 0.2)
"""Of LEVELS: before any row, the task counts most."""
INTERCEPT_PRECISION: Final = 4.0
SLOPE_PRECISION: Final = 16.0
"""Before any row, a recalibration shifts log-odds by 0 ± 0.5 and scales them by 1 ± 0.25."""
COMBINED_PRECISION: Final = 8.0
"""Of the regression that combines all experts: each weight starts with ± 0.35."""
FORGETTING: Final = 0.002
"""Of what a recalibration learnt, within one horizon: half is forgotten after 350 of them."""
STATE_FORMAT: Final = 1
_FORMAT_KEY: Final = "format"
_LAYOUT_KEY: Final = "layout"


@dataclass(frozen=True, slots=True)
class OnlineForecasts:
    """Forecasts of n rows, with all that is needed to learn from their outcomes later.

    Args:
        nodes: (n, L) nodes of each row.
        experts: (n, K) forecasts of the experts, recalibrated ones included; NaN: none.
        aggregated: (n,) the weighted mean of the experts.
        recalibrated: (n, R) `aggregated` and its recalibrations.
        probability: (n,) the forecast; NaN where no expert has one.
    """

    nodes: IntArray
    experts: FloatArray
    aggregated: FloatArray
    recalibrated: FloatArray
    probability: FloatArray

    def take(self, rows: IntArray | slice) -> OnlineForecasts:
        """A subset of the rows."""
        return OnlineForecasts(
            self.nodes[rows],
            self.experts[rows],
            self.aggregated[rows],
            self.recalibrated[rows],
            self.probability[rows],
        )


class OnlineForecaster:
    """Combines experts, and learns from each outcome when it is known.

    Args:
        tree: nodes at which weights are learnt.
        experts: names; the first is the model that is trusted before any row.
        recalibrated: names of the experts that are recalibrated, and combined by a regression that
            starts as the first of them.
        prior: weight of each expert before any row, which its recalibrations share; the regression
            has that of its first; empty: all are equal.
    """

    def __init__(
        self,
        tree: NodeTree,
        experts: Sequence[str],
        recalibrated: Sequence[str],
        prior: Sequence[float] = (),
    ) -> None:
        self.tree = tree
        self._inputs = [tuple(experts).index(name) for name in recalibrated]
        columns = [
            (scope, level, number * len(LEVELS) + LEVELS.index(level))
            for (number, scope), level in product(enumerate(SCOPES), RECALIBRATED_AT)
        ]
        self._node_columns = [column for _, _, column in columns]
        self._final_columns = [column for scope, _, column in columns if scope == SCOPES[-1]]
        names = [
            f"{name}, recalibrated by {level}, {scope}"
            for scope, level, _ in columns
            for name in recalibrated
        ]
        names += [f"all combined by {level}, {scope}" for scope, level, _ in columns]
        self.experts = (*experts, *names)
        own = np.asarray(prior if len(prior) else np.ones(len(experts)), dtype=np.float64)
        inputs = own[self._inputs]
        self._prior = np.r_[own, np.tile(inputs, len(columns)), np.full(len(columns), inputs[0])]
        size = len(self._inputs)
        self._each = _regression(tree.count * size, 1)
        """Recalibration of one expert at a node: number node * size + expert."""
        self._combined = _regression(tree.count, size)
        self._final = _regression(tree.count, 1)
        levels = LEVEL_PRIOR * len(SCOPES)
        self.recalibrations = 1 + len(self._final_columns)
        self.aggregation = Aggregation(tree.count, self._prior.tolist(), levels)
        self.final = Aggregation(tree.count, np.ones(self.recalibrations).tolist(), levels)

    @property
    def regret_bound(self) -> float:
        """Most that the regret to any one expert on all rows can be, by the rate, without delays.

        The sum of -ln(prior) in both aggregations, at the task's node of the rows' horizon.
        """
        task = LEVEL_PRIOR[0] / len(SCOPES) / sum(LEVEL_PRIOR)
        expert = float(self._prior.min() / self._prior.sum())
        return float(-np.log(expert * task) + np.log(self.recalibrations / task))

    def forecast(self, nodes: IntArray, experts: FloatArray) -> OnlineForecasts:
        """Forecast rows with what has been learnt so far.

        Args:
            nodes: (n, L) nodes of each row, from the tree.
            experts: (n, k) probabilities of the experts in order; NaN: it has none.
        """
        rows = len(experts)
        each = self._each.forecast(*self._each_inputs(nodes, experts))
        combined = self._combined.forecast(*self._combined_inputs(nodes, experts))
        every = np.hstack([experts, each.reshape(rows, -1), combined.reshape(rows, -1)])
        aggregated = self.aggregation.forecast(nodes, every)
        final = self._final.forecast(*self._final_inputs(nodes, aggregated))
        recalibrated = np.column_stack([aggregated, final.reshape(rows, -1)])
        probability = self.final.forecast(nodes, recalibrated)
        return OnlineForecasts(nodes, every, aggregated, recalibrated, probability)

    def learn(self, made: OnlineForecasts, outcome: FloatArray, share: FloatArray) -> None:
        """Take in the outcomes of rows, once they are known.

        Args:
            made: the forecasts of these rows, as they were made.
            outcome: (n,) 0 or 1.
            share: (n,) part of a horizon from one row of the pool to the next, above 0 and up to 1.
        """
        nodes = made.nodes
        self.aggregation.learn(nodes, made.experts, made.aggregated, outcome, share)
        self.final.learn(nodes, made.recalibrated, made.probability, outcome, share)
        for regression, (node, inputs) in (
            (self._each, self._each_inputs(nodes, made.experts)),
            (self._combined, self._combined_inputs(nodes, made.experts)),
            (self._final, self._final_inputs(nodes, made.aggregated)),
        ):
            copies = len(node) // max(len(outcome), 1)
            regression.learn(node, inputs, np.repeat(outcome, copies), np.repeat(share, copies))

    def _each_inputs(self, nodes: IntArray, experts: FloatArray) -> tuple[IntArray, FloatArray]:
        """Node and inputs of each recalibration: rows * columns * experts of them."""
        size = len(self._inputs)
        node = nodes[:, self._node_columns, None]
        number = np.where(node == ASLEEP, ASLEEP, node * size + np.arange(size))
        scores = np.broadcast_to(log_odds(experts[:, None, self._inputs]), number.shape)
        return number.ravel(), _with_constant(scores.reshape(-1, 1))

    def _combined_inputs(self, nodes: IntArray, experts: FloatArray) -> tuple[IntArray, FloatArray]:
        node = nodes[:, self._node_columns]
        scores = np.repeat(log_odds(experts[:, self._inputs]), node.shape[1], axis=0)
        return node.ravel(), _with_constant(scores)

    def _final_inputs(self, nodes: IntArray, aggregated: FloatArray) -> tuple[IntArray, FloatArray]:
        node = nodes[:, self._final_columns]
        scores = np.repeat(log_odds(aggregated), node.shape[1])
        return node.ravel(), _with_constant(scores[:, None])

    def to_bytes(self) -> bytes:
        """All that was learnt, as an archive of arrays."""
        content = io.BytesIO()
        np.savez_compressed(
            content,
            allow_pickle=False,
            **{_FORMAT_KEY: np.array(STATE_FORMAT), _LAYOUT_KEY: np.array(self._layout())},
            **self._arrays(),
        )
        return content.getvalue()

    def restore(self, content: bytes) -> None:
        """Continue from what another forecaster with the same nodes and experts had learnt.

        Args:
            content: from `to_bytes`.
        Raises:
            InvalidInput: it is no such archive, or is of other nodes or experts.
        """
        remedy = "Learn again from the recorded outcomes."
        own = self._arrays()
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as exc:
            raise InvalidInput(f"The saved weights cannot be read: {exc}.", remedy=remedy) from exc
        if int(found.get(_FORMAT_KEY, np.array(0))) != STATE_FORMAT:
            raise InvalidInput("The saved weights have another format.", remedy=remedy)
        if str(found.get(_LAYOUT_KEY, "")) != self._layout():
            raise InvalidInput("The saved weights are of other pools or experts.", remedy=remedy)
        for name, array in own.items():
            if found[name].shape != array.shape or not np.isfinite(found[name]).all():
                raise InvalidInput(f"The saved weights {name!r} are not valid.", remedy=remedy)
        for name, array in own.items():
            array[...] = found[name]

    def _layout(self) -> str:
        horizons = [f"{each:g}" for each in self.tree.horizons_h]
        return "\n".join([*self.experts, *horizons, *self.tree.names])

    def _arrays(self) -> dict[str, FloatArray]:
        """Every array of the state by name; changing one changes the state."""
        arrays = {}
        for name, aggregation in (("experts", self.aggregation), ("recalibrated", self.final)):
            arrays[f"{name} regret"] = aggregation.regret
            arrays[f"{name} losses"] = aggregation.losses
            arrays[f"{name} shares"] = aggregation.shares
        for name, regression in (
            ("each", self._each),
            ("combined", self._combined),
            ("final", self._final),
        ):
            arrays[f"{name} mean"] = regression.mean
            arrays[f"{name} precision"] = regression.precision
        return arrays


def _regression(nodes: int, inputs: int) -> OnlineLogistic:
    """A regression whose forecast is its first input, before any row."""
    if inputs == 1:
        return OnlineLogistic(nodes, (0.0, 1.0), (INTERCEPT_PRECISION, SLOPE_PRECISION), FORGETTING)
    mean = (0.0, 1.0, *[0.0] * (inputs - 1))
    return OnlineLogistic(nodes, mean, (COMBINED_PRECISION,) * (1 + inputs), FORGETTING)


def _with_constant(scores: FloatArray) -> FloatArray:
    return np.hstack([np.ones((len(scores), 1)), scores])
