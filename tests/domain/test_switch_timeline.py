"""The course of a switch: states and times of its steps, and the journal in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switch_timeline import StepState, facts, sentence, timeline, totals
from spotlab.domain.switches import JournalEntry, Phase, Progress, Realised, SwitchState
from tests.support.builders import NOW
from tests.support.switches import entry, switch


def at(seconds: float, step: Step, **changes: Any) -> JournalEntry:
    return entry(at=NOW + timedelta(seconds=seconds), step=step, **changes)


JOURNAL = [
    at(0, Step.PREFLIGHT),
    at(5, Step.LAUNCH),
    at(40, Step.LAUNCH, phase=Phase.AFTER),
    at(45, Step.HEALTH),
]


def test_steps_before_are_done_the_present_one_runs_and_the_rest_is_to_come() -> None:
    running = switch(state=SwitchState.RUNNING, step=Step.HEALTH)
    lines = timeline(running, JOURNAL, NOW + timedelta(seconds=57))
    states = {line.step: line.state for line in lines}
    assert states[Step.PREFLIGHT] is states[Step.LAUNCH] is StepState.DONE
    assert states[Step.HEALTH] is StepState.RUNNING
    assert states[Step.TERMINATE] is StepState.TO_COME
    elapsed = {line.step: line.elapsed_s for line in lines}
    assert (elapsed[Step.PREFLIGHT], elapsed[Step.LAUNCH], elapsed[Step.HEALTH]) == (5, 40, 12)
    assert elapsed[Step.TERMINATE] is None


def test_a_step_that_is_entered_again_counts_both_times() -> None:
    again = [*JOURNAL, at(60, Step.LAUNCH), at(80, Step.HEALTH)]
    lines = timeline(
        switch(state=SwitchState.RUNNING, step=Step.HEALTH), again, NOW + timedelta(seconds=81)
    )
    elapsed = {line.step: line.elapsed_s for line in lines}
    assert (elapsed[Step.LAUNCH], elapsed[Step.HEALTH]) == (60, 16)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_point_of_no_return_is_before_the_first_step_that_cannot_be_undone(
    strategy: Strategy,
) -> None:
    lines = timeline(switch(strategy=strategy), [], NOW)
    marked = [line for line in lines if line.no_return]
    assert len(marked) == 1
    assert not marked[0].rule.can_be_undone
    assert all(line.rule.can_be_undone for line in lines[: lines.index(marked[0])])


def test_a_finished_switch_stops_its_time() -> None:
    done = switch(
        state=SwitchState.DONE, step=Step.CLEANUP, finished_at=NOW + timedelta(seconds=50)
    )
    lines = timeline(done, JOURNAL, NOW + timedelta(days=3))
    assert {line.state for line in lines} == {StepState.DONE}
    assert next(line for line in lines if line.step is Step.HEALTH).elapsed_s == 5


def test_rolled_back_steps_are_undone_and_later_ones_were_not_reached() -> None:
    back = switch(state=SwitchState.ROLLED_BACK, step=Step.HEALTH)
    states = {line.step: line.state for line in timeline(back, JOURNAL, NOW)}
    assert states[Step.LAUNCH] is StepState.UNDONE
    assert states[Step.TERMINATE] is StepState.NOT_REACHED


@pytest.mark.parametrize("state", [SwitchState.REFUSED, SwitchState.REJECTED, SwitchState.EXPIRED])
def test_what_never_started_reached_no_step(state: SwitchState) -> None:
    assert {line.state for line in timeline(switch(state=state), [], NOW)} == {
        StepState.NOT_REACHED
    }


def test_a_paused_switch_has_stopped_in_its_step() -> None:
    paused = switch(state=SwitchState.PAUSED, step=Step.HEALTH, progress=Progress())
    lines = timeline(paused, JOURNAL, NOW + timedelta(hours=1))
    line = next(line for line in lines if line.step is Step.HEALTH)
    assert line.state is StepState.STOPPED
    assert line.elapsed_s == 0, "time in which it is paused is not the step's"


def test_entries_are_sentences_and_ids_come_first() -> None:
    launched = entry(
        "launch the replacement",
        phase=Phase.AFTER,
        detail={"zone": "us-east-1a", "instance_id": "i-0b"},
    )
    assert sentence(launched) == "Done: launch the replacement."
    assert facts(launched) == "instance_id i-0b, zone us-east-1a"
    failed = entry("launch", phase=Phase.FAILED, detail={"error": "No capacity.", "code": "X"})
    assert sentence(failed) == "Failed to launch. No capacity."
    assert facts(failed) == "code X"


def test_totals_count_only_what_was_really_saved() -> None:
    realised = Realised(10.0, 0.3, 0.5, NOW)
    switches = [
        switch("1", state=SwitchState.RUNNING),
        switch("2", state=SwitchState.REQUESTED),
        switch("3", state=SwitchState.NEEDS_ATTENTION),
        switch("4", state=SwitchState.DONE, realised=realised),
        switch("5", state=SwitchState.DONE),
        switch("6", state=SwitchState.DONE, dry_run=True, realised=realised),
    ]
    found = totals(switches)
    assert (found.running, found.waiting, found.attention) == (1, 1, 1)
    assert found.saved_usd == pytest.approx(0.2)
    assert (found.known, found.unknown) == (1, 1)
    assert replace(found, running=0).waiting == 1
