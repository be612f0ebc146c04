"""What-if: decisions under other parameters, on the present market. Nothing is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance, PipelineMode
from spotlab.domain.policy import PolicyParams
from spotlab.domain.what_if import KNOBS, Changes, Part
from spotlab.domain.workload import Workload, applied_workload
from spotlab.pipeline.spread import Spread
from spotlab.pipeline.what_if import Outcome, PreparedFleet, Totals, totals
from spotlab.services.base import Service
from spotlab.services.instances import InstanceService
from spotlab.services.prepared_fleet import Moment, Preparations
from spotlab.services.workloads import WorkloadService


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Decisions with today's settings and with changes to them, on the same market.

    Args:
        policy: today's parameters.
        changes: to them and to the workloads.
        before: an outcome for each instance with today's settings.
        after: with the changes, in the same order.
        moment: the market; None: no instance could be decided about.
        step_ms: time that the decisions with the changes took.
    """

    policy: PolicyParams
    changes: Changes
    before: Sequence[Outcome]
    after: Sequence[Outcome]
    moment: Moment | None
    step_ms: float

    @property
    def totals_before(self) -> Totals:
        """With today's settings."""
        return totals(self.before)

    @property
    def totals_after(self) -> Totals:
        """With the changes."""
        return totals(self.after)

    @property
    def changed(self) -> list[tuple[Outcome, Outcome]]:
        """The outcomes before and after, of the instances that are decided about otherwise."""
        both = zip(self.before, self.after, strict=True)
        return [(before, after) for before, after in both if before.target != after.target]


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One value of a setting, and what the fleet would cost with it.

    Args:
        value: of the setting.
        totals: with the other changes too.
    """

    value: float
    totals: Totals


class WhatIfService(Service):
    """What-ifs about the instances that the user sees."""

    __slots__ = ()

    def step(self, changes: Changes, instance_ids: Sequence[str] | None = None) -> WhatIf:
        """Decide with today's settings and with changes to them. Nothing is recorded.

        Args:
            changes: to the policy and to the workloads.
            instance_ids: the instances; None: every active one that the user sees and whose
                pipeline is on.
        Raises:
            InvalidInput: the changes make a policy or a workload that is not valid.
            NotFound: no such instance, or of an account that the user does not see.
            NoMarketData: no market has been collected yet.
            Forbidden: the user may not read.
        """
        fleet, moment = self._prepared(instance_ids)
        policy, now = self.policy(), self.lab.clock.now()
        spread = self._spread(instance_ids)
        before = fleet.step(policy, Changes(), now, spread=spread)
        started = time.perf_counter()
        after = fleet.step(policy, changes, now, spread=spread)
        step_ms = (time.perf_counter() - started) * 1e3
        return WhatIf(policy, changes, before, after, moment, step_ms)

    def sweep(
        self,
        changes: Changes,
        knob: str,
        values: Sequence[float],
        instance_ids: Sequence[str] | None = None,
    ) -> list[SweepPoint]:
        """What the fleet would cost at each value of one setting, with the other changes.

        Args:
            changes: as in `step`; its value of the setting is ignored.
            knob: name of the setting, see KNOBS.
            values: of the setting.
            instance_ids: as in `step`.
        Raises:
            InvalidInput, NotFound, NoMarketData, Forbidden: as in `step`.
        """
        assert knob in KNOBS, f"no setting is called {knob}"
        fleet, _ = self._prepared(instance_ids)
        policy, now = self.policy(), self.lab.clock.now()
        spread, others = self._spread(instance_ids), changes.as_dict()
        points = []
        for value in values:
            changed = Changes(**(others | {knob: value}))
            outcomes = fleet.step(policy, changed, now, spread=spread)
            points.append(SweepPoint(value, totals(outcomes)))
        return points

    def policy(self) -> PolicyParams:
        """Today's parameters of the policy. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.policies.active().params

    def today(
        self, instance_ids: Sequence[str] | None = None
    ) -> tuple[dict[str, tuple[float, ...]], list[Workload]]:
        """Today's values of every setting, and the workloads that apply.

        Args:
            instance_ids: as in `step`.
        Returns:
            By the name of the setting, its different values, lowest first: several where workloads
            differ, none where they are unknown. Yes is 1, no is 0.
        Raises:
            NotFound, NoMarketData, Forbidden: as in `step`.
        """
        fleet, _ = self._prepared(instance_ids)
        found: dict[str, set[float]] = {name: set() for name in KNOBS}
        for name, value in self.policy().as_dict().items():
            if name in found:
                found[name].add(value)
        for each in fleet.instances:
            workload = each.applied.workload
            found["horizon_h"].add(workload.horizon_h)
            if each.on_demand_usd_per_hour is not None:
                usd = workload.interruption_usd(each.on_demand_usd_per_hour)
                found["interruption_usd"].add(usd)
            for name, knob in KNOBS.items():
                if knob.part is Part.HARDWARE:
                    found[name].add(float(getattr(workload.hardware, name)))
        workloads = {each.applied.workload for each in fleet.instances}
        return (
            {name: tuple(sorted(values)) for name, values in found.items()},
            sorted(workloads, key=lambda each: each.reference),
        )

    def _instances(self, instance_ids: Sequence[str] | None) -> list[Instance]:
        instances = InstanceService(self.lab, self.principal)
        if instance_ids is None:
            return [each for each in instances.list() if each.mode is not PipelineMode.OFF]
        return [instances.get(instance_id) for instance_id in instance_ids]

    def _spread(self, instance_ids: Sequence[str] | None) -> Callable[[PolicyParams], Spread]:
        """Where the whole fleet runs now, under any policy; see `Lab.spread`."""
        rules, workloads = self.lab.store.workloads.assignments(), self.lab.store.workloads.newest()
        every = {each.instance_id: each for each in self.lab.store.fleet.instances()}
        every |= {each.instance_id: each for each in self._instances(instance_ids)}
        applied = {
            name: applied_workload(each, rules, workloads).workload for name, each in every.items()
        }
        return lambda policy: Spread(every.values(), lambda one: applied[one.instance_id], policy)

    def _prepared(self, instance_ids: Sequence[str] | None) -> tuple[PreparedFleet, Moment | None]:
        instances = self._instances(instance_ids)
        workloads = WorkloadService(self.lab, self.principal)
        return self.lab.process_state(Preparations).fleet(self.lab, instances, workloads.applied)
