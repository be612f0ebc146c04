"""The image of an instance: created under a name that is used once, found again, deleted."""

from __future__ import annotations

from spotlab.domain.ports.switching import ImageView
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switch_tags import STEP_TAG, SWITCH_TAG
from spotlab.domain.switches import Phase
from spotlab.errors import AwsError
from spotlab.switching.execution.idempotent_actions import ensure, failed, may_have_happened
from spotlab.switching.execution.signals import Impossible, Wait
from spotlab.switching.execution.step_context import StepContext

PATIENCE_S = 60.0
"""How long an image whose answer was lost is looked for before the call is repeated. Its name is
unique in the account, so a repetition cannot make a second one."""
_DUPLICATE = "InvalidAMIName.Duplicate"


def create_image(context: StepContext) -> None:
    """Create the image, or find the one that an earlier driver began; wait until it is there."""
    record = context.record
    found = context.aws.image_named(image_name(context))
    if found is None and record.progress.image_id:
        found = context.aws.image(record.progress.image_id)
    if found is None:
        _begin(context)
        raise Wait("the image is being created")
    if found.image_id != record.progress.image_id or (
        found.snapshot_ids != record.progress.snapshot_ids
    ):
        entry = record.entry("create the image", Phase.AFTER, {"image_id": found.image_id})
        unclear = tuple(each for each in record.progress.unclear if each != "image")
        record.update(
            entry, image_id=found.image_id, snapshot_ids=found.snapshot_ids, unclear=unclear
        )
    if found.state in ("failed", "error", "invalid"):
        raise Impossible(f"the image {found.image_id} failed: {found.why or 'no reason given'}")
    if found.state != "available":
        raise Wait(f"the image {found.image_id} is {found.state}")


def image_name(context: StepContext) -> str:
    """The image's name; unique in an account, so that it can be found and cannot be made twice."""
    return f"spotlab-{context.record.switch.switch_id}"


def _begin(context: StepContext) -> None:
    record, switch = context.record, context.record.switch
    if "image" in record.progress.unclear:
        record.wait_at_most("image", PATIENCE_S, "the answer was lost; looking for the image")
    if not context.old_is_alive():
        raise Impossible(
            f"{context.old_id} ended before its image was begun, so there is nothing to copy",
            remedy="Launch a replacement from a template or a backup.",
        )
    refusal = context.hooks.may_proceed(switch, Step.IMAGE)
    if refusal is not None:
        context.heed(refusal)
    reboot = switch.strategy is Strategy.FROM_IMAGE_REBOOT
    unclear = tuple(dict.fromkeys((*record.progress.unclear, "image")))
    entry = record.entry("create the image", Phase.BEFORE, {"reboot": reboot})
    record.update(entry, unclear=unclear)
    record.require_lease()
    try:
        image_id = context.aws.create_image(
            context.old_id,
            image_name(context),
            reboot=reboot,
            without_devices=context.plan.launch.image_devices,
            tags={SWITCH_TAG: switch.switch_id, STEP_TAG: Step.IMAGE.value},
        )
    except AwsError as exc:
        if exc.code == _DUPLICATE:
            raise Wait("the image exists already and will be visible soon") from exc
        if not may_have_happened(exc):
            record.update(unclear=tuple(each for each in unclear if each != "image"))
        raise failed(record, "create the image", exc) from exc
    # It stays unclear until it is seen, because only then its snapshots are known.
    record.update(image_id=image_id)


def delete_image(context: StepContext) -> None:
    """Deregister the image and delete its snapshots, by SpotLab's tags only."""
    record = context.record
    named = context.aws.image_named(image_name(context))
    image_ids = {named.image_id} if named is not None else set()
    if record.progress.image_id:
        image_ids.add(record.progress.image_id)
    snapshot_ids = set(record.progress.snapshot_ids)
    for resource in context.aws.own(record.switch.switch_id):
        if resource.kind == "image":
            image_ids.add(resource.resource_id)
        if resource.kind == "snapshot":
            snapshot_ids.add(resource.resource_id)
    views = [view for each in sorted(image_ids) if (view := context.aws.image(each)) is not None]
    for view in views:
        snapshot_ids.update(view.snapshot_ids)
    missing = snapshot_ids - set(record.progress.snapshot_ids)
    if missing:
        # Once the image is gone, only this record knows its snapshots.
        record.update(snapshot_ids=tuple(sorted(snapshot_ids)))
    for view in views:
        _deregister(context, view)
    own = {each.resource_id for each in context.aws.own(record.switch.switch_id)}
    for snapshot_id in sorted(snapshot_ids & own):
        _delete_snapshot(context, snapshot_id)


def _deregister(context: StepContext, view: ImageView) -> None:
    if view.state == "pending":
        raise Wait(f"the image {view.image_id} is still being created")
    ensure(
        context.record,
        f"deregister the image {view.image_id}",
        lambda: context.aws.image(view.image_id) is None,
        lambda: context.aws.deregister_image(view.image_id),
        phase=Phase.UNDONE,
        missing_may_be_done=True,
    )


def _delete_snapshot(context: StepContext, snapshot_id: str) -> None:
    def gone() -> bool:
        own = context.aws.own(context.record.switch.switch_id)
        return all(each.resource_id != snapshot_id for each in own)

    ensure(
        context.record,
        f"delete the snapshot {snapshot_id}",
        gone,
        lambda: context.aws.delete_snapshot(snapshot_id),
        phase=Phase.UNDONE,
        missing_may_be_done=True,
    )
