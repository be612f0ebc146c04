"""The state machine of a switch: step after step, back if needed, resumable at every point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from spotlab.domain.ports import Clock
from spotlab.domain.ports.switching import SwitchingPort
from spotlab.domain.switch_plan import Strategy
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
from spotlab.switching.execution.hooks import Hooks
from spotlab.switching.execution.idempotent_actions import failed, failed_look
from spotlab.switching.execution.launches import SKIPPED
from spotlab.switching.execution.rollback import OldIsGone, roll_back
from spotlab.switching.execution.signals import (
    Held,
    Impossible,
    NeedsPerson,
    NextAttempt,
    Paused,
    Wait,
)
from spotlab.switching.execution.step_context import StepContext
from spotlab.switching.execution.steps import FUNCTIONS, NEW_ROUNDS, GoBack
from spotlab.switching.execution.switch_record import SwitchRecord, SwitchStore

FIRST_POLL_S: Final = 1.0
"""Until the second look at what a step waits for; then twice as long each time, up to POLL_S."""
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
        on_change: called after every step, for screens.
    """

    store: SwitchStore
    aws: SwitchingPort
    hooks: Hooks
    clock: Clock
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
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
        record = SwitchRecord(self.store, switch, token, self.clock, self.monotonic, leading)
        context = StepContext(record, self.aws, self.hooks)
        failures = looks = 0
        self._take_up(record)
        while record.refresh().state in DRIVEN_STATES:
            name = self._time_name(record.switch)
            try:
                self._act(context)
                failures = looks = 0
                self.on_change(record.switch)
            except Wait as signal:
                failures = failures + 1 if signal.failed else 0
                record.note(f"waits: {signal.why}")
                poll_s = min(FIRST_POLL_S * 2.0 ** min(looks, 5), POLL_S)
                if failures:
                    poll_s = POLL_S * 2.0 ** min(failures, 5)
                looks += 1
                self.sleep(min(poll_s, LONGEST_PAUSE_S))
            except Held as signal:
                if record.progress.held != signal.why:
                    entry = record.entry(f"held: {signal.why}", Phase.NOTE)
                    record.update(entry, held=signal.why)
                self.sleep(HOLD_S)
                break
            record.count_time(name)
        return record.switch

    def _take_up(self, record: SwitchRecord) -> None:
        """Begin or continue: journal that this driver has taken the switch over."""
        switch = record.switch
        first = steps_of(switch.strategy)[0]
        if switch.state is SwitchState.APPROVED:
            record.save(
                record.entry("begin", Phase.NOTE),
                state=SwitchState.RUNNING,
                step=first,
                started_at=record.clock.now(),
            )
        elif switch.state is SwitchState.PAUSED and (
            switch.rollback_requested or not switch.pause_requested
        ):
            record.save(record.entry("continue", Phase.NOTE), state=SwitchState.RUNNING)
        elif switch.state is SwitchState.NEEDS_ATTENTION and switch.rollback_requested:
            progress = replace(
                record.progress, elapsed_s={}, failures={}, rollback_why="asked by a user"
            )
            record.save(
                record.entry("roll back", Phase.NOTE, {"why": "asked by a user"}),
                progress=progress,
                state=SwitchState.ROLLING_BACK,
                situation="",
                remedy="",
            )
        elif switch.state in DRIVEN_STATES and not switch.progress.held:
            record.save(record.entry("continue after another driver", Phase.NOTE))

    @staticmethod
    def _time_name(switch: Switch) -> str:
        if switch.state is SwitchState.ROLLING_BACK or switch.step is None:
            return _ROLLBACK
        return switch.step.value

    def _act(self, context: StepContext) -> None:
        """One try of the present step or of the rollback, and what follows from its signal."""
        record = context.record
        try:
            self._check_time(record)
            if record.switch.state is SwitchState.ROLLING_BACK:
                self._roll_back(context)
            elif self._must_roll_back(context):
                self._begin_rollback(record, "asked by a user")
            else:
                self._step(context)
        except NextAttempt as signal:
            self._next_attempt(context, signal)
        except Impossible as signal:
            self._impossible(context, signal)
        except NeedsPerson as signal:
            self._ask_person(record, signal.why, signal.remedy)
        except Paused as signal:
            record.save(record.entry(signal.why, Phase.NOTE), state=SwitchState.PAUSED)
        except AwsError as exc:
            self._failed_look(context, exc)

    def _failed_look(self, context: StepContext, exc: AwsError) -> None:
        signal = failed_look(context.record, exc)
        if isinstance(signal, Wait):
            raise signal from exc
        self._impossible(context, signal)

    def _step(self, context: StepContext) -> None:
        record = context.record
        step = record.switch.step
        assert step is not None, "a running switch has a step"
        if step is Step.STOP_START and record.switch.pause_requested and not record.attempt:
            raise Paused("paused before the instance is stopped")
        try:
            FUNCTIONS[step](context)
        except GoBack as exc:
            self._go_back(record, exc)
            return
        except (AwsError, SpotlabError):
            raise
        except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as exc:
            bug = AwsError(f"{type(exc).__name__} in SpotLab", remedy="Report this bug.")
            raise failed(record, f"internal error in {step.value}", bug) from exc
        self._advance(context, step)

    def _advance(self, context: StepContext, step: Step) -> None:
        """To the next step; after the last one, the switch is done."""
        record = context.record
        steps = steps_of(record.switch.strategy)
        entry = record.entry(f"finish {step.value}", Phase.AFTER)
        lasting = _lasting(record.progress.failures)
        progress = replace(record.progress, failures=lasting, held="")
        if step is Step.PREFLIGHT and record.switch.dry_run:
            self._finish(record, SwitchState.DONE)
        elif step is steps[-1]:
            self.hooks.allowances.release(record.switch.switch_id)
            self._finish(record, SwitchState.DONE)
        else:
            following = steps[steps.index(step) + 1]
            record.save(entry, progress=progress, step=following)

    def _finish(
        self, record: SwitchRecord, state: SwitchState, why: str = "", remedy: str = ""
    ) -> None:
        """Store a final state."""
        entry = record.entry(state.value, Phase.NOTE, {"why": why} if why else {})
        record.save(
            entry,
            state=state,
            situation=why,
            remedy=remedy,
            finished_at=record.clock.now(),
        )

    def _check_time(self, record: SwitchRecord) -> None:
        """Raises Impossible or NeedsPerson if the step has taken too long."""
        switch, name = record.switch, self._time_name(record.switch)
        if switch.state is SwitchState.ROLLING_BACK:
            if record.elapsed_s(name) > ROLLBACK_TIME_LIMIT_S:
                raise NeedsPerson(
                    f"The rollback is not finished after {ROLLBACK_TIME_LIMIT_S / 60:.0f} min.",
                    remedy=_REMEDY,
                )
            return
        assert switch.step is not None, "a running switch has a step"
        limit_s = RULES[switch.step].time_limit_s
        if record.elapsed_s(name) <= limit_s:
            return
        why = f"{switch.step.value} is not finished after {limit_s / 60:.0f} min"
        if switch.step is Step.HEALTH and switch.strategy is not Strategy.STOP_START:
            raise NextAttempt(why, code="NotHealthy")
        raise Impossible(why, remedy=_REMEDY)

    def _must_roll_back(self, context: StepContext) -> bool:
        """Whether a user asked for it and there is an instance to go back to."""
        record = context.record
        switch = record.switch
        if not switch.rollback_requested:
            return False
        in_place = switch.strategy is Strategy.STOP_START
        if switch.step in _FORWARD_ONLY or not (in_place or context.old_is_alive()):
            record.note("cannot roll back: the instance has ended; going forward")
            return False
        return True

    def _begin_rollback(self, record: SwitchRecord, why: str, remedy: str = "") -> None:
        entry = record.entry("roll back", Phase.NOTE, {"why": why})
        progress = replace(record.progress, rollback_why=why, failures={}, terminate_begun=False)
        record.save(entry, progress=progress, state=SwitchState.ROLLING_BACK, remedy=remedy)

    def _roll_back(self, context: StepContext) -> None:
        record = context.record
        try:
            roll_back(context)
        except OldIsGone as exc:
            self._go_forward_again(context, replacement_runs=exc.replacement_runs)
            return
        why, remedy = record.progress.rollback_why, record.switch.remedy
        self.hooks.allowances.release(record.switch.switch_id)
        record.switch = replace(record.switch, got=None, got_why="")
        self._finish(record, SwitchState.ROLLED_BACK, why, remedy)

    def _go_forward_again(self, context: StepContext, *, replacement_runs: bool) -> None:
        """AWS took the instance during the rollback: the replacement is what is left."""
        record = context.record
        step = record.switch.step
        if not replacement_runs:
            attempt = record.attempt
            if attempt is not None and attempt.state is not AttemptState.FAILED:
                failed_attempt = replace(
                    attempt, state=AttemptState.FAILED, code="RolledBack", why="rolled back"
                )
                record.set_attempt(failed_attempt)
            steps = steps_of(record.switch.strategy)
            launched = step is not None and steps.index(step) >= steps.index(Step.LAUNCH)
            step = Step.LAUNCH if launched else step
        progress = replace(record.progress, rollback_why="", elapsed_s={}, failures={})
        changes = {} if replacement_runs else {"got": None, "got_why": ""}
        record.save(
            record.entry("go forward: the instance has ended", Phase.NOTE),
            progress=progress,
            state=SwitchState.RUNNING,
            step=step,
            **changes,
        )

    def _next_attempt(self, context: StepContext, signal: NextAttempt) -> None:
        """Record the attempt as failed and go back to the launch."""
        record = context.record
        switch, attempt = record.switch, record.attempt
        rolling_back = switch.state is SwitchState.ROLLING_BACK
        if rolling_back or switch.strategy is Strategy.STOP_START or attempt is None:
            self._ask_person(record, f"{signal.why}.", _REMEDY)
            return
        if signal.code == _TAKEN and attempt.instance_id:
            now = record.clock.now()
            self.hooks.on_interrupted(attempt.instance_id, attempt.target.pool, now)
        if signal.code != SKIPPED:
            self.hooks.allowances.release(switch.switch_id)
        ended = replace(attempt, state=AttemptState.FAILED, code=signal.code, why=signal.why)
        progress = record.forget_time(*(step.value for step in Step))
        others = tuple(each for each in progress.attempts if each.number != ended.number)
        detail = {"target": attempt.target.label, "why": signal.why, "code": signal.code}
        record.save(
            record.entry("launch the replacement", Phase.FAILED, detail),
            progress=replace(progress, attempts=(*others, ended), terminate_begun=False),
            step=Step.LAUNCH,
            got=None,
            got_why="",
        )

    @staticmethod
    def _go_back(record: SwitchRecord, signal: GoBack) -> None:
        failures = dict(record.progress.failures)
        failures[_REPEATED] = failures.get(_REPEATED, 0) + 1
        if failures[_REPEATED] > NEW_ROUNDS:
            raise Impossible(str(signal), remedy=_REMEDY)
        record.save(
            record.entry(f"repeat from {signal.step.value}", Phase.NOTE, {"why": str(signal)}),
            progress=replace(record.progress, failures=failures),
            step=signal.step,
        )

    def _impossible(self, context: StepContext, signal: Impossible) -> None:
        """Refuse before anything was changed, else roll back, else ask for a person."""
        record = context.record
        switch = record.switch
        if switch.state is SwitchState.ROLLING_BACK:
            self._ask_person(record, f"The rollback failed: {signal.why}.", signal.remedy)
        elif switch.step is Step.PREFLIGHT:
            self._finish(record, SwitchState.REFUSED, signal.why, signal.remedy)
        elif switch.step in _FORWARD_ONLY or not self._has_old(context):
            self._ask_person(record, f"{signal.why}.", signal.remedy)
        else:
            self._begin_rollback(record, signal.why, signal.remedy)

    @staticmethod
    def _has_old(context: StepContext) -> bool:
        """Whether there is an instance to go back to; a look that fails says yes, as the rollback
        looks again."""
        if context.record.switch.strategy is Strategy.STOP_START:
            return True
        try:
            return context.old_is_alive()
        except AwsError:
            return True

    def _ask_person(self, record: SwitchRecord, why: str, remedy: str) -> None:
        """Stop and say exactly what the situation is."""
        situation = f"{why} {_whereabouts(record)}".strip()
        self.hooks.allowances.release(record.switch.switch_id)
        record.save(
            record.entry("needs attention", Phase.NOTE, {"situation": situation}),
            state=SwitchState.NEEDS_ATTENTION,
            situation=situation,
            remedy=remedy or _REMEDY,
        )


def _lasting(failures: object) -> dict[str, int]:
    """Counts that a finished step does not reset."""
    assert isinstance(failures, dict), "as loaded from JSON or set by a step"
    return {name: count for name, count in failures.items() if name == _REPEATED}


def _whereabouts(record: SwitchRecord) -> str:
    """What a person has to know: the step, the replacement, the image."""
    switch, progress = record.switch, record.progress
    parts = [f"Step: {switch.step.value if switch.step else 'none'}."]
    parts.append(f"Instance: {switch.instance_id}.")
    running: list[Attempt] = [each for each in progress.attempts if each.instance_id]
    if running:
        parts.append(f"Launched: {', '.join(each.instance_id for each in running)}.")
    if progress.image_id:
        parts.append(f"Image: {progress.image_id}.")
    return " ".join(parts)
