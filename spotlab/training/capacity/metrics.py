"""Evaluation of the capacity recipe on held-out time or pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import InvalidInput
from spotlab.training.capacity import recipe
from spotlab.training.capacity.baselines import fit_baselines, forecast_baselines
from spotlab.training.capacity.evaluation import Forecast
from spotlab.training.capacity.rows import CapacityRows, capacity_rows
from spotlab.training.evaluation_report import assess

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

Trainer = Callable[[Sequence[tuple[TracePanel, float]], Sequence[Sequence[int]] | None], Forecast]

POOL_FOLDS: Final = 5

_REMEDY: Final = "Use time:0.6 (or another share), group:pool or none."


@dataclass(frozen=True, slots=True)
class CapacitySplit:
    """How training and test data of a capacity model are split.

    Args:
        by: "time", "pool" or "none".
        share: for "time", the share of the time used for training.
    """

    by: Literal["time", "pool", "none"]
    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> CapacitySplit:
        """Read "time:0.6", "group:pool" or "none".

        Raises:
            InvalidInput: the text is none of these.
        """
        if text == "none":
            return cls("none")
        if text == "group:pool":
            return cls("pool")
        kind, _, number = text.partition(":")
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if kind != "time" or not 0.0 < share < 1.0:
            raise InvalidInput(f"Split {text!r} is unknown.", remedy=_REMEDY)
        return cls("time", share)

    def __str__(self) -> str:
        return {"time": f"time:{self.share:g}", "pool": "group:pool", "none": "none"}[self.by]

    @property
    def fits(self) -> int:
        """Number of fits needed for the test."""
        return {"time": 1, "pool": POOL_FOLDS, "none": 0}[self.by]


def measure(
    panels: Sequence[TracePanel], split: CapacitySplit, train: Trainer, seed: int
) -> Document:
    """Evaluate the recipe, compared with baselines fitted on the same rows; figures by horizon.

    Args:
        panels: campaigns.
        split: the held-out data.
        train: fits on panels up to a given hour, and optionally on a subset of their pools.
        seed: of the intervals.
    """
    if split.by == "none":
        return {}
    tests = _by_time(panels, split.share, train) if split.by == "time" else _by_pool(panels, train)
    return {f"{h:g} h": _assess_horizon(tests, h, seed) for h in recipe.MEASURED_H}


@dataclass(frozen=True, slots=True)
class _TestPanel:
    """A panel with a fitted recipe, and masks of its training and test rows.

    Args:
        campaign: number of the panel.
        panel: the panel.
        forecast: of the fitted recipe.
        train_mask: rows of one horizon that the recipe was fitted on.
        test_mask: held-out rows of one horizon.
    """

    campaign: int
    panel: TracePanel
    forecast: Forecast
    train_mask: Callable[[TracePanel, CapacityRows], NDArray[np.bool_]]
    test_mask: Callable[[CapacityRows], NDArray[np.bool_]]


def _by_time(panels: Sequence[TracePanel], share: float, train: Trainer) -> list[_TestPanel]:
    ends = [share * float(panel.elapsed_h[-1]) for panel in panels]
    forecast = train(list(zip(panels, ends, strict=True)), None)

    def train_mask(panel: TracePanel, rows: CapacityRows) -> NDArray[np.bool_]:
        return rows.elapsed_h + rows.horizon_h <= share * float(panel.elapsed_h[-1]) + 1e-9

    return [
        _TestPanel(number, panel, forecast, train_mask, lambda rows, end=end: rows.elapsed_h >= end)  # type: ignore[misc]
        for number, (panel, end) in enumerate(zip(panels, ends, strict=True))
    ]


def _by_pool(panels: Sequence[TracePanel], train: Trainer) -> list[_TestPanel]:
    pools = [(number, place) for number, p in enumerate(panels) for place in range(len(p.names))]
    if len(pools) < POOL_FOLDS:
        raise InvalidInput(
            f"{len(pools)} pools cannot be split into {POOL_FOLDS} groups.",
            remedy="Use --split time:0.6, or more traces.",
        )
    tests = []
    for fold in range(POOL_FOLDS):
        test_pools = [
            [place for i, (n, place) in enumerate(pools) if n == number and i % POOL_FOLDS == fold]
            for number in range(len(panels))
        ]
        train_pools = [
            [place for place in range(len(panel.names)) if place not in tested]
            for panel, tested in zip(panels, test_pools, strict=True)
        ]
        forecast = train([(panel, float(panel.elapsed_h[-1])) for panel in panels], train_pools)
        tests += [
            _pool_test(number, panel, forecast, held)
            for number, (panel, held) in enumerate(zip(panels, test_pools, strict=True))
            if held
        ]
    return tests


def _pool_test(
    number: int, panel: TracePanel, forecast: Forecast, test_pools: list[int]
) -> _TestPanel:
    def train_mask(_panel: TracePanel, rows: CapacityRows) -> NDArray[np.bool_]:
        return ~np.isin(rows.pool, test_pools)

    return _TestPanel(
        number, panel, forecast, train_mask, lambda rows: np.isin(rows.pool, test_pools)
    )


def _assess_horizon(tests: Sequence[_TestPanel], horizon_h: float, seed: int) -> Document:
    labels, forecasts, blocks, names = [], [], [], []
    baselines: dict[str, list[FloatArray]] = {}
    for test in tests:
        rows = capacity_rows(test.panel, horizon_h)
        tested = test.test_mask(rows)
        labels.append(rows.label[tested])
        blocks.append(rows.campaign_block(test.campaign)[tested])
        names.append(np.array(test.panel.names)[rows.pool[tested]])
        forecasts.append(test.forecast(test.panel, rows)[tested])
        fitted = fit_baselines([(test.panel, rows.take(test.train_mask(test.panel, rows)))])
        for name, forecast in forecast_baselines(fitted, test.panel, rows).items():
            baselines.setdefault(name, []).append(forecast[tested])
    pool_names = np.concatenate(names)
    return assess(
        np.concatenate(labels),
        np.concatenate(forecasts),
        np.concatenate(blocks),
        {name: np.concatenate(parts) for name, parts in baselines.items()},
        [(str(name), pool_names == name) for name in np.unique(pool_names)],
        seed=seed,
    )
