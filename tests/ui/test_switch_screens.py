"""What the Switches screen says: headline, rows, steps, costs; a plan; the chart of a pool."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from spotlab.cli.switch_output import lines_of
from spotlab.domain.decision import Decision, Lifecycle
from spotlab.domain.market import MarketName
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.switch_plan import (
    Call,
    Effect,
    Fate,
    Finding,
    Method,
    Preflight,
    Strategy,
)
from spotlab.domain.switch_steps import RULES, Step
from spotlab.domain.switch_timeline import timeline
from spotlab.domain.switches import Got, Phase, Realised, Switch, SwitchState
from spotlab.ui import charts
from spotlab.ui.common.theme import DARK, LIGHT, Palette
from spotlab.ui.instance import preflight
from spotlab.ui.switches import course, detail, table
from tests.support.builders import NOW
from tests.support.switches import NEW_POOL, OLD_POOL, OTHER_POOL, entry, switch

REALISED = Realised(10.0, 0.3, 0.5, NOW)
DONE: dict[str, Any] = {"state": SwitchState.DONE, "got": Got(NEW_POOL, Lifecycle.SPOT, "i-0b")}


def test_the_headline_says_where_the_switches_stand_and_what_was_really_saved() -> None:
    switches = [
        switch("1", state=SwitchState.RUNNING),
        switch("2"),
        switch("3", state=SwitchState.NEEDS_ATTENTION),
        switch("4", **DONE, realised=REALISED),
    ]
    assert table.headline(switches) == (
        "1 switch in progress, 1 waits for approval, 1 needs attention; saved 0.20 USD so far"
    )


def test_a_saving_that_is_not_known_is_not_estimated() -> None:
    done = switch(**DONE, cost_before_usd_per_hour=1.0, cost_after_usd_per_hour=0.1)
    assert table.headline([done]).endswith("saving not known yet")
    assert table.saved(done) == "not known yet"
    assert table.headline([]).endswith("nothing saved so far")


def test_a_switch_that_cost_more_says_so() -> None:
    dearer = switch(**DONE, realised=Realised(10.0, 0.8, 0.5, NOW))
    assert table.headline([dearer]).endswith("cost 0.30 USD so far")
    a_little = switch(**DONE, realised=Realised(0.03, 0.0026, 0.001, NOW))
    assert table.headline([a_little]).endswith("cost 0.0016 USD so far")
    assert table.saved(dearer) == "−0.3000 USD"


@pytest.mark.parametrize(
    ("hours", "paid", "instead", "sentence"),
    [
        (0.03, 0.0026, 0.001, "Cost 0.0016 USD more in the first 2 minutes."),
        (0.001, 0.0001, 0.0001, "Cost the same in the first 1 minute."),
        (5.24, 0.5, 1.75, "Saved 1.25 USD in the first 5.2 hours."),
        (240.0, 10.0, 10.5, "Saved 0.5000 USD in the first 10 days."),
    ],
)
def test_a_saving_is_told_in_plain_words(
    hours: float, paid: float, instead: float, sentence: str
) -> None:
    done = switch(**DONE, realised=Realised(hours, paid, instead, NOW))
    assert detail.saving_sentence(done).startswith(sentence)
    assert sentence in lines_of(done)


def test_a_row_shows_what_was_requested_and_what_was_got() -> None:
    got = Got(OTHER_POOL, Lifecycle.ON_DEMAND, "i-0b")
    other = switch(state=SwitchState.RUNNING, step=Step.HEALTH, got=got, got_why="No capacity.")
    row = table.rows([other]).iloc[0]
    assert row["requested"] == NEW_POOL.label
    assert row["got"] == f"on-demand {OTHER_POOL.instance_type}"
    assert (row["from"], row["step"]) == (OLD_POOL.label, "health")


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_every_state_has_a_mark_of_its_own_and_a_colour(palette: Palette) -> None:
    assert len(set(table.MARKS.values())) == len(SwitchState)
    columns = table.columns(NOW, palette)
    colour = columns["state"].colour
    assert colour is not None
    assert colour(f"{table.MARKS[SwitchState.DONE]} (dry run)") == palette.good


def test_a_running_step_says_its_time_and_its_limit() -> None:
    running = switch(state=SwitchState.RUNNING, step=Step.HEALTH)
    journal = [entry(at=NOW, step=Step.LAUNCH), entry(at=NOW, step=Step.HEALTH)]
    lines = {each.step: each for each in timeline(running, journal, NOW + timedelta(seconds=30))}
    assert course.text(lines[Step.HEALTH]) == "**health**: running, 30 s of at most 15 min"
    assert course.text(lines[Step.LAUNCH]) == "**launch**: done in 0 s"
    assert course.text(lines[Step.TERMINATE]) == "**terminate**: to come"
    assert "It cannot be undone" in course.undo_text(lines[Step.TERMINATE])
    assert RULES[Step.LAUNCH].compensation in course.undo_text(lines[Step.LAUNCH])


def test_the_journal_has_words_and_ids() -> None:
    frame = course.rows([entry("launch the replacement", detail={"instance_id": "i-0b"}, seq=1)])
    assert frame.iloc[0]["what"] == "Begins to launch the replacement."
    assert frame.iloc[0]["facts"] == "instance_id i-0b"
    note = course.rows([entry("waits: status checks", phase=Phase.NOTE, detail={})])
    assert note.iloc[0]["what"] == "Waits: status checks."
    assert note.iloc[0]["facts"] is None


def summary(
    number: int, decision: Decision | None, risk: float | None, price: float | None
) -> ExperimentSummary:
    return ExperimentSummary(
        experiment_id=number,
        created_at=NOW + timedelta(hours=number),
        instance_id="i-0a",
        account="production",
        market=MarketName.SIMULATED,
        decision=decision,
        reason="",
        model="toy@1",
        current_pool=OLD_POOL.key,
        chosen_pool=None,
        risk=risk,
        chosen_risk=None,
        horizon_h=24.0,
        spot_price_usd_per_hour=price,
        chosen_price_usd_per_hour=None,
        saving_usd_per_hour=None,
        candidates_evaluated=1,
        duration_ms=1.0,
        shadow=True,
        degraded=(),
        error="",
    )


def plan(**changes: Any) -> Preflight:
    made = Preflight(
        "i-0a",
        "production",
        OLD_POOL,
        NEW_POOL,
        Lifecycle.SPOT,
        Strategy.FROM_TEMPLATE,
        "The workload is stateless.",
        effects=(Effect("volume", "vol-1", Fate.KEPT, Method.MOVED, "vol-1 is moved."),),
        calls=(Call("launch", "ec2:RunInstances", {"InstanceType": "m6a.large"}),),
    )
    return replace(made, **changes)


def test_a_plan_says_whether_it_is_possible() -> None:
    blocking = Finding("termination-protection", "It is protected.", "Remove the protection.")
    question = replace(blocking, question=True)
    assert preflight.verdict(plan()).startswith(f"It can be switched to {NEW_POOL.label}")
    assert preflight.verdict(plan(findings=(blocking,))).startswith("Refused: 1 finding forbids")
    assert preflight.verdict(plan(findings=(question,))).startswith("1 question to confirm")


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_chart_marks_decisions_at_their_price_and_their_risk(palette: Palette) -> None:
    prices = pd.DataFrame({"event_time": [NOW], "spot_price_usd_per_hour": [0.04]})
    made = [
        summary(1, Decision.STAY, 0.02, 0.04),
        summary(2, Decision.SWITCH, 0.09, 0.05),
        summary(3, None, None, None),
    ]
    chart = charts.pool_history(
        prices,
        made,
        palette,
        until=NOW + timedelta(days=1),
        horizon_h=24,
        switched_at=[NOW],
    )
    symbols = [trace.marker.symbol for trace in chart.data if trace.mode == "markers"]
    assert symbols == ["circle", "triangle-up"]
    (risk,) = (trace for trace in chart.data if trace.yaxis == "y2")
    assert list(risk.y) == pytest.approx([0.02, 0.09])
    texts = [note.text for note in chart.layout.annotations]
    assert any("SWITCH" in text for text in texts)
    assert "switched" in texts


def test_a_switch_is_never_shown_as_saving_before_it_is_done() -> None:
    running: Switch = switch(state=SwitchState.RUNNING, realised=REALISED)
    assert table.saved(running) == "—"
