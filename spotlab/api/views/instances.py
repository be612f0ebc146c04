"""Instances, their settings and pipeline status."""

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
from spotlab.domain.decision import Decision, Lifecycle, PipelineMode
from spotlab.domain.requirements import Requirements
from spotlab.domain.spot_events import SpotEventKind


class RequirementsView(View):
    """Requirements for a pool; null or an empty list does not restrict it."""

    regions: list[str] = field("Allowed regions.", ["us-east-1"])
    zones: list[str] = field("Allowed availability zones.", [])
    families: list[str] = field("Allowed instance families.", [])
    vcpu_min: float | None = field("Minimum vCPU.", 2.0, "count")
    vcpu_max: float | None = field("Maximum vCPU.", None, "count")
    memory_gb_min: float | None = field("Minimum memory.", 8.0, "GiB")
    memory_gb_max: float | None = field("Maximum memory.", None, "GiB")
    architecture: str | None = field("x86_64 or arm64.", "x86_64")
    accelerator: bool | None = field("true: required; false: excluded.", None)
    burstable: bool | None = field("true: required; false: excluded.", None)
    max_advisor_bucket: int | None = field("Highest advisor bucket, 0 to 4.", None, "bucket")
    operating_system: str = field("Linux or Windows.", "Linux")


class RequirementsRequest(RequestBody):
    """Requirements for a pool; null or an empty list does not restrict it."""

    regions: list[PlainName] = Field(
        default=[], max_length=50, description="Allowed regions.", examples=[["us-east-1"]]
    )
    zones: list[PlainName] = Field(
        default=[], max_length=100, description="Allowed zones.", examples=[[]]
    )
    families: list[PlainName] = Field(
        default=[], max_length=200, description="Allowed families.", examples=[[]]
    )
    vcpu_min: float | None = Field(None, ge=0, le=1e6, description="Minimum vCPU.", examples=[2])
    vcpu_max: float | None = Field(None, ge=0, le=1e6, description="Maximum vCPU.", examples=[None])
    memory_gb_min: float | None = Field(
        None, ge=0, le=1e6, description="Minimum memory, GiB.", examples=[8]
    )
    memory_gb_max: float | None = Field(
        None, ge=0, le=1e6, description="Maximum memory, GiB.", examples=[None]
    )
    architecture: str | None = Field(
        None, pattern="^(x86_64|arm64)$", description="x86_64 or arm64.", examples=["x86_64"]
    )
    accelerator: bool | None = Field(
        None, description="true: required; false: excluded.", examples=[None]
    )
    burstable: bool | None = Field(
        None, description="true: required; false: excluded.", examples=[None]
    )
    max_advisor_bucket: int | None = Field(
        None, ge=0, le=4, description="Highest advisor bucket, 0 to 4.", examples=[None]
    )
    operating_system: str = Field(
        "Linux", pattern="^(Linux|Windows)$", description="Linux or Windows.", examples=["Linux"]
    )

    def requirements(self) -> Requirements:
        """The requirements as a domain object."""
        values = self.model_dump()
        names = ("regions", "zones", "families")
        return Requirements(**values | {name: tuple(values[name]) for name in names})


class SignalView(View):
    """An interruption notice or a rebalance recommendation."""

    kind: SpotEventKind = field("interruption_notice or rebalance.", "rebalance")
    at: datetime = field("When EC2 sent it.", "2026-11-03T09:30:00Z")
    notice_ends_at: datetime | None = field(
        "When EC2 interrupts the instance; null for a recommendation.", None
    )


class InstanceView(View):
    """An EC2 instance that SpotLab manages."""

    instance_id: str = field("EC2 instance id.", "i-0000000000000001a")
    account: str = field("Name of the account.", "acme")
    pool: PoolView
    lifecycle: Lifecycle = field("Spot or on-demand.", "spot")
    name: str = field("Name tag; empty if there is none.", "web-1")
    state: str = field("EC2 state, such as running.", "running")
    model: str | None = field("Assigned model; null for the champion.", None)
    shadow: bool = field(
        "Whether shadow mode is on: decisions are recorded, but not executed.", True
    )
    mode: PipelineMode = field("Pipeline that evaluates the instance: linear or off.", "linear")
    active: bool = field("Whether the instance existed when its account was last listed.", True)
    launched_at: datetime | None = field("When the instance was launched.", "2026-10-31T09:30:00Z")
    requirements: RequirementsView | None = Field(
        description="Requirements for a replacement; null if derived from the instance's type."
    )
    last_evaluated_at: datetime | None = field(
        "Time of the newest decision; null if there is none.", "2026-11-03T09:30:00Z"
    )
    signal: SignalView | None = field(
        "Its last interruption notice or rebalance recommendation; null if there is none.", None
    )


class AssignModelRequest(ChangeRequest):
    """The model to assign to an instance."""

    model: str | None = Field(
        pattern=MODEL_REFERENCE,
        max_length=120,
        description="Model as name@version; null for the champion.",
        examples=[None],
    )


class SetModeRequest(ChangeRequest):
    """The pipeline to evaluate an instance with."""

    mode: PipelineMode = Field(description="linear or off.", examples=["linear"])


class SetShadowRequest(ChangeRequest):
    """Whether shadow mode is on."""

    shadow: bool = Field(
        strict=True, description="true to record decisions without executing them.", examples=[True]
    )


class SetRequirementsRequest(ChangeRequest):
    """The requirements to set on an instance."""

    requirements: RequirementsRequest | None = Field(
        description="Requirements; null to derive them from the instance's type."
    )


class InstanceRequirementsView(View):
    """The active requirements of an instance, and their source."""

    source: str = field("set by a user, or derived from the instance's type.", "derived")
    requirements: RequirementsView


class PipelineView(View):
    """Pipeline status of an instance."""

    instance_id: str = field("EC2 instance id.", "i-0000000000000001a")
    mode: PipelineMode = field("Pipeline that evaluates the instance: linear or off.", "linear")
    shadow: bool = field(
        "Whether shadow mode is on: decisions are recorded, but not executed.", True
    )
    assigned_model: str | None = field("Assigned model; null for the champion.", None)
    model_in_force: str | None = field(
        "Model that is used; null if none is usable.", "advisor-lgbm@1.2.0"
    )
    model_note: str = field("Why the assigned model is not used; empty if it is.", "")
    last_evaluated_at: datetime | None = field(
        "Time of the newest decision; null if there is none.", "2026-11-03T09:30:00Z"
    )
    latest: SummaryView | None = Field(description="The newest decision; null if there is none.")
    decision: Decision | None = field(
        "Decision of the newest experiment; null if there is none.", "STAY"
    )
    state: str = field("off, never evaluated, failed, degraded or decided.", "decided")


class EvaluateRequest(RequestBody):
    """The instances to evaluate."""

    instance_ids: list[InstanceId] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="At most 100 ids; null for all active instances whose pipeline is on.",
        examples=[None],
    )
