"""What a workload would change: decisions with it and without it, on the market of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from spotlab.domain.decision import Instance, Lifecycle, Verdict
from spotlab.domain.policy import PolicyParams
from spotlab.domain.workload import AppliedWorkload, Workload
from spotlab.pipeline.prepared_instance import PreparedInstance
from spotlab.runtime.lab import Lab
from spotlab.services.prepared_fleet import Preparations, prepare_instance

MAX_INSTANCES: Final = 50
"""Decisions that are computed for one consequence."""


@dataclass(frozen=True, slots=True)
class InstanceConsequence:
    """The decision about one instance with its present workload, and with another.

    Args:
        instance: the instance.
        present: the workload that applies to it now, and the rule that chose it.
        interruption_usd: cost of one interruption with the other workload; None: the on-demand
            price of its type is unknown, and the workload gives no value of an hour.
        former_interruption_usd: the same with the present workload.
        before, after: the decisions; None: none can be made.
        error: why none can be made; else "".
    """

    instance: Instance
    present: AppliedWorkload
    interruption_usd: float | None
    former_interruption_usd: float | None
    before: Verdict | None
    after: Verdict | None
    error: str = ""

    @property
    def changes(self) -> bool:
        """Whether the decision or the chosen pool would be another."""
        return _outcome(self.before) != _outcome(self.after)

    @property
    def price_usd_per_hour(self) -> float | None:
        """Spot price of its own pool; None: unknown, or it runs on-demand."""
        if self.instance.lifecycle is not Lifecycle.SPOT or self.after is None:
            return None
        current = self.after.current
        return current.spot_price_usd_per_hour if current is not None else None

    @property
    def interruptions_usd_per_hour(self) -> float | None:
        """Expected cost of interruptions on its own pool; None as for the price."""
        return self._expected(self.interruption_usd)

    @property
    def former_interruptions_usd_per_hour(self) -> float | None:
        """The same with the present workload."""
        return self._expected(self.former_interruption_usd)

    def _expected(self, interruption_usd: float | None) -> float | None:
        current = self.after.current if self.after is not None else None
        if self.instance.lifecycle is not Lifecycle.SPOT or current is None:
            return None
        return None if interruption_usd is None else current.hazard_per_hour * interruption_usd


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a workload would change.

    Args:
        workload: the workload.
        assigned: whether the instances are those that it applies to; False: no rule gives it to
            an instance yet, and they are all instances.
        instances: those that were evaluated.
        total: their number without the limit MAX_INSTANCES.
        as_of: time of the market.
        degraded: why less data than usual was used.
    """

    workload: Workload
    assigned: bool
    instances: tuple[InstanceConsequence, ...]
    total: int
    as_of: datetime
    degraded: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[InstanceConsequence, ...]:
        """The instances about which the decision would be another."""
        return tuple(each for each in self.instances if each.changes)


def consequence_of(
    lab: Lab, workload: Workload, present: Sequence[tuple[Instance, AppliedWorkload]]
) -> Consequence:
    """Decide about instances with the workload that applies to each, and with another.

    Nothing is recorded.

    Args:
        lab: its market, models and ledger.
        workload: the other workload.
        present: the fleet, with the workload that applies to each instance.
    Raises:
        NoMarketData: no market has been collected yet.
    """
    assigned = [each for each in present if each[1].workload.name == workload.name]
    affected = assigned or present
    applied = {instance.instance_id: each for instance, each in affected[:MAX_INSTANCES]}
    fleet, _ = lab.process_state(Preparations).fleet(
        lab,
        [instance for instance, _ in affected[:MAX_INSTANCES]],
        lambda missing: {each.instance_id: applied[each.instance_id] for each in missing},
    )
    failed = [
        InstanceConsequence(one, applied[one.instance_id], None, None, None, None, error)
        for one, error in fleet.failures
    ]
    data, params = lab.scored().data, lab.store.policies.active().params
    return Consequence(
        workload,
        bool(assigned),
        (*(_of_instance(lab, workload, each, params) for each in fleet.instances), *failed),
        len(affected),
        data.as_of,
        data.degraded,
    )


def _of_instance(
    lab: Lab, workload: Workload, prepared: PreparedInstance, params: PolicyParams
) -> InstanceConsequence:
    present = prepared.applied
    now, on_demand = lab.clock.now(), prepared.on_demand_usd_per_hour
    before = prepared.decide(params, present.workload, now)
    try:
        after = prepared.decide(params, workload, now)
    except ValueError:  # other places or requirements: other pools
        scored = lab.scored(lab.deciding_model(prepared.instance)[0])
        other = AppliedWorkload(workload, present.scope, present.key)
        after = prepare_instance(lab, prepared.instance, scored, other).decide(
            params, workload, now
        )
    return InstanceConsequence(
        prepared.instance,
        present,
        _interruption_usd(workload, on_demand),
        _interruption_usd(present.workload, on_demand),
        before,
        after,
    )


def _interruption_usd(workload: Workload, on_demand: float | None) -> float | None:
    if on_demand is None and workload.value_usd_per_hour is None:
        return None
    return float(workload.interruption_usd(on_demand if on_demand is not None else 0.0))


def _outcome(verdict: Verdict | None) -> tuple[object, object]:
    if verdict is None:
        return None, None
    return verdict.decision, verdict.chosen.pool if verdict.chosen is not None else None
