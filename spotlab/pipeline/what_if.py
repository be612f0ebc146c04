"""What-if: what would be decided about a fleet under other parameters, and what it would cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from spotlab.domain.decision import Candidate, Decision, Instance, Lifecycle, Verdict
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.what_if import Changes, RunningCost
from spotlab.domain.workload import AppliedWorkload
from spotlab.errors import SpotlabError
from spotlab.pipeline.preparation import prepare
from spotlab.pipeline.prepared_instance import PreparedInstance
from spotlab.pipeline.score import ScoredMarket
from spotlab.pipeline.spread import Spread, decide_fleet


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would be decided about one instance.

    Args:
        instance: the instance.
        verdict: None if none can be made.
        error: why; "" if there is a verdict.
        now: what it costs where it runs; None: unknown.
        after: what it would cost after the decision; None: unknown.
    """

    instance: Instance
    verdict: Verdict | None
    error: str
    now: RunningCost | None
    after: RunningCost | None

    @property
    def moves(self) -> bool:
        """Whether it would leave its pool."""
        return self.verdict is not None and self.verdict.decision is not Decision.STAY

    @property
    def target(self) -> tuple[Decision | None, Pool | None]:
        """The decision with the pool to switch to: two outcomes are the same if these are."""
        verdict = self.verdict
        if verdict is None:
            return None, None
        return verdict.decision, verdict.chosen.pool if verdict.chosen else None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a fleet costs.

    Args:
        instances: number of instances.
        moves: number of them that would leave their pool.
        now: where they run; only of those whose cost is known before and after.
        after: after the decisions; of the same instances.
        unknown: number of instances whose cost is not known before and after.
    """

    instances: int
    moves: int
    now: RunningCost
    after: RunningCost
    unknown: int


def totals(outcomes: Sequence[Outcome]) -> Totals:
    """The sums over a fleet."""
    known = [(each.now, each.after) for each in outcomes if each.now and each.after]
    nothing = RunningCost(0.0, 0.0, 0.0)
    return Totals(
        len(outcomes),
        sum(each.moves for each in outcomes),
        sum((now for now, _ in known), nothing),
        sum((after for _, after in known), nothing),
        len(outcomes) - len(known),
    )


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFleet:
    """Several instances, to be decided about together.

    Args:
        instances: those that can be decided about.
        failures: for each other instance, why it cannot.
    """

    instances: Sequence[PreparedInstance]
    failures: Sequence[tuple[Instance, str]] = ()

    def step(
        self,
        params: PolicyParams,
        changes: Changes,
        now: datetime,
        unavailable: Mapping[str, Collection[str]] = MappingProxyType({}),
        spread: Callable[[PolicyParams], Spread] | None = None,
    ) -> list[Outcome]:
        """What would be decided about each instance; those that cannot be decided about last.

        Args:
            params: today's parameters of the policy.
            changes: to them and to the workloads.
            now: aware UTC.
            unavailable: by instance id, keys of pools that are left to other instances.
            spread: where the whole fleet runs, under a policy: decides for the instances with each
                other in view, as an evaluation does; None: for each alone.
        """
        policy = changes.policy(params)
        prepared = {each.instance.instance_id: each for each in self.instances}

        def decide(instance: Instance, taken: Collection[str]) -> Verdict:
            each = prepared[instance.instance_id]
            return each.decide(policy, changes.workload(each.applied.workload), now, taken)

        instances = [each.instance for each in self.instances]
        if spread is None:
            verdicts = {
                each.instance_id: decide(each, unavailable.get(each.instance_id, ()))
                for each in instances
            }
        else:
            decided = decide_fleet(instances, decide, lambda verdict: verdict, spread(policy))
            verdicts = {each.instance.instance_id: each.result for each in decided}
        outcomes = [_outcome(each, verdicts[name]) for name, each in prepared.items()]
        failed = (Outcome(instance, None, error, None, None) for instance, error in self.failures)
        return [*outcomes, *failed]


def _outcome(prepared: PreparedInstance, verdict: Verdict) -> Outcome:
    on_demand = _on_demand_cost(prepared.on_demand_usd_per_hour)
    spot = _spot_cost(verdict.current)
    now = on_demand if prepared.instance.lifecycle is Lifecycle.ON_DEMAND else spot
    after = {
        Decision.STAY: now,
        Decision.SWITCH: _spot_cost(verdict.chosen),
        Decision.FALLBACK_ONDEMAND: on_demand,
    }[verdict.decision]
    return Outcome(prepared.instance, verdict, "", now, after)


def _on_demand_cost(usd_per_hour: float | None) -> RunningCost | None:
    return RunningCost(usd_per_hour, 0.0, usd_per_hour) if usd_per_hour is not None else None


def _spot_cost(candidate: Candidate | None) -> RunningCost | None:
    if candidate is None:
        return None
    return RunningCost(
        candidate.price_for_work,
        candidate.hazard_within_a_month / candidate.performance,
        candidate.expected_cost_usd_per_hour,
    )


def prepare_fleet(
    instances: Sequence[tuple[Instance, ScoredMarket, datetime | None, AppliedWorkload]],
) -> PreparedFleet:
    """Prepare several instances.

    Args:
        instances: the arguments of `prepare` for each.
    """
    prepared: list[PreparedInstance] = []
    failures: list[tuple[Instance, str]] = []
    for instance, scored, last_switch_at, applied in instances:
        try:
            prepared.append(prepare(instance, scored, last_switch_at, applied))
        except (SpotlabError, ValueError) as exc:
            failures.append((instance, str(exc)))
    return PreparedFleet(prepared, failures)
