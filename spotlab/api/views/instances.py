"""Instances, what is set on them, and how their pipeline stands."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import (
    MODEL_REFERENCE,
    ChangeRequest,
    InstanceId,
    PlainName,
    PoolView,
    RequestBody,
    View,
    field,
)
from spotlab.api.views.experiments import SummaryView
from spotlab.domain.decision import Decision, Lifecycle, PipelineMode, Requirements


class RequirementsView(View):
    """What a pool must offer. Null: no demand; an empty list: any."""

    regions: list[str] = field("Allowed regions.", ["us-east-1"])
    zones: list[str] = field("Allowed availability zones.", [])
    families: list[str] = field("Allowed instance families.", [])
    vcpu_min: float | None = field("Fewest virtual CPUs.", 2.0, "count")
    vcpu_max: float | None = field("Most virtual CPUs.", None, "count")
    memory_gb_min: float | None = field("Least memory.", 8.0, "GiB")
    memory_gb_max: float | None = field("Most memory.", None, "GiB")
    architecture: str | None = field("x86_64 or arm64.", "x86_64")
    accelerator: bool | None = field("true: needs one; false: must not have one.", None)
    burstable: bool | None = field("true: must be burstable; false: must not.", None)
    max_advisor_bucket: int | None = field(
        "Highest interruption bucket of the trailing month, 0 to 4.", None, "bucket"
    )
    operating_system: str = field("Linux or Windows.", "Linux")


class RequirementsRequest(RequestBody):
    """What a pool must offer. Null: no demand; an empty list: any."""

    regions: list[PlainName] = Field(
        default=[], max_length=50, description="Allowed regions.", examples=[["us-east-1"]]
    )
    zones: list[PlainName] = Field(
        default=[], max_length=100, description="Allowed zones.", examples=[[]]
    )
    families: list[PlainName] = Field(
        default=[], max_length=200, description="Allowed families.", examples=[[]]
    )
    vcpu_min: float | None = Field(None, ge=0, le=1e6, description="vCPU.", examples=[2])
    vcpu_max: float | None = Field(None, ge=0, le=1e6, description="vCPU.", examples=[None])
    memory_gb_min: float | None = Field(None, ge=0, le=1e6, description="GiB.", examples=[8])
    memory_gb_max: float | None = Field(None, ge=0, le=1e6, description="GiB.", examples=[None])
    architecture: str | None = Field(
        None, pattern="^(x86_64|arm64)$", description="x86_64 or arm64.", examples=["x86_64"]
    )
    accelerator: bool | None = Field(
        None, description="true: needs one; false: must not have one.", examples=[None]
    )
    burstable: bool | None = Field(
        None, description="true: must be burstable; false: must not.", examples=[None]
    )
    max_advisor_bucket: int | None = Field(
        None, ge=0, le=4, description="Highest bucket, 0 to 4.", examples=[None]
    )
    operating_system: str = Field(
        "Linux", pattern="^(Linux|Windows)$", description="Linux or Windows.", examples=["Linux"]
    )

    def requirements(self) -> Requirements:
        """As the pipeline takes them."""
        values = self.model_dump()
        names = ("regions", "zones", "families")
        return Requirements(**values | {name: tuple(values[name]) for name in names})


class InstanceView(View):
    """An EC2 instance that SpotLab looks after."""

    instance_id: str = field("EC2's id.", "i-0000000000000001a")
    account: str = field("Name of its account.", "acme")
    pool: PoolView
    lifecycle: Lifecycle = field("How it is paid for.", "spot")
    name: str = field("Its Name tag; empty where there is none.", "web-1")
    state: str = field("EC2's word for its state.", "running")
    model: str | None = field("The model it is evaluated by; null: the champion.", None)
    shadow: bool = field("Decisions are recorded, not carried out.", True)
    mode: PipelineMode = field("Which pipeline evaluates it.", "linear")
    active: bool = field("It was there when its account was last listed.", True)
    launched_at: datetime | None = field("When it started.", "2026-10-31T09:30:00Z")
    requirements: RequirementsView | None = Field(
        description="What a replacement must offer; null: derived from its own type."
    )
    last_evaluated_at: datetime | None = field("Its newest decision.", "2026-11-03T09:30:00Z")


class AssignModelRequest(ChangeRequest):
    """By which model an instance is evaluated."""

    model: str | None = Field(
        pattern=MODEL_REFERENCE,
        max_length=120,
        description="name@version; null: the champion.",
        examples=[None],
    )


class SetModeRequest(ChangeRequest):
    """Which pipeline evaluates an instance."""

    mode: PipelineMode = Field(description="linear, or off.", examples=["linear"])


class SetShadowRequest(ChangeRequest):
    """Whether decisions are recorded only."""

    shadow: bool = Field(strict=True, description="true: record only.", examples=[True])


class SetRequirementsRequest(ChangeRequest):
    """What a replacement must offer."""

    requirements: RequirementsRequest | None = Field(
        description="null: derived from the instance's own type."
    )


class InstanceRequirementsView(View):
    """What a replacement must offer, and whether somebody set it."""

    source: str = field("set: by a person; derived: from its own type.", "derived")
    requirements: RequirementsView


class PipelineView(View):
    """How an instance's evaluation stands."""

    instance_id: str = field("EC2's id.", "i-0000000000000001a")
    mode: PipelineMode = field("Which pipeline evaluates it.", "linear")
    shadow: bool = field("Decisions are recorded, not carried out.", True)
    assigned_model: str | None = field("The model set on it; null: the champion.", None)
    model_in_force: str | None = field(
        "The model that decides; null where none can be used.", "advisor-lgbm@1.2.0"
    )
    model_note: str = field("Why that is not the assigned one; empty where it is.", "")
    last_evaluated_at: datetime | None = field("Its newest decision.", "2026-11-03T09:30:00Z")
    latest: SummaryView | None = Field(description="Its newest decision; null: none yet.")
    decision: Decision | None = field("What that decision is.", "STAY")
    state: str = field("off, never evaluated, failed, degraded or decided.", "decided")


class EvaluateRequest(RequestBody):
    """Which instances to decide about."""

    instance_ids: list[InstanceId] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="At most 100; null: every active one that you see and whose pipeline is on.",
        examples=[None],
    )
