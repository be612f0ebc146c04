"""The image of an instance: created under a name that is used once, found again, deleted."""

from __future__ import annotations

from spotlab.domain.ports.switching import ImageView
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switch_tags import STEP_TAG, SWITCH_TAG
from spotlab.domain.switches import Phase
from spotlab.errors import AwsError
from spotlab.switching.actions import ensure, failed, may_have_happened
from spotlab.switching.signals import Impossible, Wait
from spotlab.switching.stage import Stage

PATIENCE_S = 60.0
"""How long an image whose answer was lost is looked for before the call is repeated. Its name is
unique in the account, so a repetition cannot make a second one."""
_DUPLICATE = "InvalidAMIName.Duplicate"


def create_image(stage: Stage) -> None:
    """Create the image, or find the one that an earlier driver began; wait until it is there."""
    execution = stage.execution
    found = stage.aws.image_named(image_name(stage))
    if found is None and execution.progress.image_id:
        found = stage.aws.image(execution.progress.image_id)
    if found is None:
        _begin(stage)
        raise Wait("the image is being created")
    if found.image_id != execution.progress.image_id or (
        found.snapshot_ids != execution.progress.snapshot_ids
    ):
        entry = execution.entry("create the image", Phase.AFTER, {"image_id": found.image_id})
        unclear = tuple(each for each in execution.progress.unclear if each != "image")
        execution.update(
            entry, image_id=found.image_id, snapshot_ids=found.snapshot_ids, unclear=unclear
        )
    if found.state in ("failed", "error", "invalid"):
        raise Impossible(f"the image {found.image_id} failed: {found.why or 'no reason given'}")
    if found.state != "available":
        raise Wait(f"the image {found.image_id} is {found.state}")


def image_name(stage: Stage) -> str:
    """The image's name; unique in an account, so that it can be found and cannot be made twice."""
    return f"spotlab-{stage.execution.switch.switch_id}"


def _begin(stage: Stage) -> None:
    execution, switch = stage.execution, stage.execution.switch
    if "image" in execution.progress.unclear:
        execution.wait_at_most("image", PATIENCE_S, "the answer was lost; looking for the image")
    if not stage.old_is_alive():
        raise Impossible(
            f"{stage.old_id} ended before its image was begun, so there is nothing to copy",
            remedy="Launch a replacement from a template or a backup.",
        )
    refusal = stage.hooks.may_proceed(switch, Step.IMAGE)
    if refusal is not None:
        stage.heed(refusal)
    reboot = switch.strategy is Strategy.FROM_IMAGE_REBOOT
    unclear = tuple(dict.fromkeys((*execution.progress.unclear, "image")))
    entry = execution.entry("create the image", Phase.BEFORE, {"reboot": reboot})
    execution.update(entry, unclear=unclear)
    execution.require_lease()
    try:
        image_id = stage.aws.create_image(
            stage.old_id,
            image_name(stage),
            reboot=reboot,
            without_devices=stage.plan.launch.image_devices,
            tags={SWITCH_TAG: switch.switch_id, STEP_TAG: Step.IMAGE.value},
        )
    except AwsError as exc:
        if exc.code == _DUPLICATE:
            raise Wait("the image exists already and will be visible soon") from exc
        if not may_have_happened(exc):
            execution.update(unclear=tuple(each for each in unclear if each != "image"))
        raise failed(execution, "create the image", exc) from exc
    # It stays unclear until it is seen, because only then its snapshots are known.
    execution.update(image_id=image_id)


def delete_image(stage: Stage) -> None:
    """Deregister the image and delete its snapshots, by SpotLab's tags only."""
    execution = stage.execution
    named = stage.aws.image_named(image_name(stage))
    image_ids = {named.image_id} if named is not None else set()
    if execution.progress.image_id:
        image_ids.add(execution.progress.image_id)
    snapshot_ids = set(execution.progress.snapshot_ids)
    for resource in stage.aws.own(execution.switch.switch_id):
        if resource.kind == "image":
            image_ids.add(resource.resource_id)
        if resource.kind == "snapshot":
            snapshot_ids.add(resource.resource_id)
    views = [view for each in sorted(image_ids) if (view := stage.aws.image(each)) is not None]
    for view in views:
        snapshot_ids.update(view.snapshot_ids)
    missing = snapshot_ids - set(execution.progress.snapshot_ids)
    if missing:
        # Once the image is gone, only this record knows its snapshots.
        execution.update(snapshot_ids=tuple(sorted(snapshot_ids)))
    for view in views:
        _deregister(stage, view)
    own = {each.resource_id for each in stage.aws.own(execution.switch.switch_id)}
    for snapshot_id in sorted(snapshot_ids & own):
        _delete_snapshot(stage, snapshot_id)


def _deregister(stage: Stage, view: ImageView) -> None:
    if view.state == "pending":
        raise Wait(f"the image {view.image_id} is still being created")
    ensure(
        stage.execution,
        f"deregister the image {view.image_id}",
        lambda: stage.aws.image(view.image_id) is None,
        lambda: stage.aws.deregister_image(view.image_id),
        phase=Phase.UNDONE,
        missing_may_be_done=True,
    )


def _delete_snapshot(stage: Stage, snapshot_id: str) -> None:
    def gone() -> bool:
        own = stage.aws.own(stage.execution.switch.switch_id)
        return all(each.resource_id != snapshot_id for each in own)

    ensure(
        stage.execution,
        f"delete the snapshot {snapshot_id}",
        gone,
        lambda: stage.aws.delete_snapshot(snapshot_id),
        phase=Phase.UNDONE,
        missing_may_be_done=True,
    )
