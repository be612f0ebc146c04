"""Switches: the execution of a decision step by step, and its journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.switch_moves import HealthCheck, LaunchRequest, MovePlan
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step


class SwitchState(StrEnum):
    """Where a switch stands."""

    REQUESTED = "requested"
    """Waits for approval."""
    APPROVED = "approved"
    """Waits for a driver."""
    RUNNING = "running"
    PAUSED = "paused"
    """Stopped before a step that cannot be undone."""
    ROLLING_BACK = "rolling_back"
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    """By preflight or a guard, before anything was changed."""
    REJECTED = "rejected"
    """By an approver."""
    EXPIRED = "expired"
    """Not approved in time."""
    NEEDS_ATTENTION = "needs_attention"
    """Neither forward nor back is possible without a person; `situation` says why."""


OPEN_STATES: Final = (
    SwitchState.REQUESTED,
    SwitchState.APPROVED,
    SwitchState.RUNNING,
    SwitchState.PAUSED,
    SwitchState.ROLLING_BACK,
    SwitchState.NEEDS_ATTENTION,
)
"""States in which no other switch of the instance may be requested."""
DRIVEN_STATES: Final = (SwitchState.APPROVED, SwitchState.RUNNING, SwitchState.ROLLING_BACK)
"""States in which a driver has work to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a replacement may run.

    Args:
        pool: its region, zone, type and operating system.
        lifecycle: spot or on-demand.
        price_usd_per_hour: of this lifecycle; None: unknown.
        on_demand_price_usd_per_hour: the cap of a spot price; None: unknown, then AWS's own cap,
            which is also the on-demand price, applies.
        cost_usd_per_hour: expected cost including interruptions; None: unknown.
    """

    pool: Pool
    lifecycle: Lifecycle = Lifecycle.SPOT
    price_usd_per_hour: float | None = None
    on_demand_price_usd_per_hour: float | None = None
    cost_usd_per_hour: float | None = None

    @property
    def label(self) -> str:
        """For a person: `spot m6i.xlarge in us-east-1a`."""
        return f"{self.lifecycle.value} {self.pool.label}"


@dataclass(frozen=True, slots=True)
class Got:
    """What the switch launched.

    Args:
        pool: of the replacement.
        lifecycle: as EC2 reports it.
        instance_id: of the replacement; of the instance itself after a stop-start.
        launched_at: aware UTC, as EC2 reports it; None: unknown.
    """

    pool: Pool
    lifecycle: Lifecycle
    instance_id: str
    launched_at: datetime | None = None


class AttemptState(StrEnum):
    """What became of one launch."""

    PREPARED = "prepared"
    """Its parameters are stored; the call may or may not have been sent."""
    LAUNCHED = "launched"
    FAILED = "failed"
    """AWS refused it, or its instance is gone."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One launch with its own client token.

    Args:
        number: 1 is the first.
        target: which candidate.
        request: the parameters, stored before the call; None: a type change in place.
        state: what became of it.
        instance_id: of the launched instance; "": unknown.
        why: why it failed, one sentence; "".
        code: AWS's error code; "".
        sent: how often the call was sent without a clear answer.
    """

    number: int
    target: Target
    request: LaunchRequest | None = None
    state: AttemptState = AttemptState.PREPARED
    instance_id: str = ""
    why: str = ""
    code: str = ""
    sent: int = 0


def client_token(switch_id: str, attempt: int, target: Target) -> str:
    """The client token of a launch: equal inputs, equal token; at most 64 ASCII characters.

    Source: Amazon EC2 API, "Ensuring idempotency".
    """
    text = f"{switch_id}|{attempt}|{target.pool.key}|{target.lifecycle.value}"
    return f"spotlab-{hashlib.sha256(text.encode()).hexdigest()[:48]}"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a driver needs to continue after another was killed.

    Args:
        plan: what is launched and moved, from preflight; None: not planned yet.
        image_id: of the image; "": none.
        snapshot_ids: of the image.
        attempts: launches, in order.
        elapsed_s: seconds that drivers have spent in each step, and in "rollback".
        terminate_begun: the termination of the instance was journalled: no way back.
        rollback_why: why the switch is rolled back, one sentence; "".
        failures: consecutive failures of an action, by action; after a few it is given up.
        unclear: calls whose outcome is not known: their effect may appear minutes later.
        held: why a guard holds it; "": none does.
    """

    plan: MovePlan | None = None
    image_id: str = ""
    snapshot_ids: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    elapsed_s: Mapping[str, float] = field(default_factory=dict)
    terminate_begun: bool = False
    rollback_why: str = ""
    failures: Mapping[str, int] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()
    held: str = ""


@dataclass(frozen=True, slots=True)
class Realised:
    """What a finished switch really saved, from billed hours and prices.

    Args:
        hours: that the replacement has been billed for so far.
        paid_usd: for the replacement, and for the instance while both ran.
        instead_usd: what the instance would have cost over the same hours.
        until: the end of these hours, aware UTC.
    """

    hours: float
    paid_usd: float
    instead_usd: float
    until: datetime

    @property
    def saving_usd(self) -> float:
        """Saved so far; negative: the switch has cost more."""
        return self.instead_usd - self.paid_usd

    @property
    def sentence(self) -> str:
        """For a person: `Saved 1.25 USD in the first 5.2 hours.`"""
        size = abs(self.saving_usd)
        amount = f"{size:,.4f}" if size < 1.0 else f"{size:,.2f}"
        first = f"in the first {_duration(self.hours)}"
        if size < 0.00005:
            return f"Cost the same {first}."
        return (
            f"Saved {amount} USD {first}."
            if self.saving_usd > 0
            else (f"Cost {amount} USD more {first}.")
        )


def _duration(hours: float) -> str:
    minutes = max(1, round(60.0 * hours))
    if minutes < 90:
        return f"{minutes} minute{'s' * (minutes != 1)}"
    return f"{hours:.1f} hours" if hours < 48.0 else f"{hours / 24.0:.0f} days"


@dataclass(frozen=True, slots=True)
class Switch:
    """The execution of a decision on one instance.

    Args:
        switch_id: opaque; also the value of SWITCH_TAG.
        account: name of the instance's account.
        instance_id: the instance that is replaced.
        pool, lifecycle: where it ran and how it was paid for when the switch was requested.
        name: its Name tag, or "".
        experiment_id: the decision; None: requested by hand.
        targets: the requested one, then the decision's next candidates; at least one.
        on_demand: the last resort; None: on-demand is not allowed instead of spot.
        strategy: how the replacement is made.
        health_check: of the user's, besides the status checks; None: none.
        state, step: where it stands; step None: not started.
        attempt: number of the present launch; 0: none yet.
        got: what was launched; None: nothing yet.
        got_why: why it is not what was requested; "" only if it is.
        situation, remedy: what a person has to know and do; "": nothing.
        requested_by, requested_at, reason: of the request.
        approved_by, approved_at: "" and None: not approved.
        expires_at: of the request; None: never.
        started_at: when the first driver began.
        fingerprint: of the market that it was approved for; "": none.
        told_choice: the market's choice that an approver was told of, because it is not the
            requested target; "": none. Approving it then means: nevertheless.
        policy_version, workload_version: of the decision; "": none.
        confirmed: codes of preflight questions that the requester has confirmed.
        accepted_losses: ids of the volumes, Elastic IPs and target groups that the preflight of the
            request named as lost; None: not known.
        dry_run: the calls are listed, not made.
        pause_requested, rollback_requested: by a user, for the driver. `SwitchStore.ask` sets them.
        price_before_usd_per_hour, price_after_usd_per_hour: of the instance and of the replacement.
        cost_before_usd_per_hour, cost_after_usd_per_hour: expected, with interruptions.
        finished_at: aware UTC; None: not finished.
        realised: None: unknown yet.
        progress: for the driver.
        version: of the record, for optimistic locking.
    """

    switch_id: str
    account: str
    instance_id: str
    pool: Pool
    lifecycle: Lifecycle
    targets: tuple[Target, ...]
    strategy: Strategy
    requested_by: str
    requested_at: datetime
    name: str = ""
    experiment_id: int | None = None
    on_demand: Target | None = None
    health_check: HealthCheck | None = None
    state: SwitchState = SwitchState.REQUESTED
    step: Step | None = None
    attempt: int = 0
    got: Got | None = None
    got_why: str = ""
    situation: str = ""
    remedy: str = ""
    reason: str = ""
    approved_by: str = ""
    approved_at: datetime | None = None
    expires_at: datetime | None = None
    started_at: datetime | None = None
    fingerprint: str = ""
    told_choice: str = ""
    policy_version: str = ""
    workload_version: str = ""
    confirmed: tuple[str, ...] = ()
    accepted_losses: tuple[str, ...] | None = None
    dry_run: bool = False
    pause_requested: bool = False
    rollback_requested: bool = False
    price_before_usd_per_hour: float | None = None
    price_after_usd_per_hour: float | None = None
    cost_before_usd_per_hour: float | None = None
    cost_after_usd_per_hour: float | None = None
    finished_at: datetime | None = None
    realised: Realised | None = None
    progress: Progress = field(default_factory=Progress)
    version: int = 0

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError("a switch has at least one target")
        if self.got is not None and self.differs and not self.got_why:
            raise ValueError("a switch that got another target than requested says why")

    @property
    def requested(self) -> Target:
        """The target that was asked for."""
        return self.targets[0]

    @property
    def differs(self) -> bool:
        """Whether what was launched is not what was requested; False: nothing launched yet."""
        got = self.got
        return got is not None and (
            got.pool != self.requested.pool or got.lifecycle is not self.requested.lifecycle
        )

    @property
    def open(self) -> bool:
        """Whether it still keeps others off the instance."""
        return self.state in OPEN_STATES

    @property
    def held(self) -> str:
        """Why a guard holds it before its next step; "": none does."""
        return self.progress.held if self.state is SwitchState.RUNNING else ""

    @property
    def candidates(self) -> tuple[Target, ...]:
        """All targets in the order in which they are tried, on-demand last."""
        return self.targets if self.on_demand is None else (*self.targets, self.on_demand)


def resumed(switch: Switch) -> Switch:
    """A switch that needed attention, to be driven again in the direction that it had."""
    back = bool(switch.progress.rollback_why)
    return replace(
        switch,
        state=SwitchState.ROLLING_BACK if back else SwitchState.RUNNING,
        situation="",
        remedy="",
        progress=replace(switch.progress, elapsed_s={}, failures={}),
    )


class Phase(StrEnum):
    """When a journal entry was written, relative to its action."""

    BEFORE = "before"
    AFTER = "after"
    FAILED = "failed"
    UNDONE = "undone"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of a switch's journal, which only grows.

    Args:
        switch_id: of the switch.
        seq: position, from 1; 0 until it is stored.
        at: aware UTC.
        step: in which it was written; None: before the first.
        action: such as "launch the replacement".
        phase: relative to the action.
        detail: ids and facts, without secrets.
        attempt: of the launch.
        token: fencing token of the driver; 0: written by a user's action.
    """

    switch_id: str
    seq: int
    at: datetime
    step: Step | None
    action: str
    phase: Phase
    detail: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 0
    token: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a guard does not let a step proceed.

    Args:
        reason: one sentence with the limit, its value and the present count.
        remedy: what to do; "".
        wait: True: it may be allowed later, so the switch waits; False: it does not.
    """

    reason: str
    remedy: str = ""
    wait: bool = False
