"""Workloads: what a user knows about an instance's work and SpotLab cannot guess.

An interruption of a pool costs every workload something else: a stateless server loses seconds, a
training job half a checkpoint interval, a stateful server an hour of somebody's time. The expected
cost of a pool counts it as

    interruption_usd = fixed_usd + (work_lost_h + recovery_h) * value of an hour

where the value of an hour is `value_usd_per_hour`, or the on-demand price of the instance's type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.plain_names import check_plain_name
from spotlab.domain.risk import FloatArray
from spotlab.errors import InvalidInput

Price = TypeVar("Price", float, FloatArray)
"""USD per hour: of one pool, or of many."""

DEFAULT_NAME: Final = "default"
MAX_DESCRIPTION: Final = 500


LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "work_lost_h": (0.0, 8_760.0),
    "recovery_h": (0.0, 8_760.0),
    "fixed_usd": (0.0, 1e9),
    "value_usd_per_hour": (0.0, 1e9),
    "horizon_h": (0.1, 8_760.0),
    "max_pool_share": (0.0, 1.0),
}
"""Smallest and largest value of each number."""
MAX_MEMORY_TOLERANCE: Final = 0.5


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
            interval, or half a job without checkpoints.
        recovery_h: hours until a replacement does useful work.
        fixed_usd: cost of each interruption that does not depend on time, USD.
        value_usd_per_hour: value of an hour of work; None: the on-demand price of its type.
        horizon_h: horizon of every risk, hours.
        max_pool_share: largest share of its group that may run on one pool, above 0 to 1.
        regions, zones: where it may run; empty: its own region, any zone.
        hardware: what counts as equal hardware.
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

    def __post_init__(self) -> None:
        """Check the ranges. Raises InvalidInput: names the field and what would be right."""
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
        return self.fixed_usd + hours * self.hour_usd(on_demand_usd_per_hour)


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
    return values


def describe_cost(workload: Workload) -> str:
    """What an interruption costs, as a sentence.

    >>> describe_cost(DEFAULT_WORKLOAD)
    'An interruption costs 0.6 h at the on-demand price.'
    """
    hours = workload.work_lost_h + workload.recovery_h
    value = workload.value_usd_per_hour
    price = "the on-demand price" if value is None else f"{value:g} USD"
    fixed = f"{workload.fixed_usd:g} USD and " if workload.fixed_usd else ""
    return f"An interruption costs {fixed}{hours:g} h at {price}."


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
PRESETS: Final[tuple[Workload, ...]] = (
    DEFAULT_WORKLOAD,
    Workload(
        "stateless-service",
        1,
        "A replica behind a load balancer: no work is lost, capacity is missing for 3 minutes, and "
        "at most half of the group shares a pool. 7 % less memory is acceptable.",
        work_lost_h=0.0,
        recovery_h=0.05,
        max_pool_share=0.5,
        hardware=HardwareRule(memory_tolerance=0.07),
    ),
    Workload(
        "queue-worker",
        1,
        "Takes jobs of about half an hour from a queue: the job in hand starts again, so that 15 "
        "minutes are lost on average; a new worker is ready after 3 minutes.",
        work_lost_h=0.25,
        recovery_h=0.05,
        max_pool_share=0.75,
        hardware=HardwareRule(memory_tolerance=0.07),
    ),
    Workload(
        "checkpointed-training",
        1,
        "Writes a checkpoint every hour: 30 minutes are lost on average, and loading data and "
        "checkpoint takes 15 minutes. The same GPU or a better one.",
        work_lost_h=0.5,
        recovery_h=0.25,
    ),
    Workload(
        "stateful-server",
        1,
        "A database or cache: an interruption takes an hour to repair and 20 USD of somebody's "
        "time. Local storage and bandwidth are used; the horizon is a week.",
        work_lost_h=0.0,
        recovery_h=1.0,
        fixed_usd=20.0,
        horizon_h=168.0,
        max_pool_share=0.34,
        hardware=HardwareRule(uses_local_storage=True, keeps_bandwidth=True),
    ),
    Workload(
        "development-box",
        1,
        "Somebody works on it: an interruption costs about half an hour of work and of attention, "
        "20 USD. Burstable and older hardware is acceptable.",
        work_lost_h=0.25,
        recovery_h=0.25,
        fixed_usd=20.0,
        hardware=HardwareRule(
            memory_tolerance=0.07, allow_older_generation=True, allow_burstable=True
        ),
    ),
)
"""Workloads that every installation has; each says in words what it assumes."""


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
