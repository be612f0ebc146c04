"""Switches, their plans and journals."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from spotlab.api.views.base import POOL_KEY, ChangeRequest, InstanceId, RequestBody, View, field
from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_guards import SwitchingMode
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import SwitchState

SWITCH_ID = r"^[A-Za-z0-9-]{1,40}$"
FINDING = r"^[a-z0-9-]{1,60}$"


class TargetView(View):
    """Where a replacement may run."""

    pool: str = field("Pool key.", "us-east-1:us-east-1a:m6a.large:Linux")
    lifecycle: str = field("spot or on-demand.", "spot")
    price_usd_per_hour: float | None = field("Price; null if unknown.", 0.031, "USD/h")


class GotView(TargetView):
    """What was launched."""

    instance_id: str = field("The replacement.", "i-0a1b2c3d4e5f60718")
    launched_at: datetime | None = field("When; null if unknown.", "2026-11-03T09:31:00Z")


class RealisedView(View):
    """What a switch really saved, from billed hours and prices."""

    hours: float = field("Hours that the replacement has been billed for.", 12.0, "h")
    paid_usd: float = field("Paid for the replacement.", 0.4, "USD")
    instead_usd: float = field("What the instance would have cost.", 0.6, "USD")
    saving_usd: float = field("Saved so far; negative if it has cost more.", 0.2, "USD")
    until: datetime = field("End of these hours.", "2026-11-03T21:31:00Z")


class SwitchView(View):
    """The execution of a decision on one instance."""

    switch_id: str = field("Id; also the value of the tag spotlab:switch.", "sw-5b0c2f8e4a91")
    account: str = field("Account of the instance.", "acme")
    instance_id: str = field("The instance that is replaced.", "i-0a1b2c3d4e5f60718")
    name: str = field("Its Name tag.", "web-1")
    pool: str = field("Pool that it leaves.", "us-east-1:us-east-1a:m6i.large:Linux")
    lifecycle: str = field("How it is paid for: spot or on-demand.", "spot")
    state: str = field(f"State: {', '.join(SwitchState)}.", "requested")
    step: str | None = field("Present step; null before the first.", None)
    strategy: str = field(f"Strategy: {', '.join(Strategy)}.", "from_template")
    dry_run: bool = field("Whether the calls are listed, not made.", False)
    experiment_id: int | None = field("The decision; null if requested by hand.", 7)
    targets: list[TargetView] = Field(description="The requested target, then the next ones.")
    on_demand: TargetView | None = Field(
        description="On-demand capacity as the last resort; null if it is not allowed."
    )
    got: GotView | None = Field(description="What was launched; null if nothing was.")
    got_why: str = field("Why it is not what was requested; empty if it is.", "")
    situation: str = field("What a person has to know; may be empty.", "")
    remedy: str = field("What to do about it; may be empty.", "")
    requested_by: str = field("User who requested it; spotlab if it was automatic.", "ana")
    requested_at: datetime = field("When it was requested.", "2026-11-03T09:30:00Z")
    reason: str = field("Reason of the request.", "")
    approved_by: str = field("User who approved it; empty if nobody did.", "")
    approved_at: datetime | None = field("When it was approved.", None)
    expires_at: datetime | None = field("When the request expires; null if it does not.", None)
    started_at: datetime | None = field("When it began; null if it has not.", None)
    finished_at: datetime | None = field("When it ended; null if it has not.", None)
    pause_requested: bool = field("Whether a user asked to pause.", False)
    rollback_requested: bool = field("Whether a user asked to roll back.", False)
    policy_version: str = field("Policy of the decision; may be empty.", "default@1")
    workload_version: str = field("Workload of the decision; may be empty.", "web@2")
    price_before_usd_per_hour: float | None = field("Price of the instance.", 0.045, "USD/h")
    price_after_usd_per_hour: float | None = field("Price of the replacement.", 0.031, "USD/h")
    cost_before_usd_per_hour: float | None = field(
        "Expected cost of the instance, with interruptions.", 0.05, "USD/h"
    )
    cost_after_usd_per_hour: float | None = field(
        "Expected cost of the replacement, with interruptions.", 0.034, "USD/h"
    )
    realised: RealisedView | None = Field(
        description="What it really saved; null if that is not known yet."
    )
    version: int = field("Version of the record.", 3)


class JournalEntryView(View):
    """One line of a switch's journal."""

    seq: int = field("Position in the journal, from 1.", 4)
    at: datetime = field("When it was written.", "2026-11-03T09:30:00Z")
    step: str | None = field("Step in which it was written; null before the first.", "launch")
    action: str = field("The action.", "launch the replacement")
    phase: str = field("before, after, failed, undone or note.", "before")
    detail: dict[str, Any] = field("Ids and facts, without secrets.", {"target": "m6a.large"})
    attempt: int = field("Number of the launch; 0 before the first.", 1)


class SnippetView(View):
    """Text that is ready to copy."""

    title: str = field("What it is for.", "Overrides of the group")
    language: str = field("json, hcl, yaml or sh.", "json")
    text: str = field("The text.", "[]")


class FindingView(View):
    """Something that a person should know before the switch."""

    code: str = field("Stable name.", "termination-protection")
    text: str = field("What was found.", "The instance is protected against termination.")
    remedy: str = field("What to do; may be empty.", "End the protection.")
    blocks: bool = field("Whether the switch is refused because of it.", True)
    question: bool = field("Whether it may be confirmed by its code.", False)
    snippets: list[SnippetView] = Field(description="Texts that are ready to copy.")


class CallView(View):
    """An AWS call that the switch would make."""

    step: str = field("Step of the switch.", "launch")
    action: str = field("IAM action.", "ec2:RunInstances")
    parameters: dict[str, Any] = field("Parameters that are known before.", {})
    text: str = field("The same for a person.", "Launch the replacement.")


class LevelView(View):
    """How far switches may go at one level."""

    name: str = field("The level.", "the account acme")
    mode: str = field("off, dry-run or on.", "off")
    sentence: str = field("What it means.", "Switching is off for the account acme.")
    remedy: str = field("How it is changed; may be empty.", "")


class SwitchPlanView(View):
    """What a switch would do; nothing is changed or stored."""

    instance_id: str = field("The instance.", "i-0a1b2c3d4e5f60718")
    experiment_id: int | None = field("The decision; null if the pool was named.", 7)
    targets: list[TargetView] = Field(description="The requested target, then the next ones.")
    strategy: str = field("How the replacement comes to be.", "from_template")
    strategy_reason: str = field("Why this strategy.", "It has a launch template.")
    findings: list[FindingView] = Field(description="Findings; those that block come first.")
    kept: list[str] = field("What is kept.", [])
    recreated: list[str] = field("What is made again.", [])
    lost: list[str] = field("What is lost.", [])
    calls: list[CallView] = Field(description="The calls, in order; none is made.")
    levels: list[LevelView] = Field(description="Installation, account and instance.")
    mode: str = field(f"What a request would be: {', '.join(SwitchingMode)}.", "off")
    refusal: str = field("Why it cannot be requested now; empty if it can.", "")
    open_switch: str = field("Open switch of the instance; empty if there is none.", "")


class SwitchPlanRequest(RequestBody):
    """Which instance to plan a switch of, and where to."""

    instance_id: InstanceId = Field(description="Instance.", examples=["i-0a1b2c3d4e5f60718"])
    pool: str | None = Field(
        default=None,
        pattern=POOL_KEY,
        max_length=120,
        description="Pool to move to; null for the one of the decision.",
        examples=[None],
    )
    lifecycle: Literal[Lifecycle.SPOT, Lifecycle.ON_DEMAND] = Field(
        default=Lifecycle.SPOT, description="Of the replacement, if a pool is named."
    )
    experiment_id: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="Decision; null for the newest one about the instance.",
        examples=[None],
    )
    strategy: Strategy | None = Field(
        default=None, description="Strategy; null: the preflight chooses.", examples=[None]
    )
    confirmed: list[str] = Field(
        default=[],
        max_length=50,
        description="Codes of questions of the preflight that are answered with yes.",
        examples=[["reboot"]],
    )


class HealthCheckRequest(RequestBody):
    """A health check of the replacement, besides its status checks."""

    kind: Literal["http", "tcp"] = Field(description="Protocol.", examples=["http"])
    port: int = Field(ge=1, le=65535, description="Port.", examples=[8080])
    path: str = Field(
        default="/",
        max_length=200,
        pattern=r"^/[!-~]*$",
        description="Path of an HTTP check.",
        examples=["/health"],
    )
    address: Literal["private", "public"] = Field(
        default="private", description="Address of the replacement that is asked."
    )


class SwitchRequest(SwitchPlanRequest, ChangeRequest):
    """A switch that is requested."""

    on_demand: bool = Field(
        default=True, description="Whether on-demand may be launched if no target has capacity."
    )
    health_check: HealthCheckRequest | None = Field(
        default=None, description="Health check of your own; null for none.", examples=[None]
    )
    dry_run: bool = Field(
        default=False, description="List the calls only, also where a switch would be allowed."
    )
