"""The steps of a switch: each returns when its effect is there, and raises a signal otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Phase, Refusal
from spotlab.switching.execution import leftovers
from spotlab.switching.execution.idempotent_actions import ensure
from spotlab.switching.execution.images import create_image
from spotlab.switching.execution.launches import got_of, got_why, launch
from spotlab.switching.execution.moves import drain, missing, move_forward
from spotlab.switching.execution.signals import Impossible, Paused, Wait
from spotlab.switching.execution.step_context import StepContext
from spotlab.switching.execution.stop_start import stop_start

NEW_ROUNDS: Final = 3
"""How often a replacement that lost something may go back to the move."""


class GoBack(Exception):
    """Something that was there is not any more: repeat from an earlier step.

    Args:
        step: to repeat from.
        why: one sentence.
    """

    def __init__(self, step: Step, why: str) -> None:
        super().__init__(why)
        self.step = step


def preflight(context: StepContext) -> None:
    """Read what the instance holds; the plan is stored and followed from then on."""
    record = context.record
    if record.progress.plan is not None:
        return
    plan = context.hooks.plan(record.switch)
    if isinstance(plan, Refusal):
        raise Impossible(plan.reason, remedy=plan.remedy)
    detail = {
        "addresses": [each.allocation_id for each in plan.addresses],
        "volumes": [each.volume_id for each in plan.volumes],
        "target_groups": [each.target_group_arn for each in plan.targets],
    }
    entry = record.entry("plan what is moved", Phase.AFTER, detail)
    record.save(entry, progress=replace(record.progress, plan=plan))


def health(context: StepContext) -> None:
    """Wait until the replacement passes both status checks and the user's health check."""
    record = context.record
    view = context.new()
    _correct(context, view)
    if not view.checks_ok:
        raise Wait("a status check fails" if view.impaired else "status checks are initialising")
    check = record.switch.health_check
    if check is None:
        return
    key = "health check passed"
    passed = record.progress.failures.get(key, 0)
    why = context.hooks.check_health(check, view)
    count = 0 if why else passed + 1
    if count != passed:
        record.update(failures={**record.progress.failures, key: count})
    if why:
        raise Wait(f"the health check fails: {why}")
    if count < check.successes:
        raise Wait(f"the health check passed {count} of {check.successes} times")


def _correct(context: StepContext, view: InstanceView) -> None:
    """Record pool and lifecycle as EC2 describes them, if they are not what was assumed."""
    record = context.record
    attempt, switch = record.attempt, record.switch
    if attempt is None or switch.got is None:
        return
    got = got_of(attempt.target, view.instance_id, view)
    if got != switch.got:
        record.save(got=got, got_why=got_why(switch, got))


def terminate(context: StepContext) -> None:
    """Terminate the instance after a last look at its replacement."""
    record = context.record
    old = context.old()
    if old is not None:
        _require_nothing_new(context, old)
        _last_look(context)
    if not record.progress.terminate_begun:
        if record.switch.pause_requested:
            raise Paused("paused before the instance is terminated")
        refusal = context.hooks.may_proceed(record.switch, Step.TERMINATE)
        if refusal is not None:
            context.heed(refusal)
        entry = record.entry("no way back from here", Phase.NOTE, {"instance": context.old_id})
        record.update(entry, terminate_begun=True)
    if context.plan.spot_request_id:
        ensure(
            record,
            f"cancel the spot request of {context.old_id}",
            lambda: not context.aws.spot_request_open(context.plan.spot_request_id),
            lambda: context.aws.cancel_spot_request(context.plan.spot_request_id),
            missing_may_be_done=True,
        )

    def ended() -> bool:
        view = context.look(context.old_id)
        return view is None or view.gone

    ensure(
        record,
        f"terminate {context.old_id}",
        ended,
        lambda: context.aws.terminate(context.old_id),
        detail={"replacement": context.new_id},
        missing_may_be_done=True,
    )


def _require_nothing_new(context: StepContext, old: InstanceView) -> None:
    """A volume that was attached after the plan would stay behind, or be deleted.

    Raises:
        Impossible: there is one.
    """
    planned = context.plan.attached
    new = [each.volume_id for each in old.volumes if each.volume_id not in planned]
    if planned and new:
        raise Impossible(
            f"{', '.join(new)} was attached to {old.instance_id} after the switch was planned",
            remedy="Request the switch again: its plan will include the volume.",
        )


def _last_look(context: StepContext) -> None:
    """The replacement must be healthy and have everything. Raises a signal if it is not."""
    new = context.new()
    if not new.checks_ok:
        raise Wait(f"{new.instance_id} does not pass its status checks any more")
    lacking = missing(context, new)
    if lacking:
        raise GoBack(Step.MOVE, f"the replacement lacks {', '.join(lacking)}")


def verify(context: StepContext) -> None:
    """Check that the instance is gone and that the replacement is healthy and has everything."""
    record = context.record
    in_place = record.switch.strategy is Strategy.STOP_START
    if not in_place:
        old = context.look(context.old_id)
        if old is not None and not old.gone:
            raise GoBack(Step.TERMINATE, f"{context.old_id} is {old.state}")
        if old is not None and old.state != "terminated":
            raise Wait(f"{context.old_id} is {old.state}")
    new = context.new()
    if not new.checks_ok:
        raise Wait(f"{new.instance_id} does not pass its status checks")
    lacking = [] if in_place else missing(context, new)
    if lacking:
        raise GoBack(Step.MOVE, f"the replacement lacks {', '.join(lacking)}")
    realised = context.hooks.measure(record.switch, record.clock.now())
    detail = {"replacement": new.instance_id, "instance": context.old_id}
    record.save(record.entry("verify", Phase.AFTER, detail), realised=realised)


def cleanup(context: StepContext) -> None:
    """Remove image, snapshots, leftovers of failed launches and SpotLab's tags.

    While another replacement could still be launched, AWS may not have taken the present one.
    """
    progress = context.record.progress
    if not progress.image_id or context.aws.image(progress.image_id) is not None:
        context.new()
    leftovers.remove(context, keep=context.new_id)


FUNCTIONS: Final[Mapping[Step, Callable[[StepContext], None]]] = {
    Step.PREFLIGHT: preflight,
    Step.IMAGE: create_image,
    Step.LAUNCH: launch,
    Step.HEALTH: health,
    Step.MOVE: move_forward,
    Step.DRAIN: drain,
    Step.TERMINATE: terminate,
    Step.VERIFY: verify,
    Step.CLEANUP: cleanup,
    Step.STOP_START: stop_start,
}
