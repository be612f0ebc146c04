"""What a workload would change: decisions with it and without it, on the market of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np

from spotlab.domain.decision import Experiment, Instance, Lifecycle, Verdict
from spotlab.domain.performance import index_of
from spotlab.domain.workload import AppliedWorkload, Workload
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.score import ScoredMarket
from spotlab.runtime.lab import Lab

MAX_INSTANCES: Final = 50
"""Decisions that are computed for one consequence; about 10 ms each."""


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
    scored = lab.scored()
    memory = lab.process_state(_Memory).of(scored)
    return Consequence(
        workload,
        bool(assigned),
        tuple(_of_instance(lab, memory, workload, *each) for each in affected[:MAX_INSTANCES]),
        len(affected),
        scored.data.as_of,
        scored.data.degraded,
    )


@dataclass(slots=True)
class _Memory:
    """What does not change while a workload is edited on one market.

    Args:
        scored: the market by the champion; with another one, all is forgotten.
        parts: parts of scored markets, by model, regions and type.
        experiments: decisions with the present workloads, by instance and last switch.
    """

    scored: ScoredMarket | None = None
    parts: dict[tuple[str, frozenset[str], str], ScoredMarket] = field(default_factory=dict)
    experiments: dict[object, Experiment] = field(default_factory=dict)

    def of(self, scored: ScoredMarket) -> _Memory:
        """This, without what belongs to another market."""
        if self.scored is not scored:
            self.scored, self.parts, self.experiments = scored, {}, {}
        return self

    def part(self, scored: ScoredMarket, regions: frozenset[str], own_type: str) -> ScoredMarket:
        """The pools in these regions, and those of the type, whose size is looked up anywhere.

        A decision is the same as on the whole market, because all other pools are filtered by their
        region; ranking a tenth of the pools takes a tenth of the time.
        """
        key = (scored.model, regions, own_type)
        if key not in self.parts:
            table = scored.table
            here = table["region"].isin(regions) | (table["instance_type"] == own_type)
            rows = np.flatnonzero(here.to_numpy())
            frame = scored.frame
            self.parts[key] = replace(
                scored,
                table=table.iloc[rows].reset_index(drop=True),
                frame=replace(
                    frame,
                    pools=tuple(frame.pools[row] for row in rows),
                    values=frame.values[rows],
                ),
                evidence={
                    new: scored.evidence[int(old)]
                    for new, old in enumerate(rows)
                    if int(old) in scored.evidence
                },
            )
        return self.parts[key]


def _regions(instance: Instance, *workloads: Workload) -> frozenset[str]:
    """The regions that a replacement may be in, and its own; empty: any."""
    own = {instance.pool.region}
    if instance.requirements is not None:
        allowed = instance.requirements.regions
        return frozenset({*allowed, *own}) if allowed else frozenset()
    return frozenset(own.union(*(each.regions for each in workloads)))


def _of_instance(
    lab: Lab, memory: _Memory, workload: Workload, instance: Instance, present: AppliedWorkload
) -> InstanceConsequence:
    scored = lab.scored(lab.deciding_model(instance)[0])
    if regions := _regions(instance, workload, present.workload):
        scored = memory.part(scored, regions, instance.pool.instance_type)
    on_demand = scored.on_demand_usd_per_hour(instance.pool)
    last_switch_at = lab.store.ledger.last_switch_at(instance.instance_id)
    throughputs, policy = lab.store.throughputs.newest(), lab.store.policies.active()
    other = AppliedWorkload(workload, present.scope, present.key)

    def decided(applied: AppliedWorkload) -> Experiment:
        evaluation = Evaluation(scored, policy.params, policy_version=policy.reference)
        performance = index_of(applied.workload, throughputs, scored.hardware)
        return evaluate(
            instance,
            evaluation,
            last_switch_at,
            lab.clock.now(),
            applied,
            performance=performance,
        ).experiment

    key = (scored.model, repr(instance), repr(present), last_switch_at)
    before = memory.experiments.get(key)
    if before is None:
        before = memory.experiments[key] = decided(present)
    after = decided(other) if workload != present.workload else before
    return InstanceConsequence(
        instance,
        present,
        _interruption_usd(workload, on_demand),
        _interruption_usd(present.workload, on_demand),
        before.verdict,
        after.verdict,
        after.error or before.error,
    )


def _interruption_usd(workload: Workload, on_demand: float | None) -> float | None:
    if on_demand is None and workload.value_usd_per_hour is None:
        return None
    return float(workload.interruption_usd(on_demand if on_demand is not None else 0.0))


def _outcome(verdict: Verdict | None) -> tuple[object, object]:
    if verdict is None:
        return None, None
    return verdict.decision, verdict.chosen.pool if verdict.chosen is not None else None
