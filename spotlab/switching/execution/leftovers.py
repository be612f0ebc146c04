"""What a switch leaves behind unless it is removed: by SpotLab's tags only."""

from __future__ import annotations

from typing import Final

from spotlab.domain.ports.switching import OwnResource
from spotlab.domain.switch_tags import OWN_TAGS
from spotlab.domain.switches import Phase
from spotlab.switching.execution.idempotent_actions import ensure
from spotlab.switching.execution.images import delete_image
from spotlab.switching.execution.launches import retire
from spotlab.switching.execution.signals import Wait
from spotlab.switching.execution.step_context import StepContext

QUIET_S: Final = 180.0
"""How long effects of calls without an answer are looked for before a switch is finished."""


def remove(context: StepContext, keep: str = "") -> None:
    """Remove everything that this switch has made, and its tags from what is kept.

    Args:
        context: the switch.
        keep: the instance that stays; "": none.
    Raises:
        Wait: something is still there, or may still appear.
    """
    switch_id = context.record.switch.switch_id
    for attempt in context.record.progress.attempts:
        if attempt.sent and attempt.instance_id != keep:
            retire(context, attempt)
    for view in context.aws.launched(switch_id):
        if view.instance_id != keep and not view.gone:
            context.end_instance(view)
    delete_image(context)
    found = list(context.aws.own(switch_id))
    kept = _kept(context, found, keep)
    for resource in found:
        if resource.kind == "volume" and resource.resource_id not in kept:
            _delete_volume(context, resource)
    if context.record.progress.unclear:
        why = "looking for effects of calls whose answers were lost"
        context.record.wait_at_most("quiet", QUIET_S, why)
    if kept:
        _remove_tags(context, sorted(kept))
    left = [each.resource_id for each in context.aws.own(switch_id)]
    if left:
        raise Wait(f"still there: {', '.join(sorted(left))}")


def _kept(context: StepContext, found: list[OwnResource], keep: str) -> set[str]:
    """The kept instance, its volumes and its spot request, as far as they carry the tag."""
    view = context.look(keep) if keep else None
    if view is None:
        return set()
    ids = {keep, view.spot_request_id, *(each.volume_id for each in view.volumes)}
    return {each.resource_id for each in found} & ids


def _remove_tags(context: StepContext, resource_ids: list[str]) -> None:
    def done() -> bool:
        left = {each.resource_id for each in context.aws.own(context.record.switch.switch_id)}
        return not left & set(resource_ids)

    ensure(
        context.record,
        "remove SpotLab's tags",
        done,
        lambda: context.aws.remove_tags(resource_ids, OWN_TAGS),
        detail={"from": resource_ids},
    )


def _delete_volume(context: StepContext, resource: OwnResource) -> None:
    name = resource.resource_id

    def gone() -> bool:
        view = context.aws.volume(name)
        if view is not None and view.state not in ("available", "error"):
            raise Wait(f"{name} is {view.state}")
        return view is None

    ensure(
        context.record,
        f"delete the volume {name}",
        gone,
        lambda: context.aws.delete_volume(name),
        phase=Phase.UNDONE,
        missing_may_be_done=True,
    )
