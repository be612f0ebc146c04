"""What a decision has cost since it was made, with the prices that are known by now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from spotlab.domain.decision import Candidate, Decision, Experiment, Lifecycle
from spotlab.domain.market import MarketData, MarketName, Pool
from spotlab.domain.risk import FloatArray
from spotlab.domain.workload import Workload
from spotlab.pipeline.score import price_read_at


@dataclass(frozen=True, slots=True)
class CostSince:
    """Cost of an instance's work from a decision until its prices were last read.

    Args:
        until: until when prices are known, aware UTC; None: none are known since the decision.
        hours: from the decision until then.
        price_usd: prices of its pool, or the on-demand price of the decision, times hours.
        interruptions_usd: expected cost of interruptions, by the risk at the decision.
        moving_usd: cost of the move itself.
        unknown: why the cost is not known, a sentence; "" if it is.
    """

    until: datetime | None = None
    hours: float = 0.0
    price_usd: float | None = None
    interruptions_usd: float | None = None
    moving_usd: float | None = None
    unknown: str = ""

    @property
    def total_usd(self) -> float | None:
        """The sum of its parts; None if it is not known."""
        if self.price_usd is None or self.interruptions_usd is None or self.moving_usd is None:
            return None
        return self.price_usd + self.interruptions_usd + self.moving_usd


def cost_since(
    experiment: Experiment,
    workload: Workload,
    on_demand_usd_per_hour: float | None,
    market: MarketData | None,
) -> CostSince:
    """What a decision has cost since it was made, had it been carried out at once.

    Args:
        experiment: the decision.
        workload: values the interruptions and the move.
        on_demand_usd_per_hour: of the instance's type at the decision; taken as constant.
        market: the same market now, with its price history; None: it is not collected any more.
    """
    verdict, instance = experiment.verdict, experiment.instance
    if verdict is None:
        return CostSince(unknown="No decision was made.")
    if experiment.market is MarketName.RECORDED:
        return CostSince(unknown="A recorded market has no prices after the decision.")
    if market is None:
        return CostSince(unknown="The market has no prices since the decision.")
    until = price_read_at(market)
    hours = (until - experiment.created_at) / timedelta(hours=1)
    if hours <= 0:
        return CostSince(unknown="No prices were read since the decision.")
    on_demand = verdict.decision is Decision.FALLBACK_ONDEMAND or (
        verdict.decision is Decision.STAY and instance.lifecycle is Lifecycle.ON_DEMAND
    )
    if verdict.decision is Decision.STAY:
        moving = 0.0
    elif on_demand_usd_per_hour is None:
        return CostSince(until, hours, unknown="The on-demand price is unknown.")
    else:
        moving = float(
            experiment.policy.switch_downtime_h * workload.hour_usd(on_demand_usd_per_hour)
        )
    if on_demand:
        if on_demand_usd_per_hour is None:
            return CostSince(until, hours, unknown="The on-demand price is unknown.")
        return CostSince(until, hours, hours * on_demand_usd_per_hour, 0.0, moving)
    side = verdict.chosen if verdict.decision is Decision.SWITCH else verdict.current
    if side is None:
        return CostSince(until, hours, unknown="The price or risk of its pool was unknown.")
    price = _price_usd(market, side.pool, experiment.created_at, until)
    if price is None:
        return CostSince(
            until, hours, unknown=f"The price of {side.pool.label} is not known throughout."
        )
    return CostSince(
        until, hours, price, _interruptions(side, workload, on_demand_usd_per_hour) * hours, moving
    )


def _interruptions(
    side: Candidate, workload: Workload, on_demand_usd_per_hour: float | None
) -> float:
    """USD per hour."""
    value = on_demand_usd_per_hour
    if value is None:
        value = side.on_demand_price_usd_per_hour or side.spot_price_usd_per_hour
    return side.hazard_per_hour * float(workload.interruption_usd(value))


def _price_usd(market: MarketData, pool: Pool, since: datetime, until: datetime) -> float | None:
    """Price times hours, each price until the next one; None: not known from the start."""
    times, prices = _points(market, pool)
    start = np.datetime64(since.replace(tzinfo=None), "us")
    end = np.datetime64(until.replace(tzinfo=None), "us")
    first = int(np.searchsorted(times, start, side="right")) - 1
    if first < 0:
        return None
    steps = np.concatenate([[start], times[first + 1 :][times[first + 1 :] < end], [end]])
    hours = np.diff(steps) / np.timedelta64(1, "h")
    return float(np.dot(hours, prices[first : first + len(hours)]))


def _points(market: MarketData, pool: Pool) -> tuple[np.ndarray, FloatArray]:
    """Times (UTC, µs) and prices of a pool, oldest first."""
    points: dict[np.datetime64, float] = {}
    for table in (market.price_history, market.prices):
        zone = table["availability_zone"]
        rows = table[
            (table["region"] == pool.region)
            & (table["instance_type"] == pool.instance_type)
            & (zone.isna() if pool.availability_zone is None else zone == pool.availability_zone)
        ].dropna(subset="spot_price_usd_per_hour")
        times = rows["event_time"].dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
        points |= dict(zip(times, rows["spot_price_usd_per_hour"], strict=True))
    ordered = sorted(points)
    return (
        np.array(ordered, dtype="datetime64[us]"),
        np.array([points[at] for at in ordered], dtype=np.float64),
    )
