"""The section about losses that come together: P(another is lost soon | one is lost), on traces.

A loss is a probe that finds capacity gone where the probe before found some. For two pools, the
other one must have been available just before; it is lost if a probe within the window finds it
gone. In one pool, nodes are counted: of those available just before, the share that is gone at the
lowest count within the window. Losses of pools that have nothing to do with each other coincide
too, so each figure is set beside the share that is lost within the window at any time, and the
excess (p - p0) / (1 - p0) is what a loss adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.recorded.traces import read_node_counts, read_panel, trace_files
from spotlab.sweeps.results.capacity import CAMPAIGN_2022, CAMPAIGN_2023
from spotlab.sweeps.results.champions import CAMPAIGN_16
from spotlab.sweeps.results.document import Figure, Section, Table, interval, number
from spotlab.training.block_bootstrap import MIN_BLOCKS
from spotlab.training.saved_version import Step

FloatArray = NDArray[np.float64]

TITLE: Final = "losses that come together"
WITHIN_MIN: Final = 30.0
WINDOWS_MIN: Final = (10.0, 30.0, 60.0)
DRAWS: Final = 500
SEED: Final = 7
Relation = Callable[[str, str], bool]
"""Whether two traces, by name, are a pair that is measured."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a figure is made of, by day.

    Args:
        sums: (4, d) of the rest: lost and at risk after a loss, lost and at risk at any time.
        events: number of losses.
    """

    sums: FloatArray
    events: int


@dataclass(frozen=True, slots=True)
class JointLoss:
    """How much of the rest is lost soon after a loss.

    Args:
        given_loss, anyway: shares, 0..1; NaN without a loss.
        excess: what a loss adds; NaN without a loss.
        low, high: 95 % interval of the excess; NaN with too few days.
        events: number of losses.
        days: number of days.
    """

    given_loss: float
    anyway: float
    excess: float
    low: float
    high: float
    events: int
    days: int


def between_pools(panel: TracePanel, related: Relation, within_min: float) -> Counts:
    """Losses of one pool after another's, over all ordered pairs that are related."""
    window = _ticks(within_min, panel.gap_s)
    day = _days(panel.elapsed_h, window)
    up = panel.available[: -window - 1] == 1
    lost = up & (panel.available[1:-window] == 0)
    gone = np.any([later == 0 for later in _later(panel.available, window)], axis=0)
    sums, events = np.zeros((4, int(day[-1]) + 1)), 0
    for i, j in _pairs(panel.names, related):
        at_risk = lost[:, i] & up[:, j]
        events += int(at_risk.sum())
        parts = (at_risk & gone[:, j], at_risk, up[:, j] & gone[:, j], up[:, j])
        sums += _by_day(day, np.asarray(parts, dtype=np.float64), sums.shape[1])
    return Counts(sums, events)


def within_pools(nodes: Sequence[FloatArray], gap_s: float, within_min: float) -> Counts:
    """Losses of other nodes of a pool after a node's; every lost node counts.

    Args:
        nodes: number of available nodes at each tick, of each pool.
        gap_s: seconds between ticks.
        within_min: window.
    """
    window = _ticks(within_min, gap_s)
    days = 1 + max(int(len(each) * gap_s // 86_400) for each in nodes)
    sums, events = np.zeros((4, days)), 0
    for counts in nodes:
        elapsed_h: FloatArray = np.arange(len(counts), dtype=np.float64) * (gap_s / 3600.0)
        before = counts[: -window - 1]
        first = np.clip(before - counts[1:-window], 0.0, None)
        gone = np.clip(before - np.min(_later(counts, window), axis=0), 0.0, None)
        several = before >= 2
        events += int((several & (first > 0)).sum())
        parts = np.stack([first * (gone - 1.0), first * (before - 1.0), gone, before])
        sums += _by_day(_days(elapsed_h, window), parts * several, days)
    return Counts(sums, events)


def joint_loss(counts: Counts) -> JointLoss:
    """The figure with its interval, drawing whole days."""
    sums = counts.sums[:, counts.sums[3] > 0]
    days = sums.shape[1]
    given, anyway, excess = _shares(sums.sum(axis=1, keepdims=True))
    low, high = np.nan, np.nan
    if days >= MIN_BLOCKS:
        draws = np.random.default_rng(SEED).integers(days, size=(DRAWS, days))
        resampled = _shares(sums[:, draws].sum(axis=2))[2]
        if np.isfinite(resampled).all():
            low, high = np.quantile(resampled, [0.025, 0.975])
    return JointLoss(
        given_loss=float(given[0]),
        anyway=float(anyway[0]),
        excess=float(excess[0]),
        low=float(low),
        high=float(high),
        events=counts.events,
        days=days,
    )


def joint_losses_section(folder: Path, step: Step) -> Section:
    """Losses together in a pool, across zones of a type, and across types in a zone."""
    campaigns = (CAMPAIGN_2022, CAMPAIGN_2023, CAMPAIGN_16)
    missing = [path for path in campaigns if not (folder / path).is_dir()]
    if missing:
        return Section(TITLE, "", skipped=f"{missing[0]} is not in the data folder.")
    step(TITLE)
    rows = list(_rows(folder))
    figures = [
        Figure(what, "excess", loss.excess, loss.low, loss.high)
        for what, window, loss in rows
        if window == WITHIN_MIN
    ]
    cells = [
        (
            what,
            f"{window:g}",
            f"{loss.events:,}",
            number(loss.given_loss),
            number(loss.anyway),
            number(loss.excess),
            interval(loss.low, loss.high),
        )
        for what, window, loss in rows
    ]
    header = ("", "within, min", "losses", "lost after a loss", "at any time", "excess", "95 %")
    caption = "Excess = (after a loss - at any time) / (1 - at any time)."
    return Section(
        TITLE,
        "Of the capacity that was there just before a loss, the share that is gone within some "
        "minutes of it; intervals draw days. The excess is what the loss adds to the share that is "
        f"gone within that time anyway. Within {WITHIN_MIN:g} minutes it is the default of "
        "`SPOTLAB_LOSS_SAME_POOL`, `_SAME_TYPE` and `_SAME_ZONE`.",
        figures,
        [Table(header, cells, caption)],
    )


def _rows(folder: Path) -> Iterator[tuple[str, float, JointLoss]]:
    """Description, window in minutes and figure of each measurement."""
    ticks = [read_node_counts(path) for path in trace_files(folder / CAMPAIGN_16)]
    for window in WINDOWS_MIN:
        counts = within_pools([each.nodes for each in ticks], ticks[0].gap_s, window)
        yield "same pool, 16 nodes, 2023-08-27", window, joint_loss(counts)
    first, second = (read_panel(folder / path) for path in (CAMPAIGN_2023, CAMPAIGN_2022))
    for what, panel, related in (
        ("same type, another zone of the region, 2023-02-15", first, _same_type),
        ("same type, another zone of the region, 2022-10-26", second, _same_type),
        ("same zone, another type, 2022-10-26", second, _same_zone),
        ("another region, 2023-02-15", first, _other_region),
    ):
        for window in WINDOWS_MIN:
            yield what, window, joint_loss(between_pools(panel, related, window))


def _place(name: str) -> tuple[str, str, str]:
    """Region, zone and type of a trace, by its file's name: `us-west-2a_v100_8`."""
    zone, _, instance_type = name.partition("_")
    return zone[:-1], zone, instance_type


def _same_type(name: str, other: str) -> bool:
    (region, zone, kind), (other_region, other_zone, other_kind) = _place(name), _place(other)
    return kind == other_kind and region == other_region and zone != other_zone


def _same_zone(name: str, other: str) -> bool:
    (_, zone, kind), (_, other_zone, other_kind) = _place(name), _place(other)
    return zone == other_zone and kind != other_kind


def _other_region(name: str, other: str) -> bool:
    return _place(name)[0] != _place(other)[0]


def _pairs(names: Sequence[str], related: Relation) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i, name in enumerate(names)
        for j, other in enumerate(names)
        if i != j and related(name, other)
    ]


def _ticks(within_min: float, gap_s: float) -> int:
    return max(1, round(within_min * 60.0 / gap_s))


def _later(values: FloatArray, window: int) -> list[FloatArray]:
    """For each tick that has one before it, the values at it and at those in its window."""
    return [values[1 + k : len(values) - window + k] for k in range(window + 1)]


def _by_day(day: NDArray[np.intp], parts: FloatArray, days: int) -> FloatArray:
    """(4, n) parts summed by day."""
    return np.stack([np.bincount(day, part, minlength=days) for part in parts])


def _days(elapsed_h: FloatArray, window: int) -> NDArray[np.intp]:
    """The day of each tick that has one before it and a whole window after it."""
    return (elapsed_h[1:-window] // 24.0).astype(np.intp)


def _shares(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(4, d) sums as three shares: given a loss, at any time, and the excess."""
    with np.errstate(divide="ignore", invalid="ignore"):
        given, anyway = sums[0] / sums[1], sums[2] / sums[3]
        return given, anyway, (given - anyway) / (1.0 - anyway)
