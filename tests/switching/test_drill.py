"""Drills: what they measure, and one of each strategy on the emulated AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.drills import DrillKind, DrillReport, DrillRun, not_drilled
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import SwitchState
from spotlab.runtime.bootstrap import bootstrap, open_drill_world
from spotlab.runtime.drill_world import DrillClock, DrillWorld
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings
from spotlab.switching.drill import run_drills
from tests.support.builders import NOW
from tests.support.lab import DictStore, save_toy_model

FAST = DrillRun(
    DrillKind.NOTICE,
    "i-0a",
    Strategy.FROM_TEMPLATE,
    "SWITCH",
    SwitchState.DONE,
    signal_to_decision_ms=900.0,
    signal_to_healthy_s=107.0,
    signal_to_gone_s=109.0,
)
SLOW = replace(
    FAST, strategy=Strategy.FROM_IMAGE, signal_to_healthy_s=156.0, signal_to_decision_ms=1100.0
)
FAILED = replace(
    SLOW, state=SwitchState.ROLLED_BACK, signal_to_healthy_s=None, signal_to_gone_s=None, why="No."
)


def test_a_report_counts_what_is_within_the_notice_by_strategy() -> None:
    document = DrillReport(DrillKind.NOTICE, [FAST, SLOW, SLOW], {}, {}).document()
    assert document["runs"] == 3
    assert document["within_120_s"] == 1
    assert document["signal_to_healthy_s"] == {"p50": 156.0, "p95": 156.0}
    assert document["signal_to_decision_ms"] == {"p50": 1100.0, "p95": 1100.0}
    assert document["by_strategy"]["from_template"]["within_120_s"] == 1
    assert document["by_strategy"]["from_image"]["within_120_s"] == 0
    assert document["failed"] == []


def test_the_finding_says_which_strategy_meets_a_notice_and_what_a_rebalance_is_worth() -> None:
    template, image = DrillReport(DrillKind.NOTICE, [FAST, SLOW], {}, {}).finding()
    assert template.endswith("1 of 1 within 120 s. It meets a two-minute notice.")
    assert image.endswith("It does not meet a two-minute notice: the instance ends before.")
    (early,) = DrillReport(DrillKind.REBALANCE, [SLOW], {}, {}).finding()
    assert "a rebalance recommendation comes earlier" in early


def test_a_drill_that_failed_is_not_in_time_and_is_named() -> None:
    report = DrillReport(DrillKind.NOTICE, [FAILED], {}, {})
    assert report.document()["within_120_s"] == 0
    assert report.document()["signal_to_healthy_s"] == {"p50": None, "p95": None}
    assert report.document()["failed"] == [
        {"instance_id": "i-0a", "state": "rolled_back", "why": "No."}
    ]
    assert "never healthy" in report.finding()[0]


def test_strategies_that_are_not_drilled_are_named_with_the_reason() -> None:
    drilled = {Strategy.FROM_TEMPLATE, Strategy.FROM_IMAGE}
    document = DrillReport(DrillKind.NOTICE, [FAST], {}, {}).document()
    assert {*document["not_drilled"]} == {each.value for each in set(Strategy) - drilled}
    assert (
        "stop, change the type, start: not drilled, as it is for on-demand instances, and EC2 "
        "sends no signal about those." in not_drilled()
    )


def test_waiting_moves_the_clock_at_once() -> None:
    real = [10.0]
    clock = DrillClock(NOW, lambda: real[0])
    clock.sleep(45.0)
    real[0] += 2.0
    assert clock.monotonic() == 47.0
    assert clock.now() == NOW + timedelta(seconds=47)


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[tuple[Lab, DrillWorld]]:
    save_toy_model(tmp_path / "models")
    with ExitStack() as opened:
        world = opened.enter_context(open_drill_world(7, NOW))
        settings = Settings(
            home=tmp_path,
            models_dir=tmp_path / "models",
            market="simulated",
            switching="on",
        )
        online = DictStore()
        lab = bootstrap(settings, clock=world.clock, online=online, cloud=lambda: world.cloud)
        opened.enter_context(lab)
        lab.sync_fleet()
        lab.collect()
        yield lab, world


@pytest.mark.timeout(600)
def test_a_notice_leads_to_a_healthy_replacement(drill: tuple[Lab, DrillWorld]) -> None:
    lab, world = drill
    report = run_drills(lab, world, DrillKind.NOTICE, 2)
    assert [run.why for run in report.runs] == ["", ""]
    by_strategy = {run.strategy: run for run in report.runs}
    template, image = by_strategy[Strategy.FROM_TEMPLATE], by_strategy[Strategy.FROM_IMAGE]
    assert template.signal_to_healthy_s is not None
    assert template.signal_to_healthy_s >= 100, "40 s to boot and 60 s of checks"
    assert image.signal_to_healthy_s is not None
    assert image.signal_to_healthy_s >= 145, "45 s more for the image"
    assert not image.in_time
    assert not lab.store.fleet.instance(image.instance_id).active, "the old instance is gone"
    assert any("Auto Scaling group" in why for why in report.skipped.values())
