"""SpotLab's policy, with the forecasts of any model.

It minimises the expected cost of domain/risk.py: an hour in a pool costs its price + hazard × the
cost of an interruption, with the model's hazard. A move must save more, within the model's horizon,
than the changeover costs while both instances are paid. A job with slack waits for an hour that is
cheap compared with the recent past, and changes to on-demand early enough to be able to return to
spot. What it pays and how often it moves is bounded by `regret_budget`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from spotlab.domain.risk import expected_cost
from spotlab.gym.deadline_safety import slack_h
from spotlab.gym.regret_budget import RegretBudget
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, View
from spotlab.gym.workloads import Service, Workload
from spotlab.gym.world import FloatArray

HORIZON_H: Final = 3.0
"""A typical run time of an instance; the model's horizon nearest to it is used."""
LOOKBACK_H: Final = 96.0
"""Length of the past from which the usual cost of an hour is estimated."""
MIN_LOOKBACK_H: Final = 12.0
"""With a shorter past, the policy does not wait for cheaper hours."""
CHOOSINESS: Final = 0.3
"""Added to the share of the remaining hours that the work needs. 0 would wait for only the cheapest
hours, which are rarely consecutive; 1 never waits."""
LOSSES_PER_H: Final = 0.12
"""Expected losses per hour of work, for the time reserved for returning from on-demand."""
CAUTION: Final = 6.0
"""Factor for the cost of a service's downtime where a move is weighed: forecasts predict
only a part of the interruptions, and an early move costs little."""
PATIENCE: Final = 1.0
"""Number of changeovers for which a service without an available pool waits before it changes to
on-demand: as in the ski rental problem, until waiting has cost as much as starting on-demand."""
_CERTAIN: Final = 0.999
"""Upper bound of a risk, because a risk of 1 would be an infinite hazard."""


@dataclass(frozen=True, slots=True)
class _Offers:
    """Costs and risks of the pools at a tick.

    Args:
        usd_per_hour: (p,) expected cost of an hour; infinite if the pool is not up.
        price: (p,) USD per hour.
        risk: (p,) P(lost within horizon_h).
        hazard: (p,) per hour.
        interruption_usd: cost of one interruption, USD.
        caution_usd: added to it where a move is weighed, USD.
        horizon_h: horizon of the risk.
    """

    usd_per_hour: FloatArray
    price: FloatArray
    risk: FloatArray
    hazard: FloatArray
    interruption_usd: float
    caution_usd: float
    horizon_h: float

    @property
    def best(self) -> int | None:
        """The pool with the lowest expected cost; None if none is up."""
        best = int(np.argmin(self.usd_per_hour))
        return best if np.isfinite(self.usd_per_hour[best]) else None


class SpotlabPolicy:
    """Chooses by the expected cost of an hour, at every tick.

    Args:
        model: the model whose forecasts are used, at the horizon nearest to HORIZON_H. A pool
            without a forecast is treated as certain to be lost.
        trail: returns that of spot-greedy in the same window; see `regret_budget.record_trail`.
    """

    def __init__(self, model: str, trail: Callable[[], FloatArray]) -> None:
        self._model = model
        self._trail = trail
        self._budget: RegretBudget | None = None
        self._costs: list[float] = []
        self._down_since_h: float | None = None

    def decide(self, view: View) -> Action:
        """Start, move, wait or fall back to on-demand."""
        offers = self._offers(view)
        if not isinstance(view.workload, Service):
            self._record_cost(view, offers)
        self._note_downtime(view)
        if view.moving_to is not None or (view.place is not None and view.ready_in_h > 0.0):
            return STAY
        budget = self._budget = self._budget or RegretBudget(self._trail())
        if budget.follows(view, offers.interruption_usd):
            return budget.follow(view)
        if view.place is None:
            return self._decide_without_instance(view, offers)
        return _move(view, offers) if budget.allows_move(view) else STAY

    def _decide_without_instance(self, view: View, offers: _Offers) -> Action:
        best, on_demand = offers.best, view.on_demand_usd_per_hour
        if isinstance(view.workload, Service):
            worth = view.workload.downtime_usd_per_hour
            if best is not None and offers.usd_per_hour[best] < min(on_demand, worth):
                return _start(best, offers)
            if view.elapsed_h - (self._down_since_h or 0.0) < PATIENCE * view.changeover_h:
                return STAY
            why = "no pool costs less, and downtime costs more than on-demand"
            return Action(Do.START, ON_DEMAND, why) if worth > on_demand else STAY
        spare_h = slack_h(view) - _reserve_h(view)
        if best is not None and offers.usd_per_hour[best] <= self._max_usd_per_hour(view, spare_h):
            return _start(best, offers)
        if spare_h >= 0.0:
            return STAY
        return Action(Do.START, ON_DEMAND, "little slack, and no pool is up")

    def _note_downtime(self, view: View) -> None:
        if view.place is not None:
            self._down_since_h = None
        elif self._down_since_h is None:
            self._down_since_h = view.elapsed_h

    def _max_usd_per_hour(self, view: View, spare_h: float) -> float:
        """Highest acceptable cost of an hour: with slack, a quantile of the past hours' costs."""
        if spare_h <= 0.0 or len(self._costs) * view.tick_h < MIN_LOOKBACK_H:
            return np.inf
        share = CHOOSINESS + view.work_left_h / (view.work_left_h + spare_h)
        if share >= 1.0:
            return np.inf
        return float(np.quantile(self._costs[-lookback(view.tick_h) :], share))

    def _record_cost(self, view: View, offers: _Offers) -> None:
        """Record the lowest cost of an hour at each tick, at most the on-demand price."""
        most = view.on_demand_usd_per_hour
        if not self._costs:
            rows = slice(max(0, len(view.available) - lookback(view.tick_h)), -1)
            past = self._offers_at(view, rows)
            self._costs = np.minimum(past.usd_per_hour.min(axis=1), most).tolist()
        self._costs.append(min(float(offers.usd_per_hour.min()), most))

    def _offers(self, view: View) -> _Offers:
        rows = self._offers_at(view, slice(len(view.available) - 1, None))
        return _Offers(
            rows.usd_per_hour[0],
            rows.price[0],
            rows.risk[0],
            rows.hazard[0],
            rows.interruption_usd,
            rows.caution_usd,
            rows.horizon_h,
        )

    def _offers_at(self, view: View, rows: slice) -> _Offers:
        horizon_h, risks = nearest(view.forecasts[self._model])
        price = view.spot_usd_per_hour[rows]
        durations = (view.changeover_h, view.checkpoint_h)
        usd = float(interruption_usd(view.workload, *durations, view.prices.mean(axis=-1)))
        risk, hazard = hazards(risks[rows], horizon_h)
        cost = offers(view.available[rows], price, hazard, usd)
        caution = caution_usd(view.workload, view.changeover_h)
        return _Offers(cost, price, risk, hazard, usd, caution, horizon_h)


def nearest(forecasts: tuple[tuple[float, FloatArray], ...]) -> tuple[float, FloatArray]:
    """Of (horizon_h, risks), the one whose horizon is nearest to HORIZON_H."""
    return min(forecasts, key=lambda one: abs(math.log(one[0] / HORIZON_H)))


def hazards(risk: FloatArray, horizon_h: float) -> tuple[FloatArray, FloatArray]:
    """Risk with a certain loss where there is no forecast, and hazard per hour, elementwise."""
    known = np.clip(np.nan_to_num(risk, nan=_CERTAIN), 0.0, _CERTAIN)
    return known, np.asarray(-np.log1p(-known) / horizon_h)


def offers(
    available: FloatArray,
    usd_per_hour: FloatArray,
    hazard: FloatArray,
    interruption_usd: float | FloatArray,
) -> FloatArray:
    """(n, p) expected cost of an hour, USD, infinite if the pool is not up.

    Args:
        available, usd_per_hour: (n, p), as in a View.
        hazard: (n, p) per hour.
        interruption_usd: one, or (n, 1).
    """
    cost = expected_cost(usd_per_hour, hazard, interruption_usd)
    return np.where(available == 1.0, cost, np.inf)


def interruption_usd(
    workload: Workload, changeover_h: float, checkpoint_h: float, usd_per_hour: FloatArray
) -> FloatArray:
    """Cost of an interruption, USD; an hour of repeated work costs the mean spot price.

    Args:
        usd_per_hour: () or (n,) mean spot price.
    Returns:
        () or (n,).
    """
    if isinstance(workload, Service):
        usd_per_hour = usd_per_hour + workload.downtime_usd_per_hour
        return np.asarray(changeover_h * usd_per_hour)
    return np.asarray((0.5 * checkpoint_h + changeover_h) * usd_per_hour)


def caution_usd(workload: Workload, changeover_h: float) -> float:
    """What CAUTION adds to the cost of an interruption, USD."""
    if not isinstance(workload, Service):
        return 0.0
    return (CAUTION - 1.0) * changeover_h * workload.downtime_usd_per_hour


def _move(view: View, offers: _Offers) -> Action:
    """A move to the best pool, if it saves more within the horizon than the changeover costs."""
    place, best = view.place, offers.best
    if best is None or place is None or best == place:
        return STAY
    on_demand = place == ON_DEMAND
    price = view.on_demand_usd_per_hour if on_demand else float(offers.price[place])
    risk = 0.0 if on_demand else float(offers.risk[place])
    stay_h = min(view.work_left_h, offers.horizon_h, 1.0 / max(float(offers.hazard[best]), 1e-9))
    feared_usd = offers.interruption_usd + offers.caution_usd
    safer_usd = (risk - float(offers.risk[best])) * feared_usd
    saved_usd = safer_usd + (price - float(offers.price[best])) * stay_h
    paid_usd = view.changeover_h * float(offers.price[best])
    if saved_usd <= paid_usd:
        return STAY
    why = (
        f"saves {saved_usd:.3f} USD within {offers.horizon_h:g} h for {paid_usd:.3f} USD; risk "
        f"{risk:.0%} → {offers.risk[best]:.0%}"
    )
    return Action(Do.MOVE, best, why)


def _start(best: int, offers: _Offers) -> Action:
    why = (
        f"{offers.usd_per_hour[best]:.3f} USD/h including interruptions, risk "
        f"{offers.risk[best]:.0%} within {offers.horizon_h:g} h"
    )
    return Action(Do.START, best, why)


def _reserve_h(view: View) -> float:
    """Hours to reserve for returning to spot, and for further losses, until the work is done."""
    once_h = view.changeover_h + 0.5 * view.checkpoint_h + view.tick_h
    return once_h * (1.0 + LOSSES_PER_H * view.work_left_h)


def lookback(tick_h: float) -> int:
    """LOOKBACK_H in ticks."""
    return max(1, round(LOOKBACK_H / tick_h))
