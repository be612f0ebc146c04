"""What the policy decides about: an instance, its options, and what a move must be worth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spotlab.domain.decision import Candidate, Decision, Instance, Lifecycle
from spotlab.domain.margin import Margin
from spotlab.domain.workload import Workload


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the policy uses.

    Args:
        instance: the instance to decide about.
        current: its scored pool; None if the price or risk is unknown. For an on-demand instance:
            the spot pool of the same type and zone, which it does not use.
        best: the best candidate on another pool (for an on-demand instance: on any pool), or None.
        on_demand_usd_per_hour: on-demand price of the instance's type; None: unknown.
        workload: the workload that applies to it.
        last_switch_at: when the last switch was decided, or None.
        now: aware UTC.
        second: the best candidate after `best`, or None.
        left_to_others: whether suitable pools are left to other instances.
    """

    instance: Instance
    current: Candidate | None
    best: Candidate | None
    on_demand_usd_per_hour: float | None
    workload: Workload
    last_switch_at: datetime | None
    now: datetime
    second: Candidate | None = None
    left_to_others: bool = False

    @property
    def available(self) -> str:
        """The word that excludes pools that are left to other instances, if there are any."""
        return "available " if self.left_to_others else ""

    @property
    def interrupted_at(self) -> datetime | None:
        """When EC2 interrupts the instance, if it has given notice; else None."""
        signal = self.instance.signal
        return signal.interrupts_at(self.now) if signal is not None else None

    @property
    def hour_usd(self) -> float:
        """Cost of an hour without the instance, USD."""
        on_demand, best = self.on_demand_usd_per_hour, self.best
        if on_demand is None:
            on_demand = best.spot_price_usd_per_hour if best is not None else 0.0
        return self.workload.downtime_usd_per_hour(on_demand)

    @property
    def pays_on_demand(self) -> bool:
        """Whether the instance runs on demand."""
        return self.instance.lifecycle is Lifecycle.ON_DEMAND


@dataclass(frozen=True, slots=True)
class Move:
    """A way to leave: to a candidate, or from spot to on-demand.

    Args:
        decision: SWITCH or FALLBACK_ONDEMAND.
        candidate: where to; None: on-demand.
        expected_cost_usd_per_hour: of an hour's work there.
        margin: over staying.
    """

    decision: Decision
    candidate: Candidate | None
    expected_cost_usd_per_hour: float
    margin: Margin

    @property
    def where(self) -> str:
        """Where to, as the start of a sentence."""
        return self.candidate.pool.label if self.candidate is not None else "On-demand"


@dataclass(frozen=True, slots=True)
class Limits:
    """The minimum saving of a move, and for how long the cooldown still prevents one.

    Args:
        min_saving_usd_per_hour: of a move that is made for a saving.
        cooldown_left_h: hours; 0: none.
        moving_usd_per_hour: cost of a move, spread over the expected stay.
    """

    min_saving_usd_per_hour: float
    cooldown_left_h: float
    moving_usd_per_hour: float
