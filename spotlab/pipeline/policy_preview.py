"""What another policy would have decided in recorded decisions.

A changed decision does not influence later ones: each is made with the switches that were recorded
before it, not with those that the other policy would have made.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from spotlab.domain.decision import (
    Candidate,
    Decision,
    DropReason,
    Experiment,
    Lifecycle,
    Verdict,
)
from spotlab.domain.market import MarketName
from spotlab.domain.outcomes import Estimate, mean_of_days
from spotlab.domain.policy import PolicyParams
from spotlab.pipeline.policy import Situation, decide

MAX_CHANGED: Final = 500
"""How many changed decisions a preview lists; all are counted."""
_BY_POLICY: Final = {None, DropReason.RISK_CEILING, DropReason.STALE_PRICE}
"""Why a recorded pool is no candidate, where another policy may see it differently."""


def redecide(
    experiment: Experiment, params: PolicyParams, last_switch_at: datetime | None
) -> Verdict | None:
    """The decision of a policy with the inputs of a recorded one.

    Args:
        experiment: as recorded, with its candidates.
        params: parameters of the policy.
        last_switch_at: when the last switch before it was decided, or None.
    Returns:
        None if no decision was made then.
    """
    if experiment.verdict is None:
        return None
    current = experiment.verdict.current
    situation = Situation(
        experiment.instance,
        current,
        _best(experiment, params, current),
        _on_demand(experiment),
        experiment.workload.workload,
        last_switch_at,
        experiment.created_at,
    )
    return decide(situation, params)


def _best(
    experiment: Experiment, params: PolicyParams, current: Candidate | None
) -> Candidate | None:
    """The candidate with the lowest expected cost on another pool, under these parameters."""
    if _is_stale(experiment, params):
        return None
    own = current.pool if current is not None else experiment.instance.pool
    on_spot = experiment.instance.lifecycle is Lifecycle.SPOT
    usable = [
        each
        for each in experiment.candidates
        if each.dropped in _BY_POLICY
        and each.ceiling_risk <= params.risk_ceiling
        and not (on_spot and each.pool == own)
    ]
    return min(usable, key=_order, default=None)


def _order(candidate: Candidate) -> tuple[float, float, str, bool, str, str]:
    """The order of a ranking."""
    pool = candidate.pool
    zone = pool.availability_zone
    return (
        candidate.expected_cost_usd_per_hour,
        candidate.risk,
        pool.region,
        zone is None,
        zone or "",
        pool.instance_type,
    )


def _is_stale(experiment: Experiment, params: PolicyParams) -> bool:
    if experiment.market is MarketName.RECORDED:
        return False
    read_at = [each.sources[0].fetched_at for each in experiment.candidates if each.sources]
    oldest = min(read_at, default=experiment.created_at)
    return experiment.created_at - oldest > timedelta(hours=params.max_price_age_h)


def _on_demand(experiment: Experiment) -> float | None:
    """On-demand price of the instance's type, from the recorded pools of that type."""
    pool = experiment.instance.pool
    prices = (
        each.on_demand_price_usd_per_hour
        for each in experiment.candidates
        if (each.pool.region, each.pool.instance_type) == (pool.region, pool.instance_type)
    )
    return next((price for price in prices if price is not None), None)


@dataclass(frozen=True, slots=True)
class ChangedDecision:
    """A recorded decision that would have been another.

    Args:
        experiment_id, created_at, instance_id: of the recorded one.
        before, before_pool: the recorded decision, and the key of the pool it chose.
        after, after_pool: what it would have been.
        reason: of the other decision.
        cost_difference_usd_per_hour: expected cost after the other decision minus after the
            recorded one; None if either is unknown.
    """

    experiment_id: int
    created_at: datetime
    instance_id: str
    before: Decision
    before_pool: str | None
    after: Decision
    after_pool: str | None
    reason: str
    cost_difference_usd_per_hour: float | None


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of the decision; the same decision on both sides means another pool."""

    before: Decision
    after: Decision
    count: int


@dataclass(frozen=True, slots=True)
class PolicyPreview:
    """Recorded decisions, and what a policy would have decided.

    Args:
        policy: "name@version".
        since, until: the period.
        decided: number of decisions that were compared.
        changed: how many of them would have been another.
        moves_before, moves_after: how many of them are not STAY, as recorded and with the policy.
        instances: number of instances that they are about.
        transitions: the changes, most frequent first.
        cost_difference_usd_per_hour: mean expected cost after the policy's decisions minus after
            the recorded ones, per decision; interval by day.
        changes: the changed decisions, newest first, at most MAX_CHANGED.
        not_comparable: decisions that cannot be made again from their record, because the same
            parameters do not give the recorded decision.
        failed: evaluations in which no decision was made.
    """

    policy: str
    since: datetime
    until: datetime
    decided: int
    changed: int
    moves_before: int
    moves_after: int
    instances: int
    transitions: tuple[Transition, ...]
    cost_difference_usd_per_hour: Estimate
    changes: tuple[ChangedDecision, ...]
    not_comparable: int
    failed: int

    @property
    def cost_difference_usd_per_day(self) -> Estimate:
        """The same per day, for all these instances."""
        return self.cost_difference_usd_per_hour.times(24.0 * self.instances)


@dataclass(slots=True)
class PreviewTally:
    """Collects a preview from decisions, newest first, in bounded memory.

    Args:
        params: of the policy.
    """

    params: PolicyParams
    _decided: int = 0
    _moves_before: int = 0
    _moves_after: int = 0
    _failed: int = 0
    _not_comparable: int = 0
    _instances: set[str] = field(default_factory=set)
    _transitions: Counter[tuple[Decision, Decision]] = field(default_factory=Counter)
    _changes: deque[ChangedDecision] = field(default_factory=deque)
    _days: dict[date, tuple[float, int]] = field(default_factory=dict)

    def add(self, experiment: Experiment, last_switch_at: datetime | None) -> None:
        """Count one recorded decision.

        Args:
            experiment: as recorded.
            last_switch_at: when the last switch before it was decided, or None.
        """
        recorded = experiment.verdict
        if recorded is None:
            self._failed += 1
            return
        again = redecide(experiment, experiment.policy, last_switch_at)
        other = redecide(experiment, self.params, last_switch_at)
        if again is None or other is None or _choice(again) != _choice(recorded):
            self._not_comparable += 1
            return
        self._decided += 1
        self._instances.add(experiment.instance.instance_id)
        self._moves_before += recorded.decision is not Decision.STAY
        self._moves_after += other.decision is not Decision.STAY
        changed = _choice(other) != _choice(recorded)
        difference = _cost_difference(experiment, recorded, other) if changed else 0.0
        if difference is not None:
            day = experiment.created_at.date()
            total, count = self._days.get(day, (0.0, 0))
            self._days[day] = (total + difference, count + 1)
        if changed:
            self._transitions[recorded.decision, other.decision] += 1
            if len(self._changes) < MAX_CHANGED:
                self._changes.append(_changed(experiment, recorded, other, difference))

    def result(self, policy: str, since: datetime, until: datetime) -> PolicyPreview:
        """The preview of everything that was added.

        Args:
            policy: "name@version".
            since, until: the period of the decisions.
        """
        return PolicyPreview(
            policy,
            since,
            until,
            self._decided,
            self._transitions.total(),
            self._moves_before,
            self._moves_after,
            len(self._instances),
            tuple(Transition(*pair, count) for pair, count in self._transitions.most_common()),
            mean_of_days(self._days),
            tuple(self._changes),
            self._not_comparable,
            self._failed,
        )


def _choice(verdict: Verdict) -> tuple[Decision, str | None]:
    return verdict.decision, verdict.chosen.pool.key if verdict.chosen else None


def _changed(
    experiment: Experiment, recorded: Verdict, other: Verdict, difference: float | None
) -> ChangedDecision:
    before, before_pool = _choice(recorded)
    after, after_pool = _choice(other)
    return ChangedDecision(
        experiment.experiment_id,
        experiment.created_at,
        experiment.instance.instance_id,
        before,
        before_pool,
        after,
        after_pool,
        other.reason,
        difference,
    )


def _cost_difference(experiment: Experiment, recorded: Verdict, other: Verdict) -> float | None:
    before, after = _cost_after(experiment, recorded), _cost_after(experiment, other)
    return None if before is None or after is None else after - before


def _cost_after(experiment: Experiment, verdict: Verdict) -> float | None:
    """Expected cost after executing a verdict, USD per hour; None if unknown."""
    if verdict.decision is Decision.SWITCH:
        target = verdict.chosen
    elif (
        verdict.decision is Decision.FALLBACK_ONDEMAND
        or experiment.instance.lifecycle is Lifecycle.ON_DEMAND
    ):
        return _on_demand(experiment)
    else:
        target = verdict.current
    return target.expected_cost_usd_per_hour if target is not None else None
