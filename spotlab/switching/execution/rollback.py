"""Rolling a switch back: everything returns to the instance, and what was made is removed."""

from __future__ import annotations

from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import AttemptState, Phase
from spotlab.switching.execution import leftovers
from spotlab.switching.execution.images import image_name
from spotlab.switching.execution.moves import move_back
from spotlab.switching.execution.step_context import StepContext
from spotlab.switching.execution.stop_start import restore_type


class OldIsGone(Exception):
    """The instance has ended, so that there is nothing to go back to.

    Args:
        replacement_runs: whether a replacement still does.
    """

    def __init__(self, *, replacement_runs: bool) -> None:
        super().__init__("the instance has ended")
        self.replacement_runs = replacement_runs


def roll_back(context: StepContext) -> None:
    """Undo what was done. Raises Wait until all is undone, and OldIsGone if AWS took the instance.

    The replacement is terminated last, when the instance has everything again. If a user gives up
    a switch of which nothing is left, only leftovers are removed, and it says so.
    """
    if context.record.switch.strategy is Strategy.STOP_START:
        restore_type(context)
        return
    attempts = context.record.progress.attempts
    launched = [each.instance_id for each in attempts if each.instance_id]
    if not context.old_is_alive():
        runs = _runs(context)
        if runs or not _nothing_is_left(context):
            raise OldIsGone(replacement_runs=runs)
        why = (
            f"Nothing is left to go back to: neither {context.old_id} nor a replacement runs, and "
            "there is no image of it."
        )
        context.record.update(context.record.entry(why, Phase.NOTE), rollback_why=why)
    else:
        for instance_id in launched or [""]:
            move_back(context, instance_id)
    leftovers.remove(context)


def _nothing_is_left(context: StepContext) -> bool:
    """Whether a user gives up a switch without any image, so that nothing can be launched."""
    switch, progress = context.record.switch, context.record.progress
    if not switch.rollback_requested or not switch.strategy.makes_image or progress.unclear:
        return False
    if progress.image_id and context.aws.image(progress.image_id) is not None:
        return False
    return context.aws.image_named(image_name(context)) is None


def _runs(context: StepContext) -> bool:
    attempt = context.record.attempt
    if attempt is None or attempt.state is not AttemptState.LAUNCHED:
        return False
    view = context.look(attempt.instance_id)
    return view is not None and not view.gone
