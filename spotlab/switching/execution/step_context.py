"""What every step works with: the switch's record, AWS, the collaborators and common looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.domain.ports.switching import InstanceView, SwitchingPort
from spotlab.domain.switch_moves import MovePlan
from spotlab.domain.switches import Phase, Refusal
from spotlab.switching.execution.hooks import Hooks
from spotlab.switching.execution.idempotent_actions import ensure
from spotlab.switching.execution.signals import Held, Impossible, NextAttempt, Wait
from spotlab.switching.execution.switch_record import SwitchRecord

NOT_VISIBLE_S: Final = 180.0
"""For how long EC2 may not find an instance that it has just launched."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """One switch on its way.

    Args:
        record: its record.
        aws: its account and region.
        hooks: collaborators.
    """

    record: SwitchRecord
    aws: SwitchingPort
    hooks: Hooks

    @property
    def plan(self) -> MovePlan:
        """What is launched and moved."""
        plan = self.record.progress.plan
        return plan if plan is not None else MovePlan()

    @property
    def old_id(self) -> str:
        """The instance that is replaced."""
        return self.record.switch.instance_id

    @property
    def new_id(self) -> str:
        """The replacement; "": not launched."""
        got = self.record.switch.got
        return got.instance_id if got is not None else ""

    def is_foreign(self, holder: str) -> bool:
        """Whether a holder of an address or a volume is neither the instance nor a replacement."""
        launched = (each.instance_id for each in self.record.progress.attempts)
        return holder not in ("", self.old_id, *launched)

    def look(self, instance_id: str) -> InstanceView | None:
        """An instance; None only if EC2 has not found it for a while.

        Raises:
            Wait: it is not found, which may be a delay of EC2's.
        """
        view = self.aws.instance(instance_id)
        if view is None:
            why = f"{instance_id} is not visible"
            self.record.wait_at_most(why, NOT_VISIBLE_S, why)
        return view

    def old(self) -> InstanceView | None:
        """The instance that is replaced, if it still runs; AWS may have taken it."""
        view = self.look(self.old_id)
        if view is not None and not view.gone:
            return view
        if not self.record.progress.terminate_begun:
            reason = view.state_reason if view is not None else "not found"
            self.record.note(f"{self.old_id} has ended without SpotLab", reason=reason)
        return None

    def old_is_alive(self) -> bool:
        """Whether the instance that is replaced still runs."""
        return self.old() is not None

    def new(self) -> InstanceView:
        """The replacement, running.

        Raises:
            Wait: it is not visible or not running yet.
            NextAttempt: it has ended.
            Impossible: it ended for a reason that every candidate shares.
        """
        view = self.look(self.new_id)
        if view is None:
            raise NextAttempt(f"{self.new_id} cannot be found", code="NotFound")
        if view.gone:
            if view.state_reason == "Client.InternalError":
                raise Impossible(
                    f"{self.new_id} ended at once with Client.InternalError, as it does when EC2 "
                    "may not use the key of an encrypted volume",
                    remedy="Grant the key to the launching role or to AWSServiceRoleForEC2Spot.",
                )
            reason = view.state_reason or "no reason given"
            raise NextAttempt(f"{self.new_id} has ended ({reason})", code=reason)
        if view.state != "running":
            raise Wait(f"{self.new_id} is {view.state}")
        return view

    def end_instance(self, view: InstanceView) -> None:
        """Cancel an instance's spot request and terminate it. Raises Wait until it has ended."""
        name = view.instance_id
        if view.spot_request_id:
            ensure(
                self.record,
                f"cancel the spot request of {name}",
                lambda: not self.aws.spot_request_open(view.spot_request_id),
                lambda: self.aws.cancel_spot_request(view.spot_request_id),
                phase=Phase.UNDONE,
                missing_may_be_done=True,
            )

        def ended() -> bool:
            now = self.look(name)
            return now is None or now.gone

        ensure(
            self.record,
            f"terminate {name}",
            ended,
            lambda: self.aws.terminate(name),
            phase=Phase.UNDONE,
            missing_may_be_done=True,
        )

    def heed(self, refusal: Refusal) -> None:
        """Leave the switch until a guard allows it, or give up. Raises Held or Impossible."""
        if refusal.wait:
            raise Held(refusal.reason)
        raise Impossible(refusal.reason, remedy=refusal.remedy)
