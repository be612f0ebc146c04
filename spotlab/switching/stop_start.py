"""Changing the type of an instance in place: stop, change, start; and back."""

from __future__ import annotations

from dataclasses import replace

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Attempt, AttemptState, Phase, Switch
from spotlab.errors import AwsError, CapacityRefused, QuotaRefused
from spotlab.switching.actions import ensure, failed, may_have_happened
from spotlab.switching.launches import got_of, got_why, untried, why_not
from spotlab.switching.signals import Impossible, NeedsPerson, Wait
from spotlab.switching.stage import Stage


def stop_start(stage: Stage) -> None:
    """Give the instance the type of the next candidate in the same zone. Raises Wait until then."""
    execution = stage.execution
    view = _present(stage)
    attempt = execution.attempt
    if attempt is None or attempt.state is AttemptState.FAILED:
        if attempt is None:
            refusal = stage.hooks.may_proceed(execution.switch, Step.STOP_START)
            if refusal is not None:
                stage.heed(refusal)
        attempt = _prepare(execution.switch)
        entry = execution.entry("choose the type", Phase.NOTE, {"target": attempt.target.label})
        execution.set_attempt(attempt, entry, attempt=attempt.number)
    target = attempt.target
    if view.instance_type == target.pool.instance_type and view.state == "running":
        _record(stage, attempt, view)
        return
    try:
        _change(stage, view, target.pool.instance_type, Phase.AFTER)
    except _NoCapacity as exc:
        execution.set_attempt(
            replace(attempt, state=AttemptState.FAILED, code=exc.code, why=exc.code),
            execution.entry(f"start {stage.old_id}", Phase.FAILED, {"code": exc.code}),
        )
        raise Wait(f"{target.label} has no capacity; trying the next type") from exc


def restore_type(stage: Stage) -> None:
    """Give the instance its former type back and start it. Raises Wait until it runs."""
    if stage.execution.attempt is None:
        return
    view = _present(stage)
    former = stage.plan.former_type or stage.execution.switch.pool.instance_type
    if view.instance_type == former and view.state == "running":
        return
    try:
        _change(stage, view, former, Phase.UNDONE)
    except _NoCapacity as exc:
        stage.execution.note(f"{former} has no capacity to start again", code=exc.code)
        raise Wait(f"waits for capacity of {former} ({exc.code})", failed=True) from exc


class _NoCapacity(Exception):
    """The type has no capacity to start."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _prepare(switch: Switch) -> Attempt:
    left = untried(switch)
    if not left:
        raise Impossible(f"no type could be started: {why_not(switch) or 'none in this zone'}")
    return Attempt(len(switch.progress.attempts) + 1, left[0])


def _present(stage: Stage) -> InstanceView:
    view = stage.look(stage.old_id)
    if view is None or view.gone:
        raise NeedsPerson(
            f"{stage.old_id} has ended while its type was changed.",
            remedy="Launch a replacement; SpotLab did not terminate it.",
        )
    return view


def _change(stage: Stage, view: InstanceView, wanted: str, phase: Phase) -> None:
    """One step towards a running instance of the wanted type. Raises Wait after it."""
    name = stage.old_id
    if view.state == "running" and view.instance_type != wanted:
        ensure(
            stage.execution,
            f"stop {name}",
            lambda: _state(stage) in ("stopping", "stopped"),
            lambda: stage.aws.stop(name),
            phase=phase,
        )
        raise Wait(f"{name} is stopping")
    if view.state == "stopped" and view.instance_type != wanted:
        ensure(
            stage.execution,
            f"change the type of {name} to {wanted}",
            lambda: _present(stage).instance_type == wanted,
            lambda: stage.aws.change_type(name, wanted),
            detail={"from": view.instance_type, "to": wanted},
            phase=phase,
        )
        raise Wait(f"{name} has the type {wanted}")
    if view.state == "stopped":
        _start(stage, phase)
    raise Wait(f"{name} is {_state(stage)}")


def _start(stage: Stage, phase: Phase) -> None:
    execution, action = stage.execution, f"start {stage.old_id}"
    execution.save(execution.entry(action, Phase.BEFORE))
    execution.require_lease()
    try:
        stage.aws.start(stage.old_id)
    except AwsError as exc:
        if isinstance(exc, CapacityRefused | QuotaRefused) and not may_have_happened(exc):
            raise _NoCapacity(exc.code) from exc
        raise failed(execution, action, exc) from exc
    execution.save(execution.entry(action, phase))


def _state(stage: Stage) -> str:
    return _present(stage).state


def _record(stage: Stage, attempt: Attempt, view: InstanceView) -> None:
    execution = stage.execution
    got = got_of(attempt.target, view.instance_id, view)
    execution.set_attempt(
        replace(attempt, state=AttemptState.LAUNCHED, instance_id=view.instance_id),
        execution.entry("change the type", Phase.AFTER, {"type": view.instance_type}),
        got=got,
        got_why=got_why(execution.switch, got),
        price_after_usd_per_hour=attempt.target.price_usd_per_hour,
        cost_after_usd_per_hour=attempt.target.cost_usd_per_hour,
    )
