"""The section about evidence that raises a hazard for a while: what each kind adds, on traces.

A tick is at risk if the pool has capacity, and lost if the next one has none. The loss rates of
ticks with and without the evidence are compared within strata of pool and age of the pool's own
last refusal (Mantel-Haenszel), so that the ratio is what the evidence adds to them. For the
advisor, the next snapshot's hazard is compared within the present bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.market import LINUX
from spotlab.domain.risk import BUCKET_RATES, hazard_from_monthly_rate
from spotlab.recorded.skynomad import read_tick_prices
from spotlab.recorded.traces import read_panel
from spotlab.sweeps.results.capacity import CAMPAIGN_2022
from spotlab.sweeps.results.document import Figure, Section, Table, interval, number
from spotlab.training.advisor.datasets import read_advisor
from spotlab.training.saved_version import Step

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

TITLE: Final = "evidence that raises a hazard for a while"
CLEAN: Final = Path("traces/availability-2023-02-15")
ADVISOR: Final = Path("evaluation-only/advisor")
PRICES: Final = Path("skynomad/v100_spot_prices.json.gz")
REFUSAL_AGES_H: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 24.0)
"""Limits of the strata."""
QUIET_H: Final = 6.0
RISE: Final = 0.01
DRAWS: Final = 500
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of rates with its 95 % interval.

    Args:
        value: with the evidence by without it; NaN where one of them has no rate.
        low, high: interval, drawing whole days; of the advisor, families.
        losses: after the evidence; of the advisor: offers that have it.
    """

    value: float
    low: float
    high: float
    losses: int


@dataclass(frozen=True, slots=True)
class Losses:
    """The ticks of a campaign that have one after them; n ticks, p pools.

    Args:
        at_risk, lost: (n, p).
        refused_h: (n, p) hours since the pool's own last refusal; infinite: none.
        day: (n,) days from the start.
    """

    at_risk: Mask
    lost: Mask
    refused_h: FloatArray
    day: NDArray[np.intp]

    @classmethod
    def of(cls, panel: TracePanel) -> Losses:
        """From a campaign."""
        up, gone = panel.available == 1, panel.available == 0
        elapsed_h = np.asarray(panel.elapsed_h, dtype=np.float64)
        return cls(
            at_risk=up[:-1] & (up | gone)[1:],
            lost=up[:-1] & gone[1:],
            refused_h=hours_since(gone, elapsed_h)[:-1],
            day=(elapsed_h[:-1] // 24.0).astype(np.intp),
        )

    def where(self, ticks: Mask) -> Losses:
        """The same with fewer ticks at risk."""
        return Losses(self.at_risk & ticks, self.lost & ticks, self.refused_h, self.day)

    def ratio(self, evidence: Mask) -> Ratio:
        """The rate of losses with the evidence by that without it.

        Args:
            evidence: (n, p) whether a tick has it.
        """
        bins = len(REFUSAL_AGES_H) + 1
        strata = np.digitize(self.refused_h, REFUSAL_AGES_H) + bins * np.arange(self.lost.shape[1])
        size, days = bins * self.lost.shape[1], int(self.day[-1]) + 1
        place = strata + size * self.day[:, None]

        def count(ticks: Mask) -> FloatArray:
            counted = np.bincount(place[ticks], minlength=days * size)
            return counted.reshape(days, size).astype(np.float64)

        counts = [
            count(kind & having)
            for kind in (self.lost, self.at_risk)
            for having in (evidence, ~evidence)
        ]
        return _ratio(counts, int((self.lost & evidence).sum()))


def hours_since(happened: Mask, elapsed_h: FloatArray) -> FloatArray:
    """(n, p) hours since each pool's newest tick at which it happened; infinite: never yet."""
    at = np.where(happened, elapsed_h[:, None], -np.inf)
    since: FloatArray = elapsed_h[:, None] - np.maximum.accumulate(at, axis=0)
    return since


def short_evidence_section(folder: Path, step: Step) -> Section:
    """What rises of prices and losses of the family add to a hazard."""
    missing = [
        path for path in (CLEAN, PRICES, CAMPAIGN_2022, ADVISOR) if not (folder / path).exists()
    ]
    if missing:
        return Section(TITLE, "", skipped=f"{missing[0]} is not in the data folder.")
    step(TITLE)
    rows = [*_prices(folder), *_families(folder), *_advisor(folder)]
    cells = [
        (what, f"{found.losses:,}", number(found.value), interval(found.low, found.high))
        for what, found in rows
    ]
    return Section(
        TITLE,
        "The rate at which capacity is lost after the evidence, by the rate without it, in pools "
        "whose own last refusal is as old; for the advisor, the next hazard of offers with the "
        "same bucket. Intervals draw days, or families. 1: it adds nothing. See ADR 43.",
        [Figure(what, "ratio", each.value, each.low, each.high) for what, each in rows],
        [Table(("", "losses or offers", "ratio", "95 %"), cells)],
    )


def _prices(folder: Path) -> Iterator[tuple[str, Ratio]]:
    panel = read_panel(folder / CLEAN)
    losses, elapsed_h = Losses.of(panel), np.asarray(panel.elapsed_h, dtype=np.float64)
    prices = np.log(read_tick_prices(folder / PRICES, panel.names, len(elapsed_h)))
    changes = np.diff(prices, axis=0, prepend=prices[:1])
    first_half = (elapsed_h[:-1] < elapsed_h[-1] / 2.0)[:, None]
    any_rise, rise = (hours_since(changes > least, elapsed_h)[:-1] for least in (0.0, RISE))
    yield "any rise of the price within 6 h", losses.ratio(any_rise <= 6.0)
    for hours in (3.0, 6.0, 24.0):
        yield f"a rise of 1 % or more within {hours:g} h", losses.ratio(rise <= hours)
    for half, ticks in (("first", first_half), ("second", ~first_half)):
        found = losses.where(ticks).ratio(rise <= 6.0)
        yield f"a rise of 1 % or more within 6 h, {half} half of the campaign", found
    day = round(24.0 * 3600.0 / panel.gap_s)
    regions = np.array([name.partition("_")[0][:-1] for name in panel.names])
    spread = np.stack([np.ptp(prices[:, regions == each], axis=1) for each in regions], axis=1)
    wider = spread - np.vstack([np.repeat(spread[:1], day, axis=0), spread[:-day]])
    yield "a spread of the zones 1 % wider than a day before", losses.ratio((wider >= RISE)[:-1])


def _families(folder: Path) -> Iterator[tuple[str, Ratio]]:
    panel = read_panel(folder / CAMPAIGN_2022)
    losses, elapsed_h = Losses.of(panel), np.asarray(panel.elapsed_h, dtype=np.float64)
    gone = panel.available == 0
    fell = gone & ~np.vstack([np.zeros_like(gone[:1]), gone[:-1]])
    since = hours_since(fell, elapsed_h)[:-1]
    quiet = losses.where(losses.refused_h > QUIET_H)
    names = [tuple(name.split("_")) for name in panel.names]
    for what, related in _RELATIONS:
        newest = np.stack(
            [
                since[:, [i for i, other in enumerate(names) if related(name, other)]].min(axis=1)
                for name in names
            ],
            axis=1,
        )
        yield f"{what} lost capacity within 2 h", losses.ratio(newest <= 2.0)
        text = f"{what} lost capacity within 2 h, own last refusal over {QUIET_H:g} h old"
        yield text, quiet.ratio(newest <= 2.0)


def _advisor(folder: Path) -> Iterator[tuple[str, Ratio]]:
    for names in _SNAPSHOTS:
        buckets = pd.concat([_buckets(folder, name) for name in names], axis=1, join="inner")
        before, now, later = (buckets[name].to_numpy(np.int64) for name in names)
        types = buckets.index.get_level_values("instance_type")
        family = np.unique([each.partition(".")[0] for each in types], return_inverse=True)[1]
        days = (date.fromisoformat(names[2]) - date.fromisoformat(names[1])).days
        yield (
            f"a bucket that rose from {names[0]} to {names[1]}: hazard {days} days later",
            bucket_ratio(now > before, now, later, family),
        )


def _buckets(folder: Path, name: str) -> pd.Series:
    rows = read_advisor(folder / ADVISOR / f"{name}.json.gz").rows
    linux = rows[rows["operating_system"] == LINUX]
    return linux.set_index(["region", "instance_type"])["bucket"].rename(name)


def bucket_ratio(
    evidence: Mask, now: NDArray[np.int64], later: NDArray[np.int64], family: NDArray[np.intp]
) -> Ratio:
    """The hazard of the later bucket with the evidence by that without it, within present buckets.

    Args:
        evidence: (n,) whether an offer has it.
        now, later: (n,) buckets.
        family: (n,) code of its family; intervals draw families.
    """
    hazard = hazard_from_monthly_rate(np.asarray(BUCKET_RATES))[later]
    size, families = len(BUCKET_RATES), int(family.max()) + 1
    place = now + size * family

    def total(values: FloatArray) -> FloatArray:
        summed = np.bincount(place, values, families * size)
        return summed.reshape(families, size).astype(np.float64)

    sums = [
        total(each * having)
        for each in (hazard, np.ones_like(hazard))
        for having in (evidence, ~evidence)
    ]
    return _ratio(sums, int(evidence.sum()))


_SNAPSHOTS: Final = (
    ("2022-04-06", "2022-04-22", "2022-05-28"),
    ("2022-04-22", "2022-05-28", "2022-06-26"),
)
Name = Sequence[str]
_RELATIONS: Final[tuple[tuple[str, Callable[[Name, Name], bool]], ...]] = (
    ("another size of the family", lambda a, b: a[1] == b[1] and a[2] != b[2]),
    ("another family", lambda a, b: a[1] != b[1]),
    ("the type in another zone", lambda a, b: a[1:] == b[1:] and a[0] != b[0]),
)


def _ratio(counts: Sequence[FloatArray], losses: int) -> Ratio:
    """The ratio of (blocks, strata) counts, drawing whole blocks."""
    blocks = len(counts[0])
    drawn = np.random.default_rng(SEED).integers(blocks, size=(DRAWS, blocks))
    weights = np.stack([np.bincount(each, minlength=blocks) for each in drawn])
    draws = _mantel_haenszel(*(weights @ each for each in counts))
    (value,) = _mantel_haenszel(*(each.sum(axis=0, keepdims=True) for each in counts))
    low, high = np.nan, np.nan
    if np.isfinite(value):
        low, high = np.nanquantile(draws, [0.025, 0.975])
    return Ratio(float(value), float(low), float(high), losses)


def _mantel_haenszel(
    lost: FloatArray, lost_without: FloatArray, at_risk: FloatArray, at_risk_without: FloatArray
) -> FloatArray:
    """(k,) ratios of (k, strata) counts."""
    ticks = np.maximum(at_risk + at_risk_without, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: FloatArray = (lost * at_risk_without / ticks).sum(axis=1) / (
            lost_without * at_risk / ticks
        ).sum(axis=1)
    return ratios
