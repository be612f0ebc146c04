"""Rows that capacity models learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.domain.traces import TracePanel
from spotlab.errors import InvalidInput
from spotlab.features.capacity_model.features import compute_capacity
from spotlab.training.capacity import recipe
from spotlab.training.capacity.rows import capacity_rows, sample_every

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class HorizonRows:
    """Rows of one horizon to learn from.

    Args:
        horizon_h: hours.
        matrix: (n, f) features.
        label: (n,) 1.0 where capacity was lost within the horizon.
        time: (n,) when, as a share of the campaign, 0..1.
        span: the horizon, as that share.
        sampled: (n,) rows of the first sampling phase: a third of them where three ticks make ten
            minutes. The others are as good to learn from but nearly the same.
    """

    horizon_h: float
    matrix: Matrix
    label: FloatArray
    time: FloatArray
    span: FloatArray
    sampled: Mask

    def take(self, rows: Mask) -> HorizonRows:
        """Some of the rows."""
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
    """Every row that panels have to teach, a lesson a horizon.

    Args:
        parts: panels, and the hour of each up to which it may be learned from, labels included.
        pools: columns of each panel that may be learned from; None: all.
    Raises:
        InvalidInput: a horizon has no row, or one outcome only.
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
    """Masks a lesson: rows before a part of the time, purged by the horizon, and rows inside it."""
    for part in range(recipe.FIRST_TEST_PART, recipe.TIME_PARTS):
        low, high = part / recipe.TIME_PARTS, (part + 1) / recipe.TIME_PARTS
        train = [x.time + x.span <= low for x in training]
        test = [(x.time >= low) & ((x.time < high) | (part + 1 == recipe.TIME_PARTS)) for x in training]
        learnable = [
            m.any() and 0.0 < x.label[m].mean() < 1.0 for x, m in zip(training, train, strict=True)
        ]
        if all(learnable):
            yield train, test


def _phases(
    panel: TracePanel, horizon_h: float, end_h: float, pools: Sequence[int] | None
) -> Iterator[tuple[Rows, Rows, FloatArray, bool]]:
    """Ticks, pools and labels of every way to sample the panel's ticks."""
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
    usable = [lesson for lesson in horizons if 0.0 < lesson.label.mean() < 1.0]
    if len(usable) < 2 or usable[0].horizon_h > recipe.TREES_UP_TO_H:
        raise InvalidInput(
            "These traces teach too little: no two horizons have rows of both outcomes.",
            remedy="Give traces of several days in which capacity comes and goes.",
        )
    return usable
