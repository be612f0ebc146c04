"""What another policy would have decided in recorded decisions.

A changed decision does not influence later ones: each is made with the switches that were recorded
before it, not with those that the other policy would have made.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from spotlab.domain.decision import Decision, Experiment, Lifecycle, Verdict
from spotlab.domain.outcomes import Estimate, mean_of_days

MAX_CHANGED: Final = 500
"""How many changed decisions a preview lists; all are counted."""


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
    """Collects a preview from decisions, newest first, in bounded memory."""

    _decided: int = 0
    _moves_before: int = 0
    _moves_after: int = 0
    _failed: int = 0
    _not_comparable: int = 0
    _instances: set[str] = field(default_factory=set)
    _transitions: Counter[tuple[Decision, Decision]] = field(default_factory=Counter)
    _changes: deque[ChangedDecision] = field(default_factory=deque)
    _days: dict[date, tuple[float, int]] = field(default_factory=dict)

    def add(self, experiment: Experiment, other: Verdict | None) -> None:
        """Count one recorded decision.

        Args:
            experiment: as recorded.
            other: what the policy decides with its inputs; None: they are no longer there.
        """
        recorded = experiment.verdict
        if recorded is None:
            self._failed += 1
            return
        if other is None:
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
    before, after = _gain(experiment, recorded), _gain(experiment, other)
    return None if before is None or after is None else before - after


def _gain(experiment: Experiment, verdict: Verdict) -> float | None:
    """Expected cost of staying minus that after executing a verdict, USD per hour; None if unknown.

    The cost of the move itself does not recur, so it is not part of it.
    """
    if verdict.decision is Decision.STAY:
        return 0.0
    if verdict.margin is not None:
        return verdict.margin.saving - verdict.margin.moving
    current, chosen = verdict.current, verdict.chosen  # recorded before there were margins
    if chosen is None or current is None or experiment.instance.lifecycle is Lifecycle.ON_DEMAND:
        return None
    return current.expected_cost_usd_per_hour - chosen.expected_cost_usd_per_hour
