"""One decision, decided again with something changed: a parameter, a price, a hazard.

The pools that meet the requirements are kept as arrays, so that deciding again takes some tens of
microseconds; the decision itself is made by `pipeline.policy.decide`, as in an evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, DropReason, Instance, Lifecycle, Verdict
from spotlab.domain.hazard_curve import strengths
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import CEILING_HORIZON_H
from spotlab.domain.risk import expected_cost, risk_within
from spotlab.domain.workload import Workload
from spotlab.pipeline.policy import decide, limits
from spotlab.pipeline.rank import Ranking
from spotlab.pipeline.score import POOL_COLUMNS
from spotlab.pipeline.situation import Situation

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Changed:
    """What differs from the decision; None: nothing.

    Args:
        policy: other parameters.
        workload: another cost of an interruption; its hardware and regions are not looked at.
        own_price: spot price of the instance's own pool, USD per hour.
        own_hazard: its hazard, per hour.
        other: position in the case's arrays of a pool with another price or hazard.
        other_price, other_hazard: of that pool.
        on_demand: on-demand price of the instance's type, USD per hour.
        interruption_usd: added to the cost of an interruption.
    """

    policy: PolicyParams | None = None
    workload: Workload | None = None
    own_price: float | None = None
    own_hazard: float | None = None
    other: int | None = None
    other_price: float | None = None
    other_hazard: float | None = None
    on_demand: float | None = None
    interruption_usd: float = 0.0


UNCHANGED = Changed()


@dataclass(frozen=True, slots=True)
class Terms:
    """The numbers that a decision compares, USD per hour.

    Args:
        costs: (n,) expected cost of each pool; infinite over the risk ceiling.
        staying: expected cost of staying; None: unknown.
        moving: cost of a move.
        on_demand: None: unknown.
        unsafe: the own pool is left without a saving: it is over the risk ceiling, or EC2 gave
            notice.
    """

    costs: FloatArray
    staying: float | None
    moving: float
    on_demand: float | None
    unsafe: bool


class DecisionCase:
    """The inputs of one decision.

    Args:
        instance: the instance.
        ranking: its pools, by the policy and workload that decided.
        current: its own pool, scored, or None.
        last_switch_at: when its last switch was decided, or None.
        now: when it was decided, aware UTC.
    """

    def __init__(
        self,
        instance: Instance,
        ranking: Ranking,
        current: Candidate | None,
        last_switch_at: datetime | None,
        now: datetime,
    ) -> None:
        self.instance, self.ranking, self.current = instance, ranking, current
        self.policy, self.workload = ranking.policy, ranking.workload
        self.on_demand = ranking.scored.on_demand_usd_per_hour(instance.pool)
        self._last_switch_at, self._now = last_switch_at, now
        table = ranking.table
        dropped = table["dropped"]
        by_parameter = dropped.isin((DropReason.RISK_CEILING, DropReason.SIGNALLED))
        usable = (dropped.isna() | by_parameter).to_numpy(copy=True)
        if instance.lifecycle is Lifecycle.SPOT:
            own = ranking.position_of(instance.pool)
            if own is not None:
                usable[own] = False
        self.positions = np.flatnonzero(usable)
        rows = table.iloc[self.positions]
        self.prices = rows["spot_price_usd_per_hour"].to_numpy(np.float64)
        self.hazards = rows["hazard_per_hour"].to_numpy(np.float64)
        self._rows = rows["row"].to_numpy()
        self._ceiling_ratios = _ceiling_ratios(ranking, self._rows)
        self.performance = rows["performance"].to_numpy(np.float64)
        self._signal_ages_min = rows["signal_age_min"].to_numpy(np.float64)
        listed = rows["on_demand_price_usd_per_hour"].fillna(rows["spot_price_usd_per_hour"])
        self._listed = listed.to_numpy(np.float64)
        self._own_listed = _listed(current)
        self._names = list(zip(*(rows[name] for name in POOL_COLUMNS), strict=True))

    def __len__(self) -> int:
        return len(self.positions)

    def pool(self, index: int) -> Pool:
        """The pool at a position of the arrays."""
        region, zone, instance_type, system = self._names[index]
        return Pool(region, zone if isinstance(zone, str) else None, instance_type, system)

    def index_of(self, pool: Pool) -> int | None:
        """Position of a pool in the arrays, or None."""
        row = self.ranking.position_of(pool)
        if row is None:
            return None
        found = np.flatnonzero(self.positions == row)
        return int(found[0]) if len(found) else None

    def ceiling_risks(self) -> FloatArray:
        """(n,) risk of each pool within CEILING_HORIZON_H."""
        return risk_within(self.hazards * self._ceiling_ratios, CEILING_HORIZON_H)

    def terms(self, changed: Changed = UNCHANGED) -> Terms:
        """The numbers that the decision compares."""
        policy, workload = changed.policy or self.policy, changed.workload or self.workload
        on_demand = self.on_demand if changed.on_demand is None else changed.on_demand
        prices, hazards = self._arrays(changed)
        if on_demand is None:
            interruption: FloatArray | float = workload.interruption_usd(self._listed)
        else:
            interruption = workload.interruption_usd(on_demand)
        interruption = interruption + changed.interruption_usd
        costs = expected_cost(prices, hazards, interruption) / self.performance
        ratios = self._ceiling_ratios
        if changed.policy is not None and self._has_other_parts(changed.policy):
            ratios = _ceiling_ratios(self.ranking, self._rows, changed.policy)
        blocked = risk_within(hazards * ratios, CEILING_HORIZON_H) > policy.risk_ceiling
        blocked |= self._signal_ages_min < policy.signal_exclusion_min
        costs = np.where(blocked, np.inf, costs)
        current = self._current(changed, workload, on_demand)
        if self.instance.lifecycle is Lifecycle.ON_DEMAND:
            staying, unsafe = on_demand, False
        else:
            staying = current.expected_cost_usd_per_hour if current is not None else None
            unsafe = current is not None and current.leaving_risk > policy.leaving_risk
            unsafe |= (
                self._situation(current, None, None, None, workload).interrupted_at is not None
            )
        best = self._candidate(int(costs.argmin()), costs, prices, hazards) if len(costs) else None
        situation = self._situation(current, best, None, on_demand, workload)
        moving = limits(staying or 0.0, situation, policy).moving_usd_per_hour
        return Terms(costs, staying, moving, on_demand, unsafe)

    def verdict(self, changed: Changed = UNCHANGED) -> Verdict:
        """The decision with the change."""
        policy, workload = changed.policy or self.policy, changed.workload or self.workload
        on_demand = self.on_demand if changed.on_demand is None else changed.on_demand
        costs = self.terms(changed).costs
        prices, hazards = self._arrays(changed)
        best, second = (
            self._candidate(index, costs, prices, hazards) if index is not None else None
            for index in _two_smallest(costs)
        )
        current = self._current(changed, workload, on_demand)
        return decide(self._situation(current, best, second, on_demand, workload), policy)

    def _situation(
        self,
        current: Candidate | None,
        best: Candidate | None,
        second: Candidate | None,
        on_demand: float | None,
        workload: Workload,
    ) -> Situation:
        return Situation(
            self.instance,
            current,
            best,
            on_demand,
            workload,
            self._last_switch_at,
            self._now,
            second,
        )

    def _has_other_parts(self, policy: PolicyParams) -> bool:
        """Whether a policy gives the short parts of hazards other strengths."""
        return strengths(policy) != strengths(self.policy)

    def _arrays(self, changed: Changed) -> tuple[FloatArray, FloatArray]:
        prices, hazards = self.prices, self.hazards
        if changed.policy is not None and self._has_other_parts(changed.policy):
            pools = self.ranking.scored.under(changed.policy).pools
            hazards = pools.hazard_within(self.workload.horizon_h)[self._rows]
        if changed.other is not None and changed.other_price is not None:
            prices = prices.copy()
            prices[changed.other] = changed.other_price
        if changed.other is not None and changed.other_hazard is not None:
            hazards = hazards.copy()
            hazards[changed.other] = changed.other_hazard
        return prices, hazards

    def _current(
        self, changed: Changed, workload: Workload, on_demand: float | None
    ) -> Candidate | None:
        current = self.current
        if current is None:
            return None
        if changed.policy is not None and current.evidence is not None:
            current = _under(current, changed.policy, self.ranking.scored.data.as_of)
        price = current.spot_price_usd_per_hour if changed.own_price is None else changed.own_price
        hazard = current.hazard_per_hour if changed.own_hazard is None else changed.own_hazard
        worth = self._own_listed if on_demand is None else on_demand
        interruption = workload.interruption_usd(worth) + changed.interruption_usd
        cost = expected_cost(price, hazard, interruption)
        return replace(
            current,
            spot_price_usd_per_hour=price,
            hazard_per_hour=hazard,
            risk=float(risk_within(hazard, workload.horizon_h)),
            horizon_h=workload.horizon_h,
            expected_cost_usd_per_hour=float(cost) / current.performance,
        )

    def _candidate(
        self, index: int, costs: FloatArray, prices: FloatArray, hazards: FloatArray
    ) -> Candidate | None:
        if not np.isfinite(costs[index]):
            return None
        hazard = float(hazards[index])
        return Candidate(
            pool=self.pool(index),
            spot_price_usd_per_hour=float(prices[index]),
            on_demand_price_usd_per_hour=None,
            risk=float(risk_within(hazard, self.workload.horizon_h)),
            horizon_h=self.workload.horizon_h,
            hazard_per_hour=hazard,
            expected_cost_usd_per_hour=float(costs[index]),
            performance=float(self.performance[index]),
        )


def _ceiling_ratios(
    ranking: Ranking, rows: NDArray[np.intp], policy: PolicyParams | None = None
) -> FloatArray:
    """(rows,) the mean hazard within CEILING_HORIZON_H, divided by that within the horizon."""
    scored = ranking.scored if policy is None else ranking.scored.under(policy)
    horizon_h, evidence = ranking.workload.horizon_h, scored.evidence
    ratios = np.ones(len(rows))
    for index, row in enumerate(rows.tolist()):
        found = evidence.get(row)
        if found is not None and found.moves:
            ratios[index] = found.multiple(CEILING_HORIZON_H) / found.multiple(horizon_h)
    return ratios


def _under(current: Candidate, policy: PolicyParams, as_of: datetime) -> Candidate:
    """The same candidate with the short parts of its hazard that a policy gives it."""
    evidence = current.evidence
    if evidence is None or not evidence.may_move:
        return current
    changed = evidence.under(policy, as_of)
    if changed == evidence:
        return current
    long_run = current.hazard_per_hour / evidence.multiple(current.horizon_h)
    hazard = long_run * changed.multiple(current.horizon_h)
    return replace(current, evidence=changed, hazard_per_hour=hazard)


def _listed(current: Candidate | None) -> float:
    if current is None:
        return 0.0
    listed = current.on_demand_price_usd_per_hour
    return current.spot_price_usd_per_hour if listed is None else listed


def _two_smallest(costs: FloatArray) -> tuple[int | None, int | None]:
    """Positions of the smallest and the next cost; None for an infinite one."""
    order = np.argsort(costs, kind="stable")[:2]
    found = [int(index) if np.isfinite(costs[index]) else None for index in order]
    first, second, *_ = (*found, None, None)
    return first, second
