"""Switches of instances in the emulated AWS, on a clock that the engine's sleep advances."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotlab.demo.delays import REALISTIC
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import SwitchState
from tests.switching.emulated_matrix import run_cell
from tests.switching.emulated_switch import SECRET, EmulatedSwitch, Holdings, Seconds

SECONDS = Seconds()


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    with serve_in_thread(7, clock=SECONDS.world(), delays=REALISTIC) as running:
        yield running


@pytest.mark.parametrize("strategy", Strategy)
def test_a_switch_keeps_everything(served: RunningServer, strategy: Strategy) -> None:
    in_place = strategy is Strategy.STOP_START
    name = f"keep-{strategy.value.replace('_', '-')}"
    holdings = Holdings(served, SECONDS, name, spot=not in_place)
    switch = EmulatedSwitch(served, SECONDS, holdings.instance_id, strategy)
    done = switch.drive()
    assert done.state is SwitchState.DONE, switch.told()
    assert holdings.problems(done) == [], switch.told()
    assert "hunter2" not in switch.told()
    assert SECRET not in repr(done)


@pytest.mark.parametrize(
    ("operation", "kind", "count"),
    [
        ("RunInstances", "timeout_after", 1),
        ("RunInstances", "capacity", 1),
        ("CreateImage", "malformed", 1),
        ("TerminateInstances", "timeout_before", 3),
    ],
)
def test_nothing_is_lost_when_calls_fail(
    served: RunningServer, operation: str, kind: str, count: int
) -> None:
    assert run_cell(served, SECONDS, operation, kind, count) == []


def test_a_rollback_gives_everything_back(served: RunningServer) -> None:
    holdings = Holdings(served, SECONDS, "back")
    switch = EmulatedSwitch(served, SECONDS, holdings.instance_id, Strategy.FROM_IMAGE)
    served.world.denials.actions.add("ec2:AssociateAddress")
    try:
        back = switch.drive()
    finally:
        served.world.denials.actions.clear()
    assert back.state is SwitchState.ROLLED_BACK, switch.told()
    assert holdings.problems(back) == [], switch.told()
