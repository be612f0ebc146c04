"""What-if: decisions under other parameters, on the present market. Nothing is recorded."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance, PipelineMode
from spotlab.domain.market import MarketName, Provenance
from spotlab.domain.performance import index_of
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import Topic
from spotlab.domain.what_if import KNOBS, Changes, Part
from spotlab.domain.workload import AppliedWorkload, Workload, applied_workload
from spotlab.errors import SpotlabError
from spotlab.pipeline.preparation import prepare
from spotlab.pipeline.prepared_instance import PreparedInstance
from spotlab.pipeline.score import ScoredMarket
from spotlab.pipeline.spread import Spread
from spotlab.pipeline.what_if import Outcome, PreparedFleet, Totals, totals
from spotlab.runtime.lab import Lab
from spotlab.services.base import Service
from spotlab.services.instances import InstanceService
from spotlab.services.workloads import WorkloadService

PREPARED_FOR_S: Final = 120.0
MAX_PREPARED: Final = 1_000
"""Instances whose arrays are kept; each takes about 30 KB."""
_TOPICS: Final = (Topic.MARKET, Topic.FLEET, Topic.MODELS, Topic.EXPERIMENTS, Topic.POLICIES)


@dataclass(frozen=True, slots=True)
class Moment:
    """The market that a what-if was computed on.

    Args:
        market: which one.
        as_of: when it was read.
        pools: number of pools.
        models: "name@version" of the models that scored it.
        origins: provenance of its feeds.
        degraded: why less data than usual was used; empty if healthy.
    """

    market: MarketName
    as_of: datetime
    pools: int
    models: tuple[str, ...]
    origins: tuple[Provenance, ...]
    degraded: tuple[str, ...]


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
        return self.lab.process_state(_Preparations).fleet(self.lab, instances, workloads.applied)


@dataclass(frozen=True, slots=True)
class _Preparation:
    """An instance prepared.

    Args:
        result: the arrays; or why there are none.
        scored: the market that they were read from.
        note: why it was not scored by the assigned model, or "".
    """

    result: PreparedInstance | str
    scored: ScoredMarket
    note: str


@dataclass(slots=True)
class _Preparations:
    """Prepared instances of one market moment, shared by all users of this process."""

    versions: tuple[int, ...] = ()
    until: float = 0.0
    scored: dict[str | None, ScoredMarket] = field(default_factory=dict)
    by_id: OrderedDict[str, _Preparation] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fleet(
        self,
        lab: Lab,
        instances: Sequence[Instance],
        workloads_of: Callable[[Sequence[Instance]], Mapping[str, AppliedWorkload]],
    ) -> tuple[PreparedFleet, Moment | None]:
        """The instances prepared, and their market; what is missing or outdated is prepared."""
        with self.lock:
            self._forget_outdated(lab)
            missing = [each for each in instances if each.instance_id not in self.by_id]
            applied = workloads_of(missing) if missing else {}
            for each in missing:
                self.by_id[each.instance_id] = self._prepare(lab, each, applied[each.instance_id])
            found = [(each, self.by_id[each.instance_id]) for each in instances]
            while len(self.by_id) > MAX_PREPARED:
                self.by_id.popitem(last=False)
        ready = [each.result for _, each in found if isinstance(each.result, PreparedInstance)]
        failures = [(one, each.result) for one, each in found if isinstance(each.result, str)]
        return PreparedFleet(ready, failures), _moment([each for _, each in found])

    def _forget_outdated(self, lab: Lab) -> None:
        versions = tuple(lab.bus.version(topic) for topic in _TOPICS)
        if versions != self.versions or time.monotonic() >= self.until:
            self.scored.clear()
            self.by_id.clear()
            self.versions, self.until = versions, time.monotonic() + PREPARED_FOR_S

    def _prepare(self, lab: Lab, instance: Instance, applied: AppliedWorkload) -> _Preparation:
        model, note = lab.deciding_model(instance)
        if model not in self.scored:
            self.scored[model] = lab.scored(model)
        scored = self.scored[model]
        last_switch_at = lab.store.ledger.last_switch_at(instance.instance_id)
        try:
            index = index_of(applied.workload, lab.store.throughputs.newest(), scored.hardware)
            performance = index.ratios(
                instance.pool.instance_type, tuple(scored.table["instance_type"])
            )
            prepared = prepare(instance, scored, last_switch_at, applied, performance)
        except (SpotlabError, ValueError) as exc:
            return _Preparation(str(exc), scored, note)
        return _Preparation(prepared, scored, note)


def _moment(preparations: Sequence[_Preparation]) -> Moment | None:
    if not preparations:
        return None
    scored = preparations[0].scored
    notes = [each.note for each in preparations if each.note]
    return Moment(
        scored.data.market,
        scored.data.as_of,
        len(scored.table),
        tuple(sorted({each.scored.model for each in preparations})),
        tuple(scored.data.origins.values()),
        tuple(dict.fromkeys((*scored.data.degraded, *notes))),
    )
