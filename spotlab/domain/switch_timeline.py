"""The course of a switch for people: its steps with their times, and its journal in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from spotlab.domain.switch_steps import RULES, Step, StepRule, steps_of
from spotlab.domain.switches import JournalEntry, Phase, Switch, SwitchState

STATE_LABELS: Final[Mapping[SwitchState, str]] = {
    SwitchState.REQUESTED: "waits for approval",
    SwitchState.APPROVED: "approved, about to start",
    SwitchState.RUNNING: "running",
    SwitchState.PAUSED: "paused",
    SwitchState.ROLLING_BACK: "rolling back",
    SwitchState.DONE: "done",
    SwitchState.ROLLED_BACK: "rolled back",
    SwitchState.REFUSED: "refused",
    SwitchState.REJECTED: "rejected",
    SwitchState.EXPIRED: "expired",
    SwitchState.NEEDS_ATTENTION: "needs attention",
}
_ENDED_WITHOUT_START: Final = (SwitchState.REFUSED, SwitchState.REJECTED, SwitchState.EXPIRED)
_BACK: Final = (SwitchState.ROLLING_BACK, SwitchState.ROLLED_BACK)
_PHASES: Final[Mapping[Phase, str]] = {
    Phase.BEFORE: "Begins to {}.",
    Phase.AFTER: "Done: {}.",
    Phase.FAILED: "Failed to {}.",
    Phase.UNDONE: "Undone: {}.",
    Phase.NOTE: "{}.",
}
_REASONS: Final = ("error", "why", "reason", "situation", "text")
"""Details that are part of the sentence."""
_NOTHING: Final[tuple[Any, ...]] = ("", None, [], {})


class StepState(StrEnum):
    """Where a step stands."""

    DONE = "done"
    RUNNING = "running"
    STOPPED = "stopped"
    """The switch has stopped in it, and waits for a person."""
    UNDONE = "undone"
    TO_COME = "to come"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of a switch.

    Args:
        step: which.
        rule: what it promises.
        state: where it stands.
        started_at: of its first journal entry, aware UTC; None: not started.
        elapsed_s: seconds that it has taken so far; None: not started.
        no_return: the first step that cannot be undone: the point of no return is before it.
    """

    step: Step
    rule: StepRule
    state: StepState
    started_at: datetime | None
    elapsed_s: float | None
    no_return: bool

    @property
    def name(self) -> str:
        """The step's name for a person: `stop and start`."""
        return "stop and start" if self.step is Step.STOP_START else self.step.value


def timeline(switch: Switch, journal: Sequence[JournalEntry], now: datetime) -> list[StepLine]:
    """The steps of a switch in order, with what each has taken.

    Args:
        switch: as stored.
        journal: its entries, in order.
        now: aware UTC.
    """
    steps = steps_of(switch.strategy)
    position = steps.index(switch.step) if switch.step in steps else -1
    spans = _spans(switch, journal, now)
    fixed = next((step for step in steps if not RULES[step].can_be_undone), None)
    return [
        StepLine(
            step,
            RULES[step],
            _state(switch, number, position),
            spans[step][0] if step in spans else None,
            spans[step][1] if step in spans else None,
            step is fixed,
        )
        for number, step in enumerate(steps)
    ]


def _state(switch: Switch, number: int, position: int) -> StepState:
    state = switch.state
    if state is SwitchState.DONE:
        return StepState.DONE
    if state in _ENDED_WITHOUT_START:
        return StepState.NOT_REACHED
    if number > position:
        return StepState.NOT_REACHED if state in _BACK else StepState.TO_COME
    if state in _BACK:
        return StepState.UNDONE if state is SwitchState.ROLLED_BACK else StepState.STOPPED
    if number < position:
        return StepState.DONE
    if state in (SwitchState.PAUSED, SwitchState.NEEDS_ATTENTION):
        return StepState.STOPPED
    return StepState.RUNNING


def _spans(
    switch: Switch, journal: Sequence[JournalEntry], now: datetime
) -> dict[Step, tuple[datetime, float]]:
    """First entry and total seconds of each step; a step that is entered again counts on."""
    spans: dict[Step, tuple[datetime, float]] = {}
    runs = list(_runs(journal))
    for number, (step, start, last) in enumerate(runs):
        if number + 1 < len(runs):
            end = runs[number + 1][1]
        else:
            ended = switch.finished_at or (last if switch.state is SwitchState.PAUSED else now)
            end = max(last, ended)
        first, seconds = spans.get(step, (start, 0.0))
        spans[step] = (first, seconds + max(0.0, (end - start).total_seconds()))
    return spans


def _runs(journal: Sequence[JournalEntry]) -> Iterator[tuple[Step, datetime, datetime]]:
    """Consecutive entries of one step: the step, and the times of the first and the last."""
    current: tuple[Step, datetime, datetime] | None = None
    for entry in journal:
        if entry.step is None:
            continue
        if current is not None and current[0] is entry.step:
            current = (current[0], current[1], entry.at)
            continue
        if current is not None:
            yield current
        current = (entry.step, entry.at, entry.at)
    if current is not None:
        yield current


def sentence(entry: JournalEntry) -> str:
    """A journal entry as a sentence: `Begins to launch the replacement.`"""
    text = _PHASES[entry.phase].format(entry.action.rstrip(".") or "continue")
    text = text[:1].upper() + text[1:]
    reason = next((entry.detail[key] for key in _REASONS if entry.detail.get(key)), "")
    reason = str(reason).rstrip(".")
    return f"{text} {reason[:1].upper()}{reason[1:]}." if reason else text


def facts(entry: JournalEntry) -> str:
    """What a journal entry found, ids first to copy: `instance_id i-0abc…, zone us-east-1a`."""
    shown = {name: value for name, value in entry.detail.items() if name not in _REASONS}
    ordered = sorted(shown.items(), key=lambda item: not item[0].endswith(("id", "ids")))
    return ", ".join(f"{name} {_text(value)}" for name, value in ordered if value not in _NOTHING)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    return str(value)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many switches are where, and what they have really saved.

    Args:
        running: also those that are approved, paused or rolled back now.
        waiting: for approval.
        attention: that need a person.
        saved_usd: sum over switches whose saving is known.
        known, unknown: finished switches, done for real, whose saving is known and is not yet.
    """

    running: int
    waiting: int
    attention: int
    saved_usd: float
    known: int
    unknown: int


def totals(switches: Sequence[Switch]) -> Totals:
    """Counts and realised savings of switches; rehearsals save nothing and are not counted."""
    counts = {state: sum(each.state is state for each in switches) for state in SwitchState}
    done = [each for each in switches if each.state is SwitchState.DONE and not each.dry_run]
    realised = [each.realised for each in done if each.realised is not None]
    return Totals(
        running=sum(
            counts[state]
            for state in (
                SwitchState.APPROVED,
                SwitchState.RUNNING,
                SwitchState.PAUSED,
                SwitchState.ROLLING_BACK,
            )
        ),
        waiting=counts[SwitchState.REQUESTED],
        attention=counts[SwitchState.NEEDS_ATTENTION],
        saved_usd=sum(each.saving_usd for each in realised),
        known=len(realised),
        unknown=len(done) - len(realised),
    )
