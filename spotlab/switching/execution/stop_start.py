"""Changing the type of an instance in place: stop, change, start; and back."""

from __future__ import annotations

from dataclasses import replace

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Attempt, AttemptState, Phase, Switch
from spotlab.errors import AwsError, CapacityRefused, QuotaRefused
from spotlab.switching.execution.idempotent_actions import ensure, failed, may_have_happened
from spotlab.switching.execution.launches import got_of, got_why, untried, why_not
from spotlab.switching.execution.signals import Impossible, NeedsPerson, Wait
from spotlab.switching.execution.step_context import StepContext


def stop_start(context: StepContext) -> None:
    """Give the instance the type of the next candidate in the same zone. Raises Wait until then."""
    record = context.record
    view = _present(context)
    attempt = record.attempt
    if attempt is None or attempt.state is AttemptState.FAILED:
        if attempt is None:
            refusal = context.hooks.may_proceed(record.switch, Step.STOP_START)
            if refusal is not None:
                context.heed(refusal)
        attempt = _prepare(record.switch)
        entry = record.entry("choose the type", Phase.NOTE, {"target": attempt.target.label})
        record.set_attempt(attempt, entry, attempt=attempt.number)
    target = attempt.target
    if view.instance_type == target.pool.instance_type and view.state == "running":
        _record(context, attempt, view)
        return
    try:
        _change(context, view, target.pool.instance_type, Phase.AFTER)
    except _NoCapacity as exc:
        record.set_attempt(
            replace(attempt, state=AttemptState.FAILED, code=exc.code, why=exc.code),
            record.entry(f"start {context.old_id}", Phase.FAILED, {"code": exc.code}),
        )
        raise Wait(f"{target.label} has no capacity; trying the next type") from exc


def restore_type(context: StepContext) -> None:
    """Give the instance its former type back and start it. Raises Wait until it runs."""
    if context.record.attempt is None:
        return
    view = _present(context)
    former = context.plan.former_type or context.record.switch.pool.instance_type
    if view.instance_type == former and view.state == "running":
        return
    try:
        _change(context, view, former, Phase.UNDONE)
    except _NoCapacity as exc:
        context.record.note(f"{former} has no capacity to start again", code=exc.code)
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


def _present(context: StepContext) -> InstanceView:
    view = context.look(context.old_id)
    if view is None or view.gone:
        raise NeedsPerson(
            f"{context.old_id} has ended while its type was changed.",
            remedy="Launch a replacement; SpotLab did not terminate it.",
        )
    return view


def _change(context: StepContext, view: InstanceView, wanted: str, phase: Phase) -> None:
    """One step towards a running instance of the wanted type. Raises Wait after it."""
    name = context.old_id
    if view.state == "running" and view.instance_type != wanted:
        ensure(
            context.record,
            f"stop {name}",
            lambda: _state(context) in ("stopping", "stopped"),
            lambda: context.aws.stop(name),
            phase=phase,
        )
        raise Wait(f"{name} is stopping")
    if view.state == "stopped" and view.instance_type != wanted:
        ensure(
            context.record,
            f"change the type of {name} to {wanted}",
            lambda: _present(context).instance_type == wanted,
            lambda: context.aws.change_type(name, wanted),
            detail={"from": view.instance_type, "to": wanted},
            phase=phase,
        )
        raise Wait(f"{name} has the type {wanted}")
    if view.state == "stopped":
        _start(context, phase)
    raise Wait(f"{name} is {_state(context)}")


def _start(context: StepContext, phase: Phase) -> None:
    record, action = context.record, f"start {context.old_id}"
    record.save(record.entry(action, Phase.BEFORE))
    record.require_lease()
    try:
        context.aws.start(context.old_id)
    except AwsError as exc:
        if isinstance(exc, CapacityRefused | QuotaRefused) and not may_have_happened(exc):
            raise _NoCapacity(exc.code) from exc
        raise failed(record, action, exc) from exc
    record.save(record.entry(action, phase))


def _state(context: StepContext) -> str:
    return _present(context).state


def _record(context: StepContext, attempt: Attempt, view: InstanceView) -> None:
    record = context.record
    got = got_of(attempt.target, view.instance_id, view)
    record.set_attempt(
        replace(attempt, state=AttemptState.LAUNCHED, instance_id=view.instance_id),
        record.entry("change the type", Phase.AFTER, {"type": view.instance_type}),
        got=got,
        got_why=got_why(record.switch, got),
        price_after_usd_per_hour=attempt.target.price_usd_per_hour,
        cost_after_usd_per_hour=attempt.target.cost_usd_per_hour,
    )
