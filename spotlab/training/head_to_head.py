"""Two models on the same rows: paired differences, curves and where they disagree.

Training floor: pure. The rows of a block rise and fall together, so whole blocks are drawn, and
the same ones for both models. A draw counts every row as often as its block was drawn, which needs
no sorting: a thousand draws over 20,000 rows take a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import Cancelled, InvalidInput
from spotlab.training.scores import ReliabilityBin, Scores, reliability, scores

FloatArray = NDArray[np.float64]

MEASURES: Final = ("auc", "pr_auc", "brier")
DRAWS: Final = 1000
MOST_ROWS: Final = 200
"""How many rows are listed where the two disagree most."""
FEW_BLOCKS: Final = 8
"""With fewer blocks than this an interval says little, and the comparison says so."""


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second, with the 95 % interval of a paired bootstrap over blocks.

    Args:
        value, low, high: NaN where one outcome is missing.
    """

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision at each recall, recall rising."""

    recall: FloatArray
    precision: FloatArray


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models said about the same rows.

    Args:
        names: of the two.
        rows: rows that both gave a forecast for.
        refused: rows that at least one of them refused; they are in no figure.
        blocks: how many blocks were drawn from.
        base_rate: share of yes.
        scores: of each.
        differences: by MEASURES.
        reliability: table of each.
        curves: precision and recall of each.
        disagreements: places of the rows where the forecasts differ most, largest first.
    """

    names: tuple[str, str]
    rows: int
    refused: int
    blocks: int
    base_rate: float
    scores: tuple[Scores, Scores]
    differences: Mapping[str, Difference]
    reliability: tuple[tuple[ReliabilityBin, ...], tuple[ReliabilityBin, ...]]
    curves: tuple[Curve, Curve]
    disagreements: NDArray[np.intp]


def compare(
    names: tuple[str, str],
    outcome: FloatArray,
    first: FloatArray,
    second: FloatArray,
    blocks: Sequence[Any] | NDArray[Any],
    *,
    seed: int = 7,
    draws: int = DRAWS,
    progress: Callable[[str, float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare two models' forecasts of the same rows.

    Args:
        names: of the two.
        outcome: (n,) 0 or 1.
        first, second: (n,) forecasts 0..1; NaN where the model refused the row.
        blocks: (n,) what is drawn as a whole, such as the day.
        seed, draws: of the bootstrap.
        progress: told what is being done, and the share done.
        cancelled: asked between draws.
    Raises:
        InvalidInput: no row that both forecast, or all with one outcome.
        Cancelled: was asked to stop.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    place = np.flatnonzero(both)
    seen, one, other = outcome[both], first[both], second[both]
    if not len(seen) or seen.min() == seen.max():
        raise InvalidInput(
            f"{names[0]} and {names[1]} have {len(seen):,} rows in common, "
            + ("none" if not len(seen) else "all with the same outcome")
            + ".",
            remedy="Choose data in which something happened, and that both models take.",
        )
    labels, member = np.unique(np.asarray(blocks)[both], return_inverse=True)
    ranked = (_Ranked(seen, one), _Ranked(seen, other))
    drawn = _differences(seen, ranked, member, len(labels), seed, draws, progress, cancelled)
    apart = np.abs(one - other)
    most = np.argsort(-apart, kind="stable")[:MOST_ROWS]
    return Comparison(
        names=names,
        rows=len(seen),
        refused=int((~both).sum()),
        blocks=len(labels),
        base_rate=float(seen.mean()),
        scores=(scores(seen, one), scores(seen, other)),
        differences=drawn,
        reliability=(reliability(seen, one), reliability(seen, other)),
        curves=(ranked[0].curve(), ranked[1].curve()),
        disagreements=place[most[apart[most] > 0.0]],
    )


class _Ranked:
    """One model's rows in the order of its forecast, so that a weighted score needs no sorting."""

    def __init__(self, outcome: FloatArray, forecast: FloatArray) -> None:
        self._order = np.argsort(-forecast, kind="stable")
        falling = forecast[self._order]
        self._starts = np.r_[0, np.flatnonzero(np.diff(falling)) + 1]
        self._yes = outcome[self._order]
        self._error = (forecast - outcome) ** 2

    def auc(self, weight: FloatArray) -> float:
        """P(a yes is forecast higher than a no), ties counting half."""
        yes, no = self._counts(weight)
        above = np.cumsum(no)
        pairs = float(np.sum(yes)) * float(np.sum(no))
        lower = above[-1] - above
        return float(np.sum(yes * (lower + 0.5 * no)) / pairs) if pairs else float("nan")

    def pr_auc(self, weight: FloatArray) -> float:
        """Average precision."""
        yes, no = self._counts(weight)
        hits = np.cumsum(yes)
        if not hits[-1]:
            return float("nan")
        alarms = hits + np.cumsum(no)
        precision = np.divide(hits, alarms, out=np.zeros_like(hits), where=alarms > 0.0)
        return float(np.sum(yes * precision) / hits[-1])

    def brier(self, weight: FloatArray) -> float:
        """Mean squared error."""
        return float(np.sum(weight * self._error) / np.sum(weight))

    def curve(self) -> Curve:
        """Precision at each recall."""
        yes, no = self._counts(np.ones(len(self._order)))
        hits = np.cumsum(yes)
        return Curve(hits / hits[-1], hits / (hits + np.cumsum(no)))

    def _counts(self, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted yes and no of each distinct forecast, highest first."""
        ordered = weight[self._order]
        yes = np.add.reduceat(ordered * self._yes, self._starts)
        return yes, np.add.reduceat(ordered, self._starts) - yes


def _differences(
    outcome: FloatArray,
    ranked: tuple[_Ranked, _Ranked],
    member: NDArray[np.intp],
    blocks: int,
    seed: int,
    draws: int,
    progress: Callable[[str, float], None] | None,
    cancelled: Callable[[], bool] | None,
) -> dict[str, Difference]:
    rng = np.random.default_rng(seed)
    whole = _gaps(ranked, np.ones(len(outcome)))
    drawn = np.empty((draws, len(MEASURES)))
    for number in range(draws):
        if cancelled is not None and cancelled():
            raise Cancelled("The comparison was stopped.")
        if progress is not None and number % 50 == 0:
            progress(f"draw {number:,} of {draws:,}", number / draws)
        times = np.bincount(rng.integers(blocks, size=blocks), minlength=blocks)
        drawn[number] = _gaps(ranked, times[member].astype(np.float64))
    if blocks < 2:
        drawn[:] = np.nan
    return {name: Difference(whole[i], *_ends(drawn[:, i])) for i, name in enumerate(MEASURES)}


def _gaps(ranked: tuple[_Ranked, _Ranked], weight: FloatArray) -> list[float]:
    one, other = ranked
    return [
        one.auc(weight) - other.auc(weight),
        one.pr_auc(weight) - other.pr_auc(weight),
        one.brier(weight) - other.brier(weight),
    ]


def _ends(values: FloatArray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
