"""Workloads, their versions, and the rules that assign them."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, PlainName, RequestBody, View, field
from spotlab.api.views.instances import RequirementsRequest, RequirementsView
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.plain_names import MAX_NAME
from spotlab.domain.workload import (
    LIMITS,
    MAX_DESCRIPTION,
    MAX_MEMORY_TOLERANCE,
    MAX_TAG,
    AssignmentScope,
    Workload,
    WorkloadVersion,
    describe_cost,
    with_work_lost,
)
from spotlab.errors import InvalidInput
from spotlab.services.workloads import MAX_KEY
from spotlab.telemetry.invisible_characters import LABEL

WORKLOAD_NAME = rf"^[A-Za-z0-9_-]{{1,{MAX_NAME}}}$"
MAX_VERSION = 2**31 - 1
WorkloadName = Annotated[str, Field(pattern=WORKLOAD_NAME)]
RuleScope = Literal["instance", "tag", "account"]


def _number(name: str, meaning: str, *, default: Any = ..., example: float | None = None) -> Any:
    """A number of a request, within the limits of the workload's field."""
    low, high = LIMITS[name]
    return Field(default, ge=low, le=high, description=meaning, examples=[example])


class HardwareRuleView(View):
    """What counts as equal hardware."""

    memory_tolerance: float = field("Share of memory that a replacement may lack.", 0.07, "share")
    allow_weaker_gpu: bool = field("Whether weaker GPUs are accepted.", False)
    equal_gpus: list[str] = field("GPU models that count as equal.", ["a10g", "l4"])
    allow_older_generation: bool = field("Whether older CPU generations are accepted.", False)
    allow_burstable: bool = field("Whether burstable and flex types are accepted.", False)
    same_cpu_maker: bool = field("Whether the CPU maker must be the same.", False)
    uses_local_storage: bool = field("Whether as much local storage is required.", False)
    keeps_bandwidth: bool = field("Whether as much bandwidth is required.", False)
    use_claims: bool = field("Whether AWS's claims about performance count.", False)


class HardwareRuleRequest(RequestBody):
    """What counts as equal hardware; omitted fields ask for no worse hardware in no fact."""

    memory_tolerance: float = Field(
        default=0.0,
        ge=0,
        le=MAX_MEMORY_TOLERANCE,
        description="Share of memory that a replacement may lack.",
    )
    allow_weaker_gpu: bool = Field(default=False, description="Accept weaker GPUs.")
    equal_gpus: list[PlainName] = Field(
        default=[],
        max_length=50,
        description="GPU models that count as equal.",
        examples=[["a10g", "l4"]],
    )
    allow_older_generation: bool = Field(default=False, description="Accept older CPU generations.")
    allow_burstable: bool = Field(default=False, description="Accept burstable and flex types.")
    same_cpu_maker: bool = Field(default=False, description="Require the same CPU maker.")
    uses_local_storage: bool = Field(default=False, description="Require as much local storage.")
    keeps_bandwidth: bool = Field(
        default=False, description="Require as much network and EBS bandwidth."
    )
    use_claims: bool = Field(
        default=False,
        description="Count what AWS claims about performance where nothing was measured.",
    )


class WorkloadView(View):
    """One version of a workload, with its author."""

    name: str = field("Name.", "queue-worker")
    version: int = field("Version; versions never change.", 1)
    description: str = field("What it assumes, in a sentence.", "Takes jobs from a queue.")
    words: str = field(
        "What an interruption costs, in a sentence.",
        "An interruption costs 0.3 h at the on-demand price.",
    )
    work_lost_h: float = field("Mean work that an interruption destroys.", 0.25, "h")
    checkpoint_interval_h: float | None = field(
        "Time between checkpoints, if the loss of work was given so; it is half of this.", None, "h"
    )
    recovery_h: float = field("Time until a replacement does useful work.", 0.05, "h")
    fixed_usd: float = field("Cost of each interruption that does not depend on time.", 0.0, "USD")
    value_usd_per_hour: float | None = field(
        "Value of an hour of work; null: the on-demand price of the type.", None, "USD/h"
    )
    outage_usd_per_hour: float = field(
        "For work that must always be up: cost of an hour without the instance, in addition.",
        0.0,
        "USD/h",
    )
    deadline_slack_h: float | None = field(
        "For work with a deadline: how long it may be delayed; null: no deadline.", None, "h"
    )
    late_usd_per_hour: float = field("Cost of an hour after the deadline.", 0.0, "USD/h")
    horizon_h: float = field("Horizon of its risks.", 24.0, "h")
    max_pool_share: float = field("Largest share of its group on one pool.", 0.75, "share")
    group_tag: str = field(
        "Name of the tag whose value makes the group; empty: the instances with this workload "
        "form one group.",
        "",
    )
    regions: list[str] = field("Where it may run; empty: its own region.", [])
    zones: list[str] = field("Zones where it may run; empty: any.", [])
    hardware: HardwareRuleView
    requirements: RequirementsView | None = Field(
        description="Requirements for a replacement, instead of those derived from the type; its "
        "regions and zones are those of the workload. Null: derived."
    )
    created_at: datetime | None = field(
        "When it was saved; null for a built-in one.", "2026-11-03T09:30:00Z"
    )
    created_by: str | None = field("User who saved it; null for a built-in one.", "ana")
    reason: str | None = field("Why it was saved; null if no reason was given.", "Measured.")


class WorkloadRequest(ChangeRequest):
    """A new version of a workload, whole: omitted fields have their default."""

    expected_version: int | None = Field(
        ge=0,
        le=MAX_VERSION,
        description="The newest version when the change was prepared, 0 for a new name; null: any.",
        examples=[None],
    )
    description: str = Field(
        max_length=MAX_DESCRIPTION,
        pattern=LABEL,
        description="What it assumes, in a sentence.",
        examples=["Takes jobs of about half an hour from a queue."],
    )
    work_lost_h: float | None = _number(
        "work_lost_h",
        "Mean hours of work that an interruption destroys. Either this or "
        "checkpoint_interval_h is required.",
        default=None,
        example=0.25,
    )
    checkpoint_interval_h: float | None = _number(
        "checkpoint_interval_h",
        "Hours between checkpoints; half of it is lost on average.",
        default=None,
    )
    recovery_h: float = _number(
        "recovery_h", "Hours until a replacement does useful work.", example=0.05
    )
    fixed_usd: float = _number(
        "fixed_usd",
        "Cost of each interruption that does not depend on time, USD.",
        default=0.0,
        example=0.0,
    )
    value_usd_per_hour: float | None = _number(
        "value_usd_per_hour",
        "Value of an hour of work, USD; null: the on-demand price of the type.",
        default=None,
    )
    outage_usd_per_hour: float = _number(
        "outage_usd_per_hour",
        "For work that must always be up: cost of each hour without the instance, in "
        "addition to its value, USD.",
        default=0.0,
        example=0.0,
    )
    deadline_slack_h: float | None = _number(
        "deadline_slack_h",
        "For work with a deadline: hours by which it may be delayed and still be in "
        "time; needs late_usd_per_hour.",
        default=None,
    )
    late_usd_per_hour: float = _number(
        "late_usd_per_hour", "Cost of each hour after the deadline, USD.", default=0.0, example=0.0
    )
    horizon_h: float = _number(
        "horizon_h", "Horizon of its risks, hours.", default=24.0, example=24.0
    )
    max_pool_share: float = Field(
        default=1.0, gt=0, le=1, description="Largest share of its group on one pool."
    )
    group_tag: str = Field(
        default="",
        max_length=MAX_TAG,
        pattern=LABEL,
        description="Name of the tag whose value makes the group; empty: the instances with this "
        "workload form one group.",
    )
    regions: list[PlainName] = Field(
        default=[], max_length=50, description="Where it may run; empty: its own region."
    )
    zones: list[PlainName] = Field(
        default=[], max_length=100, description="Zones where it may run; empty: any."
    )
    hardware: HardwareRuleRequest = Field(
        default_factory=HardwareRuleRequest, description="What counts as equal hardware."
    )
    requirements: RequirementsRequest | None = Field(
        default=None,
        description="Requirements for a replacement, without regions and zones; null: derived "
        "from the instance's type.",
        examples=[None],
    )

    def workload(self, name: str) -> Workload:
        """The workload as a domain object; its version is 0. Raises InvalidInput."""
        values = self.model_dump(exclude={"reason", "expected_version", "hardware"})
        lost, interval = values.pop("work_lost_h"), values.pop("checkpoint_interval_h")
        rule = self.hardware.model_dump()
        values |= {each: tuple(values[each]) for each in ("regions", "zones")}
        values["requirements"] = self.requirements and self.requirements.requirements()
        values["hardware"] = HardwareRule(
            **rule | {"equal_gpus": frozenset(model.lower() for model in rule["equal_gpus"])}
        )
        if lost is None and interval is None:
            raise InvalidInput(
                "work_lost_h is missing.",
                remedy="Send it, or checkpoint_interval_h.",
                field="work_lost_h",
            )
        plain = Workload(name, 0, work_lost_h=0.0, **values)
        return with_work_lost(plain, lost, interval)


class AssignmentView(View):
    """A rule that gives instances a workload."""

    scope: AssignmentScope = field("What the rule is about: instance, tag or account.", "tag")
    key: str = field("The instance id, tag=value, or the account.", "role=worker")
    workload: str = field("Name of the workload; its newest version applies.", "queue-worker")


class AssignmentRequest(ChangeRequest):
    """A workload to assign."""

    scope: RuleScope = Field(
        description="What the rule is about: instance, tag or account.", examples=["account"]
    )
    key: str = Field(
        min_length=1,
        max_length=MAX_KEY,
        pattern=LABEL,
        description="The instance id, tag=value, or the account.",
        examples=["acme"],
    )
    workload: WorkloadName = Field(description="Name of the workload.", examples=["queue-worker"])


def version_view(version: WorkloadVersion) -> WorkloadView:
    """The response for a version of a workload."""
    workload = version.workload
    values = {each.name: getattr(workload, each.name) for each in fields(workload)}
    return WorkloadView.model_validate(
        values
        | {
            "regions": list(workload.regions),
            "zones": list(workload.zones),
            "hardware": HardwareRuleView(
                **{
                    each.name: getattr(workload.hardware, each.name)
                    for each in fields(HardwareRule)
                }
                | {"equal_gpus": sorted(workload.hardware.equal_gpus)}
            ),
            "words": describe_cost(workload),
            "created_at": version.created_at,
            "created_by": version.created_by or None,
            "reason": version.reason or None,
        }
    )
