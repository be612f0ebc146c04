"""Training rows of capacity models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.features import Matrix
from spotlab.errors import InvalidInput
from spotlab.features.capacity_model.features import compute_capacity
from spotlab.training.capacity import recipe
from spotlab.training.capacity.rows import capacity_rows, sample_every

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class HorizonRows:
    """Training rows of one horizon.

    Args:
        horizon_h: hours.
        matrix: (n, f) features.
        label: (n,) 1.0 if capacity was lost within the horizon, else 0.0.
        time: (n,) time of the row as a share of the campaign, 0..1.
        span: (n,) the horizon as a share of the campaign.
        sampled: (n,) rows of the first sampling phase: a third of them if three ticks make ten
            minutes. The others are valid training rows too, but nearly the same.
    """

    horizon_h: float
    matrix: Matrix
    label: FloatArray
    time: FloatArray
    span: FloatArray
    sampled: Mask

    def take(self, rows: Mask) -> HorizonRows:
        """A subset of the rows."""
        return HorizonRows(
            self.horizon_h,
            self.matrix[rows],
            self.label[rows],
            self.time[rows],
            self.span[rows],
            self.sampled[rows],
        )


def training_rows(
    parts: Sequence[tuple[TracePanel, float]], pools: Sequence[Sequence[int]] | None = None
) -> list[HorizonRows]:
    """All training rows of panels, by horizon.

    Args:
        parts: panels, each with the hour at which training data ends, labels included.
        pools: columns of each panel that may be used; None: all.
    Raises:
        InvalidInput: fewer than two horizons have rows of both outcomes, or no short one does.
    """
    frames = [compute_capacity(panel) for panel, _ in parts]
    horizons = []
    for horizon_h in recipe.HORIZONS_H:
        pieces = [
            (frame.rows(tick, pool), label, panel.elapsed_h[tick] / end_h, horizon_h / end_h, first)
            for number, ((panel, end_h), frame) in enumerate(zip(parts, frames, strict=True))
            for tick, pool, label, first in _phases(
                panel, horizon_h, end_h, None if pools is None else pools[number]
            )
        ]
        if pieces:
            horizons.append(_concatenated(horizon_h, pieces))
    return _usable(horizons)


def walk_forward(training: Sequence[HorizonRows]) -> Iterator[tuple[list[Mask], list[Mask]]]:
    """For each test part of the time, masks of training rows (purged by the horizon) and test rows.

    Each list has one mask per horizon. Parts without training rows of both outcomes are skipped.
    """
    for part in range(recipe.FIRST_TEST_PART, recipe.TIME_PARTS):
        low, high = part / recipe.TIME_PARTS, (part + 1) / recipe.TIME_PARTS
        train = [x.time + x.span <= low for x in training]
        test = [
            (x.time >= low) & ((x.time < high) | (part + 1 == recipe.TIME_PARTS)) for x in training
        ]
        learnable = [
            m.any() and 0.0 < x.label[m].mean() < 1.0 for x, m in zip(training, train, strict=True)
        ]
        if all(learnable):
            yield train, test


def _phases(
    panel: TracePanel, horizon_h: float, end_h: float, pools: Sequence[int] | None
) -> Iterator[tuple[Rows, Rows, FloatArray, bool]]:
    """Ticks, pools and labels of each sampling phase, and whether it is the first."""
    if horizon_h * 3600.0 < panel.gap_s:
        return
    for phase in range(sample_every(panel.gap_s, horizon_h)):
        later = replace(panel, elapsed_h=panel.elapsed_h[phase:], available=panel.available[phase:])
        try:
            rows = capacity_rows(later, horizon_h)
        except InvalidInput:
            continue
        valid = rows.elapsed_h + horizon_h <= end_h + 1e-9
        if pools is not None:
            valid &= np.isin(rows.pool, list(pools))
        yield rows.tick[valid] + phase, rows.pool[valid], rows.label[valid], phase == 0


def _concatenated(horizon_h: float, pieces: Sequence[tuple[Any, ...]]) -> HorizonRows:
    return HorizonRows(
        horizon_h,
        np.concatenate([piece[0] for piece in pieces]),
        np.concatenate([piece[1] for piece in pieces]),
        np.concatenate([piece[2] for piece in pieces]),
        np.concatenate([np.full(len(piece[1]), piece[3]) for piece in pieces]),
        np.concatenate([np.full(len(piece[1]), piece[4]) for piece in pieces]),
    )


def _usable(horizons: list[HorizonRows]) -> list[HorizonRows]:
    usable = [horizon for horizon in horizons if 0.0 < horizon.label.mean() < 1.0]
    if len(usable) < 2 or usable[0].horizon_h > recipe.TREES_UP_TO_H:
        raise InvalidInput(
            "These traces have too little training data: no two horizons have rows of both "
            "outcomes.",
            remedy="Use traces of several days in which capacity is lost and regained.",
        )
    return usable
