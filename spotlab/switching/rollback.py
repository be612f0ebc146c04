"""Rolling a switch back: everything returns to the instance, and what was made is removed."""

from __future__ import annotations

from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import AttemptState, Phase
from spotlab.switching import leftovers
from spotlab.switching.images import image_name
from spotlab.switching.moves import move_back
from spotlab.switching.stage import Stage
from spotlab.switching.stop_start import restore_type


class OldIsGone(Exception):
    """The instance has ended, so that there is nothing to go back to.

    Args:
        replacement_runs: whether a replacement still does.
    """

    def __init__(self, *, replacement_runs: bool) -> None:
        super().__init__("the instance has ended")
        self.replacement_runs = replacement_runs


def roll_back(stage: Stage) -> None:
    """Undo what was done. Raises Wait until all is undone, and OldIsGone if AWS took the instance.

    The replacement is terminated last, when the instance has everything again. If a user gives up
    a switch of which nothing is left, only leftovers are removed, and it says so.
    """
    if stage.execution.switch.strategy is Strategy.STOP_START:
        restore_type(stage)
        return
    attempts = stage.execution.progress.attempts
    launched = [each.instance_id for each in attempts if each.instance_id]
    if not stage.old_is_alive():
        runs = _runs(stage)
        if runs or not _nothing_is_left(stage):
            raise OldIsGone(replacement_runs=runs)
        why = (
            f"Nothing is left to go back to: neither {stage.old_id} nor a replacement runs, and "
            "there is no image of it."
        )
        stage.execution.update(stage.execution.entry(why, Phase.NOTE), rollback_why=why)
    else:
        for instance_id in launched or [""]:
            move_back(stage, instance_id)
    leftovers.remove(stage)


def _nothing_is_left(stage: Stage) -> bool:
    """Whether a user gives up a switch without any image, so that nothing can be launched."""
    switch, progress = stage.execution.switch, stage.execution.progress
    if not switch.rollback_requested or not switch.strategy.makes_image or progress.unclear:
        return False
    if progress.image_id and stage.aws.image(progress.image_id) is not None:
        return False
    return stage.aws.image_named(image_name(stage)) is None


def _runs(stage: Stage) -> bool:
    attempt = stage.execution.attempt
    if attempt is None or attempt.state is not AttemptState.LAUNCHED:
        return False
    view = stage.look(attempt.instance_id)
    return view is not None and not view.gone
