"""Workloads: what a user knows about an instance's work and SpotLab cannot guess.

An interruption of a pool costs every workload something else: a stateless server loses seconds, a
training job half a checkpoint interval, a stateful server an hour of somebody's time. The expected
cost of a pool counts it as

    interruption_usd = fixed_usd + (work_lost_h + recovery_h) * value of an hour
                       + recovery_h * outage_usd_per_hour + late_h * late_usd_per_hour

where the value of an hour is `value_usd_per_hour`, or the on-demand price of the instance's type,
the third term is for work that must always be up, and the fourth for work with a deadline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.plain_names import check_plain_name
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import FloatArray
from spotlab.errors import InvalidInput

Price = TypeVar("Price", float, FloatArray)
"""USD per hour: of one pool, or of many."""

DEFAULT_NAME: Final = "default"
MAX_DESCRIPTION: Final = 500


LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "work_lost_h": (0.0, 8_760.0),
    "checkpoint_interval_h": (0.0, 17_520.0),
    "recovery_h": (0.0, 8_760.0),
    "fixed_usd": (0.0, 1e9),
    "value_usd_per_hour": (0.0, 1e9),
    "outage_usd_per_hour": (0.0, 1e9),
    "deadline_slack_h": (0.0, 8_760.0),
    "late_usd_per_hour": (0.0, 1e9),
    "horizon_h": (0.1, 8_760.0),
    "max_pool_share": (0.0, 1.0),
}
"""Smallest and largest value of each number."""
MAX_MEMORY_TOLERANCE: Final = 0.5
MAX_TAG: Final = 128
"""Longest name of a tag in EC2."""


class AssignmentScope(StrEnum):
    """What a workload is assigned to; an earlier member wins over a later one."""

    INSTANCE = "instance"
    TAG = "tag"
    ACCOUNT = "account"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Workload:
    """One version of a workload; versions never change.

    Args:
        name: such as "checkpointed-training".
        version: 1, 2, …
        description: what it assumes, in a sentence.
        work_lost_h: mean hours of work that an interruption destroys: half the checkpoint
            interval, or half a job without checkpoints. Every loss up to twice the mean is
            equally likely.
        recovery_h: hours until a replacement does useful work.
        fixed_usd: cost of each interruption that does not depend on time, USD.
        value_usd_per_hour: value of an hour of work; None: the on-demand price of its type.
        horizon_h: horizon of every risk, hours.
        max_pool_share: largest share of its group on one pool, above 0 to 1.
        regions, zones: where it may run; empty: its own region, any zone.
        hardware: what counts as equal hardware.
        checkpoint_interval_h: hours between checkpoints, if that is how work_lost_h was given;
            then work_lost_h is half of it.
        outage_usd_per_hour: for work that must always be up: cost of each hour without the
            instance, during a recovery or a switch, in addition to the value of the hour.
        deadline_slack_h: for work with a deadline: hours by which it may be delayed and still be
            in time; None: no deadline.
        late_usd_per_hour: cost of each hour after the deadline; goes with deadline_slack_h.
        requirements: of a replacement, instead of those derived from the instance's type. Its
            regions and zones are those of the workload, its operating system the instance's.
        group_tag: name of the tag whose value makes the group; "": the instances with this
            workload form one group.
    """

    name: str
    version: int
    description: str
    work_lost_h: float
    recovery_h: float
    fixed_usd: float = 0.0
    value_usd_per_hour: float | None = None
    horizon_h: float = 24.0
    max_pool_share: float = 1.0
    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    hardware: HardwareRule = field(default_factory=HardwareRule)
    checkpoint_interval_h: float | None = None
    outage_usd_per_hour: float = 0.0
    deadline_slack_h: float | None = None
    late_usd_per_hour: float = 0.0
    requirements: Requirements | None = None
    group_tag: str = ""

    def __post_init__(self) -> None:
        """Check the values. Raises InvalidInput: names the field and what would be right."""
        check_plain_name(self.name, "workload", "queue-worker")
        if len(self.description) > MAX_DESCRIPTION:
            raise InvalidInput(
                f"description has {len(self.description)} characters.",
                remedy=f"Use at most {MAX_DESCRIPTION}.",
                field="description",
            )
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:  # NaN is refused too
                raise InvalidInput(
                    f"{name} is {value}.", remedy=f"Use {low:g} to {high:g}.", field=name
                )
        if self.max_pool_share == 0.0:
            raise InvalidInput(
                "max_pool_share is 0.", remedy="Use above 0, up to 1.", field="max_pool_share"
            )
        tolerance = self.hardware.memory_tolerance
        if not 0.0 <= tolerance <= MAX_MEMORY_TOLERANCE:
            raise InvalidInput(
                f"memory_tolerance is {tolerance}.",
                remedy=f"Use 0 to {MAX_MEMORY_TOLERANCE:g}.",
                field="memory_tolerance",
            )
        if len(self.group_tag) > MAX_TAG:
            raise InvalidInput(
                f"group_tag has {len(self.group_tag)} characters.",
                remedy=f"EC2 allows {MAX_TAG} in the name of a tag.",
                field="group_tag",
            )
        self._check_pairs()

    def _check_pairs(self) -> None:
        """Check fields that need each other."""
        interval = self.checkpoint_interval_h
        if interval is not None and self.work_lost_h != interval / 2:
            raise InvalidInput(
                f"work_lost_h is {self.work_lost_h:g}, but half of the checkpoint interval is "
                f"{interval / 2:g}.",
                remedy="Give one of the two.",
                field="checkpoint_interval_h",
            )
        if (self.deadline_slack_h is None) != (self.late_usd_per_hour == 0.0):
            given, missing = "late_usd_per_hour", "deadline_slack_h"
            if self.deadline_slack_h is not None:
                given, missing = missing, given
            raise InvalidInput(
                f"{given} is given without {missing}.",
                remedy="A deadline needs the hours of slack before it and the cost of each hour "
                "after it, above 0 USD.",
                field=missing,
            )
        if self.requirements is not None and (self.requirements.regions or self.requirements.zones):
            raise InvalidInput(
                "The requirements of a workload have regions or zones.",
                remedy="Set `regions` and `zones` of the workload instead.",
                field="requirements",
            )

    @property
    def reference(self) -> str:
        """ "name@version"."""
        return f"{self.name}@{self.version}"

    def hour_usd(self, on_demand_usd_per_hour: Price) -> Price | float:
        """Value of an hour of work: its own, or the on-demand price of the instance's type."""
        value = self.value_usd_per_hour
        return on_demand_usd_per_hour if value is None else value

    def interruption_usd(self, on_demand_usd_per_hour: Price) -> Price | float:
        """Cost of one interruption, USD, elementwise.

        Args:
            on_demand_usd_per_hour: of the instance's type; used where the workload gives no value.
        """
        hours = self.work_lost_h + self.recovery_h
        others = self.recovery_h * self.outage_usd_per_hour + self.late_h * self.late_usd_per_hour
        return self.fixed_usd + hours * self.hour_usd(on_demand_usd_per_hour) + others

    def downtime_usd_per_hour(self, on_demand_usd_per_hour: Price) -> Price | float:
        """Cost of an hour without the instance, as in a recovery or a switch, elementwise."""
        return self.outage_usd_per_hour + self.hour_usd(on_demand_usd_per_hour)

    @property
    def late_h(self) -> float:
        """Mean hours after the deadline that one interruption causes; 0 without a deadline.

        The delay is the work lost, which is uniform from 0 to twice its mean, and the recovery.

        >>> Workload("job", 1, "", 0.5, 0.25, deadline_slack_h=0.75, late_usd_per_hour=9).late_h
        0.125
        """
        if self.deadline_slack_h is None:
            return 0.0
        most_lost, spare = 2.0 * self.work_lost_h, self.deadline_slack_h - self.recovery_h
        if spare <= 0.0:
            return self.work_lost_h - spare
        return max(0.0, most_lost - spare) ** 2 / (2.0 * most_lost) if most_lost else 0.0


@dataclass(frozen=True, slots=True)
class WorkloadVersion:
    """A version with its author.

    Args:
        workload: its parameters.
        created_at: aware UTC; None: a preset.
        created_by: a user's name; "" for a preset.
        reason: why, in the author's words.
    """

    workload: Workload
    created_at: datetime | None = None
    created_by: str = ""
    reason: str = ""


def to_parameters(workload: Workload) -> dict[str, Any]:
    """A workload as JSON values."""
    values = asdict(workload)
    values["regions"], values["zones"] = list(workload.regions), list(workload.zones)
    values["hardware"]["equal_gpus"] = sorted(workload.hardware.equal_gpus)
    if workload.requirements is not None:
        for name in ("regions", "zones", "families"):
            values["requirements"][name] = list(values["requirements"][name])
    return values


def with_work_lost(
    workload: Workload, work_lost_h: float | None, checkpoint_interval_h: float | None
) -> Workload:
    """A workload with another loss of work.

    Args:
        workload: the workload.
        work_lost_h: mean hours lost.
        checkpoint_interval_h: hours between checkpoints. If both are None, nothing changes.
    Raises:
        InvalidInput: both are given and do not agree.
    """
    if checkpoint_interval_h is not None:
        lost = checkpoint_interval_h / 2 if work_lost_h is None else work_lost_h
        return replace(workload, work_lost_h=lost, checkpoint_interval_h=checkpoint_interval_h)
    if work_lost_h is None:
        return workload
    return replace(workload, work_lost_h=work_lost_h, checkpoint_interval_h=None)


def describe_cost(workload: Workload) -> str:
    """What an interruption costs, as a sentence.

    >>> describe_cost(DEFAULT_WORKLOAD)
    'An interruption costs 0.6 h at the on-demand price.'
    """
    hours = workload.work_lost_h + workload.recovery_h
    value = workload.value_usd_per_hour
    price = "the on-demand price" if value is None else _usd(value)
    parts = [_usd(workload.fixed_usd)] if workload.fixed_usd else []
    parts.append(f"{hours:g} h at {price}")
    if workload.outage_usd_per_hour:
        outage = f"{workload.recovery_h:g} h of outage at {_usd(workload.outage_usd_per_hour)}"
        parts.append(outage)
    if workload.deadline_slack_h is not None:
        late = f"{workload.late_h:.3g} h after the deadline at {_usd(workload.late_usd_per_hour)}"
        parts.append(late)
    *first, last = parts
    return f"An interruption costs {', '.join(first)}{' and ' if first else ''}{last}."


def _usd(amount: float) -> str:
    """An amount without an exponent, however large.

    >>> _usd(1e6), _usd(2.5), _usd(0.004)
    ('1,000,000 USD', '2.5 USD', '0.004 USD')
    """
    if amount == round(amount):
        return f"{amount:,.0f} USD"
    return f"{amount:,.2f} USD" if amount >= 1e4 else f"{amount:g} USD"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A rule that gives instances a workload.

    Args:
        scope: instance, tag or account.
        key: the instance id, "tag=value", or the account's name.
        workload: name of the workload; its newest version applies.
    """

    scope: AssignmentScope
    key: str
    workload: str


@dataclass(frozen=True, slots=True)
class AppliedWorkload:
    """A workload with the rule that chose it.

    Args:
        workload: the version that applies.
        scope: of the rule; DEFAULT: no rule matched.
        key: of the rule; "" for the default.
    """

    workload: Workload
    scope: AssignmentScope
    key: str = ""

    @property
    def reason(self) -> str:
        """Which rule chose it, as a sentence.

        >>> AppliedWorkload(DEFAULT_WORKLOAD, AssignmentScope.DEFAULT).reason
        'Default workload assumed.'
        """
        if self.scope is AssignmentScope.DEFAULT:
            return "Default workload assumed."
        if self.scope is AssignmentScope.INSTANCE:
            return f"Workload {self.workload.name}, assigned to this instance."
        return f"Workload {self.workload.name}, assigned by {self.scope.value} {self.key}."


DEFAULT_WORKLOAD: Final = Workload(
    DEFAULT_NAME,
    1,
    "Nothing is known: half an hour of work is lost, recovery takes 6 minutes, and an hour is "
    "worth the on-demand price.",
    work_lost_h=0.5,
    recovery_h=0.1,
)
NO_WORKLOAD: Final = AppliedWorkload(DEFAULT_WORKLOAD, AssignmentScope.DEFAULT)
"""For an instance that no rule gives a workload."""


class Assignable(Protocol):
    """What an assignment looks at of an instance."""

    @property
    def instance_id(self) -> str:
        """Such as "i-0abc…"."""
        ...

    @property
    def account(self) -> str:
        """Name of its account."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags in EC2."""
        ...


def applied_workload(
    instance: Assignable, assignments: Sequence[Assignment], workloads: Mapping[str, Workload]
) -> AppliedWorkload:
    """The workload of an instance: by its own assignment, a tag, its account, or the default.

    Args:
        instance: the instance.
        assignments: every rule; of several tags that match, the first by key wins.
        workloads: newest version by name; an assignment to a name that is not here is skipped.
    """
    matching = {
        AssignmentScope.INSTANCE: {instance.instance_id},
        AssignmentScope.TAG: {f"{name}={value}" for name, value in instance.tags.items()},
        AssignmentScope.ACCOUNT: {instance.account},
    }
    order = [*AssignmentScope]
    for each in sorted(assignments, key=lambda rule: (order.index(rule.scope), rule.key)):
        if each.key in matching.get(each.scope, ()) and each.workload in workloads:
            return AppliedWorkload(workloads[each.workload], each.scope, each.key)
    default = workloads.get(DEFAULT_NAME, DEFAULT_WORKLOAD)
    return AppliedWorkload(default, AssignmentScope.DEFAULT)
