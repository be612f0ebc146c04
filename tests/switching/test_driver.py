"""Driving switches in a lab: what a driver takes up, and at which prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.aws.session import Sessions
from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import By
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import NotFound
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.lab import Lab
from spotlab.switching.driver import drive, may_be_driven, price_of
from tests.support import switches as make
from tests.support.lab import small_lab

OLD, NEW = Pool("us-east-1", "us-east-1a", "m5.large"), Pool("us-east-1", "us-east-1a", "m6g.large")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with small_lab(tmp_path / "home", tmp_path / "models") as opened:
        yield opened


def stored(lab: Lab, **changes: object) -> Switch:
    now = lab.clock.now()
    made = replace(make.switch(pool=OLD, targets=(make.target(NEW),)), **changes)  # type: ignore[arg-type]
    return lab.store.switches.create(made, By("ana", now))


def test_a_switch_of_an_account_that_is_not_managed_is_not_driven(lab: Lab) -> None:
    stored(lab, state=SwitchState.APPROVED, account="nowhere")
    lab.open_cloud = lambda: Cloud(True, Sessions(clock=lab.clock), (), FeedAddresses("", "", ""))
    with pytest.raises(NotFound, match="'nowhere' is not managed"):
        drive(lab, "sw-1", lambda _switch, _step: None)
    assert lab.store.switches.get("sw-1").state is SwitchState.APPROVED


def test_prices_are_those_of_the_active_market(lab: Lab) -> None:
    assert price_of(lab, NEW, Lifecycle.SPOT) == pytest.approx(0.0301)
    assert price_of(lab, replace(NEW, instance_type="x9.huge"), Lifecycle.SPOT) is None
    assert price_of(lab, NEW, Lifecycle.ON_DEMAND) is not None


@pytest.mark.parametrize(
    ("state", "pause", "back", "expected"),
    [
        (SwitchState.REQUESTED, False, False, False),
        (SwitchState.APPROVED, False, False, True),
        (SwitchState.PAUSED, True, False, False),
        (SwitchState.PAUSED, True, True, True),
        (SwitchState.NEEDS_ATTENTION, False, False, False),
        (SwitchState.NEEDS_ATTENTION, False, True, True),
        (SwitchState.DONE, False, True, False),
    ],
)
def test_what_a_driver_takes_up(
    state: SwitchState, pause: bool, back: bool, expected: bool
) -> None:
    switch = make.switch(state=state, pause_requested=pause, rollback_requested=back)
    assert may_be_driven(switch) is expected
