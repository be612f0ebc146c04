"""The steps of a switch: each returns when its effect is there, and raises a signal otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Phase, Refusal
from spotlab.switching import leftovers
from spotlab.switching.actions import ensure
from spotlab.switching.images import create_image
from spotlab.switching.launches import got_of, got_why, launch
from spotlab.switching.moves import drain, missing, move_forward
from spotlab.switching.signals import Impossible, Paused, Wait
from spotlab.switching.stage import Stage
from spotlab.switching.stop_start import stop_start

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


def preflight(stage: Stage) -> None:
    """Read what the instance holds; the plan is stored and followed from then on."""
    execution = stage.execution
    if execution.progress.plan is not None:
        return
    plan = stage.hooks.plan(execution.switch)
    if isinstance(plan, Refusal):
        raise Impossible(plan.reason, remedy=plan.remedy)
    detail = {
        "addresses": [each.allocation_id for each in plan.addresses],
        "volumes": [each.volume_id for each in plan.volumes],
        "target_groups": [each.target_group_arn for each in plan.targets],
    }
    entry = execution.entry("plan what is moved", Phase.AFTER, detail)
    execution.save(entry, progress=replace(execution.progress, plan=plan))


def health(stage: Stage) -> None:
    """Wait until the replacement passes both status checks and the user's health check."""
    execution = stage.execution
    view = stage.new()
    _correct(stage, view)
    if not view.checks_ok:
        raise Wait("a status check fails" if view.impaired else "status checks are initialising")
    check = execution.switch.health_check
    if check is None:
        return
    key = "health check passed"
    passed = execution.progress.failures.get(key, 0)
    why = stage.hooks.check_health(check, view)
    count = 0 if why else passed + 1
    if count != passed:
        execution.update(failures={**execution.progress.failures, key: count})
    if why:
        raise Wait(f"the health check fails: {why}")
    if count < check.successes:
        raise Wait(f"the health check passed {count} of {check.successes} times")


def _correct(stage: Stage, view: InstanceView) -> None:
    """Record pool and lifecycle as EC2 describes them, if they are not what was assumed."""
    execution = stage.execution
    attempt, switch = execution.attempt, execution.switch
    if attempt is None or switch.got is None:
        return
    got = got_of(attempt.target, view.instance_id, view)
    if got != switch.got:
        execution.save(got=got, got_why=got_why(switch, got))


def terminate(stage: Stage) -> None:
    """Terminate the instance after a last look at its replacement."""
    execution = stage.execution
    if stage.old_is_alive():
        _last_look(stage)
    if not execution.progress.terminate_begun:
        if execution.switch.pause_requested:
            raise Paused("paused before the instance is terminated")
        refusal = stage.hooks.may_proceed(execution.switch, Step.TERMINATE)
        if refusal is not None:
            stage.heed(refusal)
        entry = execution.entry("no way back from here", Phase.NOTE, {"instance": stage.old_id})
        execution.update(entry, terminate_begun=True)
    if stage.plan.spot_request_id:
        ensure(
            execution,
            f"cancel the spot request of {stage.old_id}",
            lambda: not stage.aws.spot_request_open(stage.plan.spot_request_id),
            lambda: stage.aws.cancel_spot_request(stage.plan.spot_request_id),
            missing_may_be_done=True,
        )

    def ended() -> bool:
        view = stage.look(stage.old_id)
        return view is None or view.gone

    ensure(
        execution,
        f"terminate {stage.old_id}",
        ended,
        lambda: stage.aws.terminate(stage.old_id),
        detail={"replacement": stage.new_id},
        missing_may_be_done=True,
    )


def _last_look(stage: Stage) -> None:
    """The replacement must be healthy and have everything. Raises a signal if it is not."""
    new = stage.new()
    if not new.checks_ok:
        raise Wait(f"{new.instance_id} does not pass its status checks any more")
    lacking = missing(stage, new)
    if lacking:
        raise GoBack(Step.MOVE, f"the replacement lacks {', '.join(lacking)}")


def verify(stage: Stage) -> None:
    """Check that the instance is gone and that the replacement is healthy and has everything."""
    execution = stage.execution
    in_place = execution.switch.strategy is Strategy.STOP_START
    if not in_place:
        old = stage.look(stage.old_id)
        if old is not None and not old.gone:
            raise GoBack(Step.TERMINATE, f"{stage.old_id} is {old.state}")
        if old is not None and old.state != "terminated":
            raise Wait(f"{stage.old_id} is {old.state}")
    new = stage.new()
    if not new.checks_ok:
        raise Wait(f"{new.instance_id} does not pass its status checks")
    lacking = [] if in_place else missing(stage, new)
    if lacking:
        raise GoBack(Step.MOVE, f"the replacement lacks {', '.join(lacking)}")
    realised = stage.hooks.measure(execution.switch, execution.clock.now())
    detail = {"replacement": new.instance_id, "instance": stage.old_id}
    execution.save(execution.entry("verify", Phase.AFTER, detail), realised=realised)


def cleanup(stage: Stage) -> None:
    """Remove image, snapshots, leftovers of failed launches and SpotLab's tags.

    While another replacement could still be launched, AWS may not have taken the present one.
    """
    progress = stage.execution.progress
    if not progress.image_id or stage.aws.image(progress.image_id) is not None:
        stage.new()
    leftovers.remove(stage, keep=stage.new_id)


FUNCTIONS: Final[Mapping[Step, Callable[[Stage], None]]] = {
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
