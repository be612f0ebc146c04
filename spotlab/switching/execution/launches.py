"""Launching a replacement: candidates in order, one client token an attempt, lost answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import LaunchRequest
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switch_tags import ATTEMPT_TAG, STEP_TAG, SWITCH_TAG
from spotlab.domain.switches import Attempt, AttemptState, Got, Phase, Switch, Target, client_token
from spotlab.errors import AwsError, CapacityRefused, QuotaRefused
from spotlab.switching.execution.idempotent_actions import failed, may_have_happened
from spotlab.switching.execution.moves import move_back, protect_volumes
from spotlab.switching.execution.signals import Impossible, NeedsPerson, NextAttempt, Wait
from spotlab.switching.execution.step_context import StepContext

PATIENCE_S: Final = 180.0
"""How long an instance of a launch whose answer was lost is looked for before another launch."""
SETTLE_S: Final = 15.0
"""How long it is looked for before the same call is sent again, which is safe."""
MOST_ATTEMPTS: Final = 24
SKIPPED: Final = "PoolWithoutCapacity"
"""Code of an attempt that was not sent, because the pool lacked capacity moments ago."""
_MISMATCH: Final = "IdempotentParameterMismatch"
_ENDED: Final = "IdempotentInstanceTerminated"
_NEXT_CANDIDATE: Final = frozenset(
    {"InvalidParameterCombination", "Unsupported", "UnsupportedOperation", "InvalidInstanceType"}
)
"""Codes of a type or zone that cannot take the launch; another candidate may."""


def launch(context: StepContext) -> None:
    """Launch the replacement, or adopt the one that an earlier driver has launched.

    Raises:
        Wait, NextAttempt, Impossible, NeedsPerson, Fenced: see `signals`.
    """
    record = context.record
    attempt = record.attempt
    if attempt is not None and attempt.state is AttemptState.FAILED:
        settle(context, attempt)
    if attempt is None or attempt.state is AttemptState.FAILED:
        protect_volumes(context)
        attempt = _prepare(context)
    found = context.aws.launched(record.switch.switch_id, _token(attempt))
    mine, strays = _split(found, attempt)
    for stray in strays:
        context.end_instance(stray)
    alive = [each for each in mine if not each.gone]
    if alive:
        _adopt(context, attempt, alive[0].instance_id, alive[0])
    elif attempt.state is AttemptState.LAUNCHED:
        _adopt(context, attempt, attempt.instance_id, None)
    elif mine:
        reason = mine[0].state_reason or "no reason given"
        raise NextAttempt(f"{mine[0].instance_id} has ended ({reason})", code=reason)
    else:
        _send(context, attempt)


def _token(attempt: Attempt) -> str:
    return attempt.request.client_token if attempt.request is not None else ""


def _split(
    found: Sequence[InstanceView], attempt: Attempt
) -> tuple[list[InstanceView], list[InstanceView]]:
    """The instances of this attempt, and living ones of earlier attempts."""
    token, number = _token(attempt), str(attempt.number)
    mine = [
        each
        for each in found
        if each.tags.get(ATTEMPT_TAG) == number or (token and each.client_token == token)
    ]
    others = [each for each in found if each not in mine and not each.gone]
    return mine, others


def _prepare(context: StepContext) -> Attempt:
    """Choose the next candidate and store the parameters of its launch, before any call."""
    record = context.record
    switch = record.switch
    number = len(switch.progress.attempts) + 1
    target = _next_target(context)
    request = _request(switch, number, target)
    attempt = Attempt(number, target, request)
    detail = {"target": target.label, "client_token": request.client_token}
    record.set_attempt(
        attempt, record.entry("choose the candidate", Phase.NOTE, detail), attempt=number
    )
    return attempt


def _next_target(context: StepContext) -> Target:
    """The first candidate that was not tried and whose pool may be asked now."""
    record = context.record
    switch = record.switch
    if len(switch.progress.attempts) >= MOST_ATTEMPTS:
        raise NeedsPerson(
            f"{MOST_ATTEMPTS} launches were tried without success.",
            remedy="Look at the journal, and request a switch to other pools.",
        )
    left = untried(switch)
    if left:
        return left[0]
    if context.old_is_alive():
        raise Impossible(f"no candidate could be launched: {why_not(switch)}")
    # Nothing runs: going back is impossible, so the candidates are tried again.
    record.wait_at_most(f"round {len(switch.progress.attempts)}", 60.0, "no capacity anywhere")
    excluded = switch.progress.plan.excluded if switch.progress.plan is not None else {}
    again = [target for target in switch.candidates if target.label not in excluded]
    return again[len(switch.progress.attempts) % len(again)]


def untried(switch: Switch) -> list[Target]:
    """The candidates that may still be launched, in order; in place, only the same zone's."""
    left = []
    excluded = switch.progress.plan.excluded if switch.progress.plan is not None else {}
    for target in switch.candidates:
        codes = [each.code for each in switch.progress.attempts if each.target == target]
        tried = len(codes) > 1 or (codes and codes[0] != _ENDED)
        zone = target.pool.availability_zone
        reachable = switch.strategy is not Strategy.STOP_START or (
            zone == switch.pool.availability_zone
            and target.lifecycle is switch.lifecycle
            and target.pool != switch.pool
        )
        if not tried and reachable and target.label not in excluded:
            left.append(target)
    return left


def why_not(switch: Switch) -> str:
    """Why the attempts so far failed: one clause for each."""
    failures = [
        f"{each.target.label}: {each.why or each.code}"
        for each in switch.progress.attempts
        if each.state is AttemptState.FAILED
    ]
    excluded = switch.progress.plan.excluded if switch.progress.plan is not None else {}
    return "; ".join([*failures, *(f"{label}: {why}" for label, why in excluded.items())])


def _request(switch: Switch, number: int, target: Target) -> LaunchRequest:
    plan = switch.progress.plan
    assert plan is not None, "a switch is planned before it launches"
    zone = target.pool.availability_zone or ""
    spot = target.lifecycle is Lifecycle.SPOT
    return LaunchRequest(
        client_token=client_token(switch.switch_id, number, target),
        instance_type=target.pool.instance_type,
        availability_zone=zone,
        lifecycle=target.lifecycle,
        max_price_usd_per_hour=target.on_demand_price_usd_per_hour if spot else None,
        image_id=switch.progress.image_id,
        subnet_id=plan.launch.subnets.get(zone, ""),
        settings=plan.launch,
        tags={
            SWITCH_TAG: switch.switch_id,
            STEP_TAG: Step.LAUNCH.value,
            ATTEMPT_TAG: str(number),
        },
        user_data_from=switch.instance_id if plan.launch.user_data_sha256 else "",
    )


def _send(context: StepContext, attempt: Attempt) -> None:
    """Send the call, again with the same token if the answer of an earlier one was lost."""
    record, request = context.record, attempt.request
    assert request is not None, "a launch has parameters"
    call = f"launch attempt {attempt.number}"
    if attempt.sent:
        limit, why = SETTLE_S * min(attempt.sent, 4), "the answer of the launch was lost"
        if attempt.code:
            limit, why = PATIENCE_S, "an earlier call of this launch may still take effect"
        record.wait_at_most(f"{call} {attempt.sent}", limit, f"{why}; looking for its instance")
        if attempt.code:
            raise NextAttempt(attempt.why, code=attempt.code)
    refusal = context.hooks.may_proceed(record.switch, Step.LAUNCH)
    if refusal is not None:
        context.heed(refusal)
    target = attempt.target
    if not attempt.sent:
        _claim(context, target.pool)
    detail = {
        "target": target.label,
        "client_token": request.client_token,
        "max_price_usd_per_hour": request.max_price_usd_per_hour,
    }
    attempt = replace(attempt, sent=attempt.sent + 1)
    record.set_attempt(attempt, record.entry("launch the replacement", Phase.BEFORE, detail))
    record.require_lease()
    try:
        instance_id = context.aws.run_instance(request)
    except AwsError as exc:
        raise _refused(context, attempt, exc) from exc
    _adopt(context, attempt, instance_id, None)


def _claim(context: StepContext, pool: Pool) -> None:
    """Claim a launch in a pool. Raises NextAttempt: it lacked capacity moments ago."""
    record = context.record
    now = record.clock.now()
    blocked = context.hooks.allowances.claim(pool, record.switch.switch_id, now)
    if blocked is not None:
        since = blocked.refused_at.strftime("%H:%M")
        raise NextAttempt(f"no capacity since {since} UTC ({blocked.code})", code=SKIPPED)


def retire(context: StepContext, attempt: Attempt) -> None:
    """Make sure that nothing that an attempt launched keeps running. Raises Wait until then."""
    switch_id = context.record.switch.switch_id
    mine, _ = _split(context.aws.launched(switch_id, _token(attempt)), attempt)
    for view in mine:
        if not view.gone:
            context.end_instance(view)
    if attempt.instance_id and attempt.request is not None:
        known = context.look(attempt.instance_id)
        if known is not None and not known.gone:
            context.end_instance(known)


def settle(context: StepContext, attempt: Attempt) -> None:
    """After a failed attempt: give back what its instance had, and end it. Raises Wait."""
    if not attempt.sent:
        return
    if attempt.instance_id and context.old_is_alive():
        move_back(context, attempt.instance_id)
    retire(context, attempt)


def _refused(context: StepContext, attempt: Attempt, exc: AwsError) -> Exception:
    """What follows from a launch that failed."""
    record, target = context.record, attempt.target
    if may_have_happened(exc):
        unclear = (*record.progress.unclear, f"launch {attempt.number}")
        record.update(unclear=tuple(dict.fromkeys(unclear)))
        return failed(record, f"launch attempt {attempt.number}", exc)
    if exc.code == _MISMATCH:
        return NeedsPerson(
            f"AWS has another launch with the client token of attempt {attempt.number}.",
            remedy="This is a bug; look for an instance with this token before anything else.",
        )
    capacity = isinstance(exc, CapacityRefused | QuotaRefused)
    if isinstance(exc, CapacityRefused):
        now = record.clock.now()
        if target.lifecycle is Lifecycle.SPOT:
            context.hooks.on_capacity(target.pool, exc.code, now)
        context.hooks.allowances.refused(target.pool, record.switch.switch_id, exc.code, now)
    if exc.code == _ENDED:
        return NextAttempt("its instance has ended", code=exc.code)
    if capacity or exc.code in _NEXT_CANDIDATE:
        if attempt.sent > 1:
            # An earlier call of the same token may still take effect.
            record.set_attempt(replace(attempt, code=exc.code, why=exc.code))
            return Wait(f"{exc.code}; looking for an instance of the earlier call")
        return NextAttempt(exc.code, code=exc.code)
    # Refused in full, so nothing was launched: the same call again, or give up after a few.
    record.set_attempt(replace(attempt, sent=attempt.sent - 1))
    return failed(record, f"launch attempt {attempt.number}", exc)


def _adopt(
    context: StepContext, attempt: Attempt, instance_id: str, view: InstanceView | None
) -> None:
    """Record the launched instance as what the switch got."""
    record = context.record
    switch = record.switch
    got = got_of(attempt.target, instance_id, view)
    found = {"instance_id": instance_id, "pool": got.pool.key, "lifecycle": got.lifecycle.value}
    unclear = tuple(each for each in switch.progress.unclear if each != f"launch {attempt.number}")
    launched = replace(attempt, state=AttemptState.LAUNCHED, instance_id=instance_id)
    others = tuple(each for each in switch.progress.attempts if each.number != attempt.number)
    record.save(
        record.entry("launch the replacement", Phase.AFTER, found),
        progress=replace(switch.progress, attempts=(*others, launched), unclear=unclear),
        got=got,
        got_why=got_why(switch, got),
        price_after_usd_per_hour=attempt.target.price_usd_per_hour,
        cost_after_usd_per_hour=attempt.target.cost_usd_per_hour,
    )
    now = record.clock.now()
    context.hooks.allowances.succeeded(attempt.target.pool, switch.switch_id, now)
    if got.lifecycle is Lifecycle.SPOT:
        context.hooks.on_launched(got.pool, now)


def got_of(target: Target, instance_id: str, view: InstanceView | None) -> Got:
    """What was launched, as EC2 describes it; as requested while it cannot be seen yet."""
    if view is None:
        return Got(target.pool, target.lifecycle, instance_id)
    pool = Pool(
        target.pool.region,
        view.availability_zone or target.pool.availability_zone,
        view.instance_type or target.pool.instance_type,
        target.pool.operating_system,
    )
    return Got(pool, view.lifecycle, instance_id, view.launched_at)


def got_why(switch: Switch, got: Got) -> str:
    """Why it is not what was requested; "" if it is."""
    requested = switch.requested
    if got.pool == requested.pool and got.lifecycle is requested.lifecycle:
        return ""
    return why_not(switch) or "AWS launched it there, although another pool was named."
