"""Driving switches in a lab: what a driver takes up, and what it records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.aws.session import Sessions
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.market import MarketData, MarketName, Pool
from spotlab.domain.ports import By
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import NotFound
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.lab import Lab
from spotlab.switching.driver import drive, may_be_driven, record_refused_launch
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
    for _ in range(2):
        with pytest.raises(NotFound, match="'nowhere' is not managed"):
            drive(lab, "sw-1", lambda _switch, _step: None)
    assert lab.store.switches.get("sw-1").state is SwitchState.APPROVED
    journal = [each.action for each in lab.store.switches.journal("sw-1")]
    assert journal == ["held: The account 'nowhere' is not managed"], "said once"


def test_a_refused_launch_keeps_the_pool_from_being_a_candidate(lab: Lab) -> None:
    switch = stored(lab, state=SwitchState.APPROVED)
    account = lab.store.fleet.accounts()[0]
    now = lab.clock.now()
    record_refused_launch(lab, account, switch, NEW, "InsufficientInstanceCapacity", now)
    (event,) = lab.store.interruptions.events()
    assert event.kind is InterruptionKind.CAPACITY
    assert event.source == "RunInstances: InsufficientInstanceCapacity"
    market = MarketName.SIMULATED if account.emulated else MarketName.PUBLIC
    record = lab.own_record(MarketData(market, now))
    signals = record.signals_on(NEW)
    assert signals is not None
    assert signals.last_at == now
    assert NEW not in record.pools, "nothing was interrupted"


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
