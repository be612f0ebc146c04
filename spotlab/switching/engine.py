"""The state machine of a switch: step after step, back if needed, resumable at every point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from spotlab.domain.ports import Clock
from spotlab.domain.ports.switching import SwitchingPort
from spotlab.domain.switch_plan import Call, Strategy
from spotlab.domain.switch_steps import ROLLBACK_TIME_LIMIT_S, RULES, Step, steps_of
from spotlab.domain.switches import (
    DRIVEN_STATES,
    Attempt,
    AttemptState,
    Phase,
    Switch,
    SwitchState,
)
from spotlab.errors import AwsError, SpotlabError
from spotlab.switching.actions import failed, failed_look
from spotlab.switching.execution import Execution, SwitchStore
from spotlab.switching.hooks import Hooks
from spotlab.switching.launches import SKIPPED
from spotlab.switching.rollback import OldIsGone, roll_back
from spotlab.switching.signals import (
    Held,
    Impossible,
    NeedsPerson,
    NextAttempt,
    Paused,
    Wait,
)
from spotlab.switching.stage import Stage
from spotlab.switching.steps import FUNCTIONS, NEW_ROUNDS, GoBack

POLL_S: Final = 5.0
HOLD_S: Final = 15.0
"""After a guard has held a switch, before the driver leaves it."""
LONGEST_PAUSE_S: Final = 40.0
_ROLLBACK: Final = "rollback"
_TAKEN: Final = "Server.SpotInstanceTermination"
"""State reason of a spot instance that AWS has taken."""
_REPEATED: Final = "repeated steps"
_FORWARD_ONLY: Final = (Step.VERIFY, Step.CLEANUP)
_REMEDY: Final = (
    "Look at the journal and at both instances in EC2; then resume the switch or roll it back."
)


@dataclass(frozen=True, slots=True)
class Engine:
    """Drives switches of one account and region.

    Args:
        store: of switches. The caller holds the lease of the switch and has entered its fence.
        aws: the account and region.
        hooks: collaborators.
        clock: for times that are shown.
        monotonic: seconds; never jumps.
        sleep: waits between two looks.
        list_calls: the calls that a dry run lists.
        on_change: called after every step, for screens.
    """

    store: SwitchStore
    aws: SwitchingPort
    hooks: Hooks
    clock: Clock
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    list_calls: Callable[[Switch], Sequence[Call]] = lambda _switch: ()
    on_change: Callable[[Switch], None] = lambda _switch: None

    def run(self, switch_id: str, token: int, leading: Callable[[], bool]) -> Switch:
        """Drive a switch until it is finished, paused, or needs a person.

        Args:
            switch_id: of an approved switch, or of one whose driver is gone.
            token: fencing token of the lease.
            leading: whether the lease is still held.
        Returns:
            The switch as it is then.
        Raises:
            Fenced, ChangedMeanwhile: another driver is at work; this one has stopped.
            DatabaseDown: the next driver continues.
            NotFound: no such switch.
        """
        switch = self.store.get(switch_id)
        execution = Execution(self.store, switch, token, self.clock, self.monotonic, leading)
        stage = Stage(execution, self.aws, self.hooks)
        failures = 0
        self._take_up(execution)
        while execution.refresh().state in DRIVEN_STATES:
            name = self._time_name(execution.switch)
            try:
                self._act(stage)
                failures = 0
                self.on_change(execution.switch)
            except Wait as signal:
                failures = failures + 1 if signal.failed else 0
                execution.note(f"waits: {signal.why}")
                self.sleep(min(POLL_S * 2.0 ** min(failures, 5), LONGEST_PAUSE_S))
            except Held as signal:
                if execution.progress.held != signal.why:
                    entry = execution.entry(f"held: {signal.why}", Phase.NOTE)
                    execution.update(entry, held=signal.why)
                self.sleep(HOLD_S)
                break
            execution.count_time(name)
        return execution.switch

    def _take_up(self, execution: Execution) -> None:
        """Begin or continue: journal that this driver has taken the switch over."""
        switch = execution.switch
        first = steps_of(switch.strategy)[0]
        if switch.state is SwitchState.APPROVED:
            execution.save(
                execution.entry("begin", Phase.NOTE),
                state=SwitchState.RUNNING,
                step=first,
                started_at=execution.clock.now(),
            )
        elif switch.state is SwitchState.PAUSED and (
            switch.rollback_requested or not switch.pause_requested
        ):
            execution.save(execution.entry("continue", Phase.NOTE), state=SwitchState.RUNNING)
        elif switch.state is SwitchState.NEEDS_ATTENTION and switch.rollback_requested:
            progress = replace(
                execution.progress, elapsed_s={}, failures={}, rollback_why="asked by a user"
            )
            execution.save(
                execution.entry("roll back", Phase.NOTE, {"why": "asked by a user"}),
                progress=progress,
                state=SwitchState.ROLLING_BACK,
                situation="",
                remedy="",
            )
        elif switch.state in DRIVEN_STATES and not switch.progress.held:
            execution.save(execution.entry("continue after another driver", Phase.NOTE))

    @staticmethod
    def _time_name(switch: Switch) -> str:
        if switch.state is SwitchState.ROLLING_BACK or switch.step is None:
            return _ROLLBACK
        return switch.step.value

    def _act(self, stage: Stage) -> None:
        """One try of the present step or of the rollback, and what follows from its signal."""
        execution = stage.execution
        try:
            self._check_time(execution)
            if execution.switch.state is SwitchState.ROLLING_BACK:
                self._roll_back(stage)
            elif self._must_roll_back(stage):
                self._begin_rollback(execution, "asked by a user")
            else:
                self._step(stage)
        except NextAttempt as signal:
            self._next_attempt(stage, signal)
        except Impossible as signal:
            self._impossible(stage, signal)
        except NeedsPerson as signal:
            self._ask_person(execution, signal.why, signal.remedy)
        except Paused as signal:
            execution.save(execution.entry(signal.why, Phase.NOTE), state=SwitchState.PAUSED)
        except AwsError as exc:
            self._failed_look(stage, exc)

    def _failed_look(self, stage: Stage, exc: AwsError) -> None:
        signal = failed_look(stage.execution, exc)
        if isinstance(signal, Wait):
            raise signal from exc
        self._impossible(stage, signal)

    def _step(self, stage: Stage) -> None:
        execution = stage.execution
        step = execution.switch.step
        assert step is not None, "a running switch has a step"
        if step is Step.STOP_START and execution.switch.pause_requested and not execution.attempt:
            raise Paused("paused before the instance is stopped")
        try:
            FUNCTIONS[step](stage)
        except GoBack as exc:
            self._go_back(execution, exc)
            return
        except (AwsError, SpotlabError):
            raise
        except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as exc:
            bug = AwsError(f"{type(exc).__name__} in SpotLab", remedy="Report this bug.")
            raise failed(execution, f"internal error in {step.value}", bug) from exc
        self._advance(stage, step)

    def _advance(self, stage: Stage, step: Step) -> None:
        """To the next step; after the last one, the switch is done."""
        execution = stage.execution
        steps = steps_of(execution.switch.strategy)
        entry = execution.entry(f"finish {step.value}", Phase.AFTER)
        lasting = _lasting(execution.progress.failures)
        progress = replace(execution.progress, failures=lasting, held="")
        if step is Step.PREFLIGHT and execution.switch.dry_run:
            self._finish_dry_run(execution)
        elif step is steps[-1]:
            self.hooks.allowances.release(execution.switch.switch_id)
            self._finish(execution, SwitchState.DONE)
        else:
            following = steps[steps.index(step) + 1]
            execution.save(entry, progress=progress, step=following)

    def _finish_dry_run(self, execution: Execution) -> None:
        calls = [
            execution.entry(
                f"would call {call.action}",
                Phase.NOTE,
                {"step": call.step, "parameters": call.parameters, "text": call.text},
            )
            for call in self.list_calls(execution.switch)
        ]
        execution.save(
            *calls,
            execution.entry("finish the dry run", Phase.AFTER, {"calls": len(calls)}),
            state=SwitchState.DONE,
            finished_at=execution.clock.now(),
        )

    def _finish(
        self, execution: Execution, state: SwitchState, why: str = "", remedy: str = ""
    ) -> None:
        """Store a final state."""
        entry = execution.entry(state.value, Phase.NOTE, {"why": why} if why else {})
        execution.save(
            entry,
            state=state,
            situation=why,
            remedy=remedy,
            finished_at=execution.clock.now(),
        )

    def _check_time(self, execution: Execution) -> None:
        """Raises Impossible or NeedsPerson if the step has taken too long."""
        switch, name = execution.switch, self._time_name(execution.switch)
        if switch.state is SwitchState.ROLLING_BACK:
            if execution.elapsed_s(name) > ROLLBACK_TIME_LIMIT_S:
                raise NeedsPerson(
                    f"The rollback is not finished after {ROLLBACK_TIME_LIMIT_S / 60:.0f} min.",
                    remedy=_REMEDY,
                )
            return
        assert switch.step is not None, "a running switch has a step"
        limit_s = RULES[switch.step].time_limit_s
        if execution.elapsed_s(name) <= limit_s:
            return
        why = f"{switch.step.value} is not finished after {limit_s / 60:.0f} min"
        if switch.step is Step.HEALTH and switch.strategy is not Strategy.STOP_START:
            raise NextAttempt(why, code="NotHealthy")
        raise Impossible(why, remedy=_REMEDY)

    def _must_roll_back(self, stage: Stage) -> bool:
        """Whether a user asked for it and there is an instance to go back to."""
        execution = stage.execution
        switch = execution.switch
        if not switch.rollback_requested:
            return False
        in_place = switch.strategy is Strategy.STOP_START
        if switch.step in _FORWARD_ONLY or not (in_place or stage.old_is_alive()):
            execution.note("cannot roll back: the instance has ended; going forward")
            return False
        return True

    def _begin_rollback(self, execution: Execution, why: str, remedy: str = "") -> None:
        entry = execution.entry("roll back", Phase.NOTE, {"why": why})
        progress = replace(execution.progress, rollback_why=why, failures={}, terminate_begun=False)
        execution.save(entry, progress=progress, state=SwitchState.ROLLING_BACK, remedy=remedy)

    def _roll_back(self, stage: Stage) -> None:
        execution = stage.execution
        try:
            roll_back(stage)
        except OldIsGone as exc:
            self._go_forward_again(stage, replacement_runs=exc.replacement_runs)
            return
        why, remedy = execution.progress.rollback_why, execution.switch.remedy
        self.hooks.allowances.release(execution.switch.switch_id)
        execution.switch = replace(execution.switch, got=None, got_why="")
        self._finish(execution, SwitchState.ROLLED_BACK, why, remedy)

    def _go_forward_again(self, stage: Stage, *, replacement_runs: bool) -> None:
        """AWS took the instance during the rollback: the replacement is what is left."""
        execution = stage.execution
        step = execution.switch.step
        if not replacement_runs:
            attempt = execution.attempt
            if attempt is not None and attempt.state is not AttemptState.FAILED:
                failed_attempt = replace(
                    attempt, state=AttemptState.FAILED, code="RolledBack", why="rolled back"
                )
                execution.set_attempt(failed_attempt)
            steps = steps_of(execution.switch.strategy)
            launched = step is not None and steps.index(step) >= steps.index(Step.LAUNCH)
            step = Step.LAUNCH if launched else step
        progress = replace(execution.progress, rollback_why="", elapsed_s={}, failures={})
        changes = {} if replacement_runs else {"got": None, "got_why": ""}
        execution.save(
            execution.entry("go forward: the instance has ended", Phase.NOTE),
            progress=progress,
            state=SwitchState.RUNNING,
            step=step,
            **changes,
        )

    def _next_attempt(self, stage: Stage, signal: NextAttempt) -> None:
        """Record the attempt as failed and go back to the launch."""
        execution = stage.execution
        switch, attempt = execution.switch, execution.attempt
        rolling_back = switch.state is SwitchState.ROLLING_BACK
        if rolling_back or switch.strategy is Strategy.STOP_START or attempt is None:
            self._ask_person(execution, f"{signal.why}.", _REMEDY)
            return
        if signal.code == _TAKEN and attempt.instance_id:
            now = execution.clock.now()
            self.hooks.on_interrupted(attempt.instance_id, attempt.target.pool, now)
        if signal.code != SKIPPED:
            self.hooks.allowances.release(switch.switch_id)
        ended = replace(attempt, state=AttemptState.FAILED, code=signal.code, why=signal.why)
        progress = execution.forget_time(*(step.value for step in Step))
        others = tuple(each for each in progress.attempts if each.number != ended.number)
        detail = {"target": attempt.target.label, "why": signal.why, "code": signal.code}
        execution.save(
            execution.entry("launch the replacement", Phase.FAILED, detail),
            progress=replace(progress, attempts=(*others, ended), terminate_begun=False),
            step=Step.LAUNCH,
            got=None,
            got_why="",
        )

    @staticmethod
    def _go_back(execution: Execution, signal: GoBack) -> None:
        failures = dict(execution.progress.failures)
        failures[_REPEATED] = failures.get(_REPEATED, 0) + 1
        if failures[_REPEATED] > NEW_ROUNDS:
            raise Impossible(str(signal), remedy=_REMEDY)
        execution.save(
            execution.entry(f"repeat from {signal.step.value}", Phase.NOTE, {"why": str(signal)}),
            progress=replace(execution.progress, failures=failures),
            step=signal.step,
        )

    def _impossible(self, stage: Stage, signal: Impossible) -> None:
        """Refuse before anything was changed, else roll back, else ask for a person."""
        execution = stage.execution
        switch = execution.switch
        if switch.state is SwitchState.ROLLING_BACK:
            self._ask_person(execution, f"The rollback failed: {signal.why}.", signal.remedy)
        elif switch.step is Step.PREFLIGHT:
            self._finish(execution, SwitchState.REFUSED, signal.why, signal.remedy)
        elif switch.step in _FORWARD_ONLY or not self._has_old(stage):
            self._ask_person(execution, f"{signal.why}.", signal.remedy)
        else:
            self._begin_rollback(execution, signal.why, signal.remedy)

    @staticmethod
    def _has_old(stage: Stage) -> bool:
        """Whether there is an instance to go back to; a look that fails says yes, as the rollback
        looks again."""
        if stage.execution.switch.strategy is Strategy.STOP_START:
            return True
        try:
            return stage.old_is_alive()
        except AwsError:
            return True

    def _ask_person(self, execution: Execution, why: str, remedy: str) -> None:
        """Stop and say exactly what the situation is."""
        situation = f"{why} {_whereabouts(execution)}".strip()
        self.hooks.allowances.release(execution.switch.switch_id)
        execution.save(
            execution.entry("needs attention", Phase.NOTE, {"situation": situation}),
            state=SwitchState.NEEDS_ATTENTION,
            situation=situation,
            remedy=remedy or _REMEDY,
        )


def _lasting(failures: object) -> dict[str, int]:
    """Counts that a finished step does not reset."""
    assert isinstance(failures, dict), "as loaded from JSON or set by a step"
    return {name: count for name, count in failures.items() if name == _REPEATED}


def _whereabouts(execution: Execution) -> str:
    """What a person has to know: the step, the replacement, the image."""
    switch, progress = execution.switch, execution.progress
    parts = [f"Step: {switch.step.value if switch.step else 'none'}."]
    parts.append(f"Instance: {switch.instance_id}.")
    running: list[Attempt] = [each for each in progress.attempts if each.instance_id]
    if running:
        parts.append(f"Launched: {', '.join(each.instance_id for each in running)}.")
    if progress.image_id:
        parts.append(f"Image: {progress.image_id}.")
    return " ".join(parts)
