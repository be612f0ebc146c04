"""Every guard refuses by its name, with its value and the present count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import By
from spotlab.domain.switch_approval import MarketView
from spotlab.domain.switch_guards import (
    AccountGuards,
    InstallationGuards,
    SwitchingMode,
    TimeWindow,
)
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Refusal, Switch, SwitchState, Target
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.store.switch_guards import Start
from spotlab.switching import approval
from spotlab.switching.guards import SwitchGuards, limit_reached, saving_refusal
from tests.support import switches as make
from tests.support.builders import NOW
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.switching import APPROVER, OPERATOR, allow, later, plan_without_aws

WEB, SECOND = FLEET[0][0], FLEET[1][0]
OTHER = Pool("us-east-1", "us-east-1b", "m6g.large")


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture
def lab(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    plan_without_aws(monkeypatch)
    with small_lab(tmp_path, models_dir) as made:
        yield made


def approved(lab: Lab, instance_id: str = WEB, **guards: Any) -> Switch:
    allow(lab, instance_id, **guards)
    switch = Services(lab, OPERATOR).switches.request(
        instance_id, pool=OTHER, confirmed=["worse-hardware"]
    )
    return Services(lab, APPROVER).switches.approve(switch.switch_id)


def ask(lab: Lab, switch: Switch, step: Step = Step.LAUNCH) -> Refusal | None:
    return SwitchGuards(lab).may_proceed(switch, step)


def set_guards(lab: Lab, **guards: Any) -> None:
    own = AccountGuards(**{"mode": SwitchingMode.ON, **guards})
    lab.store.switch_guards.save("acme", own, By("adam", lab.clock.now()))


START = Start("sw-9", "acme", "i-9", "acme: workload web", make.NEW_POOL.key, NOW, True)


@pytest.mark.parametrize(
    ("others", "says"),
    [
        (
            [replace(START, account=f"a{n}", group="-", pool="-") for n in range(10)],
            "10 switches began within an hour in all accounts; the limit is 10.",
        ),
        (
            [replace(START, group="-", pool="-", under_way=False)] * 4,
            "4 switches began within an hour in the account acme; the limit is 4.",
        ),
        (
            [replace(START, group="-", pool="-", at=NOW - timedelta(hours=5))] * 2,
            "2 switches are under way in the account acme; the limit is 2.",
        ),
        (
            [replace(START, pool="-")],
            "1 switch of the group acme: workload web is under way; the limit is 1.",
        ),
        (
            [replace(START, group="-", under_way=False)] * 2,
            "2 switches into the pool us-east-1:us-east-1a:m6a.large:Linux began within an hour in "
            "the account acme; the limit is 2.",
        ),
        ([replace(START, group="-", at=NOW - timedelta(minutes=61), under_way=False)] * 9, None),
    ],
)
def test_a_limit_is_named_with_its_value_and_the_count(
    others: list[Start], says: str | None
) -> None:
    assert limit_reached(START, others, InstallationGuards(), AccountGuards()) == says


def test_a_switch_that_may_begin_is_counted_once(lab: Lab) -> None:
    switch = approved(lab, at_once=1)
    assert ask(lab, switch) is None
    assert ask(lab, switch) is None, "resumed"
    assert [each.switch_id for each in lab.store.switch_guards.starts(lab.clock.now())] == [
        switch.switch_id
    ]
    second = approved(lab, SECOND, at_once=1)
    refusal = ask(lab, second)
    assert refusal is not None
    assert refusal.wait
    assert refusal.reason == "1 switch is under way in the account acme; the limit is 1."


def test_two_of_one_group_are_not_switched_at_once(lab: Lab) -> None:
    assert ask(lab, approved(lab)) is None
    refusal = ask(lab, approved(lab, SECOND))
    assert refusal is not None
    assert "of the group acme: workload" in refusal.reason


def close(lab: Lab, switch: Switch) -> None:
    later_s = timedelta(minutes=5)
    stored = lab.store.switches.get(switch.switch_id)
    at = lab.clock.now() - later_s
    ended = replace(stored, state=SwitchState.DONE, started_at=at, finished_at=at)
    lab.store.switches.save(ended)


def test_an_instance_cools_down_after_a_switch(lab: Lab) -> None:
    first = approved(lab)
    close(lab, first)
    plan = Services(lab, OPERATOR).switches.plan(WEB, pool=OTHER)
    assert plan.refusal is not None
    assert "ended 0.1 h ago; the cool-down is 6 h" in plan.refusal.reason
    later(lab, hours=6)
    assert Services(lab, OPERATOR).switches.plan(WEB, pool=OTHER).refusal is None


def test_a_switch_that_never_began_needs_no_cool_down(lab: Lab) -> None:
    switch = approved(lab)
    Services(lab, OPERATOR).switches.roll_back(switch.switch_id)
    assert Services(lab, OPERATOR).switches.plan(WEB, pool=OTHER).refusal is None


def test_a_window_that_is_closed_delays_the_beginning(lab: Lab) -> None:
    day = f"{lab.clock.now():%a}".lower()
    other = "mon" if day != "mon" else "tue"
    switch = approved(lab, windows=(TimeWindow((other,), "10:00", "11:00"),))
    refusal = ask(lab, switch)
    assert refusal is not None
    assert refusal.wait
    assert f"only on {other} 10:00 to 11:00 UTC" in refusal.reason
    set_guards(lab, windows=(TimeWindow((day,), "00:00", "24:00"),))
    assert ask(lab, switch) is None


def test_a_window_does_not_hold_a_switch_that_has_begun(lab: Lab) -> None:
    switch = approved(lab)
    assert ask(lab, switch) is None
    set_guards(lab, windows=(TimeWindow(("mon",), "03:00", "03:01"),))
    assert ask(lab, switch) is None
    assert ask(lab, switch, Step.TERMINATE) is None


@pytest.mark.parametrize("step", [Step.LAUNCH, Step.STOP_START, Step.TERMINATE])
def test_a_stop_holds_every_step_until_it_is_released(lab: Lab, step: Step) -> None:
    switch = approved(lab)
    Services(lab, OPERATOR).switch_guards.stop_all("incident 7")
    refusal = ask(lab, switch, step)
    assert refusal is not None
    assert refusal.wait, "it goes on when the stop is released"
    assert "olga stopped all switches" in refusal.reason
    assert "incident 7" in refusal.reason
    assert lab.mode.execution == "stopped"
    assert "incident 7" in lab.mode.stopped
    Services(lab, APPROVER).switch_guards.release()
    assert ask(lab, switch, step) is None
    assert lab.mode.execution == "on"


@pytest.mark.parametrize("step", [Step.LAUNCH, Step.TERMINATE])
def test_an_account_that_is_not_managed_any_more_sends_the_switch_back(
    lab: Lab, step: Step
) -> None:
    switch = approved(lab)
    accounts = Services(lab, APPROVER).accounts
    accounts.set_active("acme", False)
    refusal = ask(lab, switch, step)
    assert refusal is not None
    assert (refusal.reason, refusal.wait) == ("The account acme is not managed any more.", False)
    accounts.set_active("acme", True)
    assert ask(lab, switch, step) is None


@pytest.mark.parametrize("step", [Step.LAUNCH, Step.TERMINATE])
def test_a_level_that_was_turned_off_sends_the_switch_back(lab: Lab, step: Step) -> None:
    switch = approved(lab)
    set_guards(lab, mode=SwitchingMode.OFF)
    refusal = ask(lab, switch, step)
    assert refusal is not None
    assert not refusal.wait, "two instances would run until somebody notices"
    assert refusal.reason == "Switching is off for the account acme."


@pytest.mark.parametrize(
    ("costs", "lifecycle", "refused"),
    [
        ((0.05, 0.03), Lifecycle.SPOT, False),
        ((0.05, 0.045), Lifecycle.SPOT, True),
        ((0.05, None), Lifecycle.SPOT, True),
        ((0.05, 0.09), Lifecycle.ON_DEMAND, False),
    ],
)
def test_a_minimum_saving_is_asked_of_spot_pools(
    costs: tuple[float | None, float | None], lifecycle: Lifecycle, refused: bool
) -> None:
    before, after = costs
    switch = make.switch(
        targets=(Target(make.NEW_POOL, lifecycle),),
        cost_before_usd_per_hour=before,
        cost_after_usd_per_hour=after,
    )
    refusal = saving_refusal(switch, AccountGuards(min_saving_usd_per_hour=0.01))
    assert (refusal is not None) is refused
    if refusal is not None:
        assert "the minimum of the account production is 0.0100 USD/h" in refusal.reason
    assert saving_refusal(switch, AccountGuards()) is None


def begin(lab: Lab, switch: Switch) -> Refusal | None:
    return approval.begin(lab, switch, SwitchGuards(lab), By("spotlab", lab.clock.now()))


def with_price(lab: Lab, switch: Switch, factor: float) -> Switch:
    """The same switch, approved at another price than today's."""
    view = MarketView.of(switch.fingerprint)
    assert view is not None
    assert view.price_usd_per_hour is not None
    then = replace(view, price_usd_per_hour=view.price_usd_per_hour * factor)
    return lab.store.switches.save(replace(switch, fingerprint=then.fingerprint))


def test_a_changed_price_asks_for_approval_again(lab: Lab) -> None:
    switch = with_price(lab, approved(lab), 0.8)
    refusal = begin(lab, switch)
    assert refusal is not None
    assert "a change of +25 %; the limit is 10 %" in refusal.reason
    again = lab.store.switches.get(switch.switch_id)
    assert (again.state, again.approved_by) == (SwitchState.REQUESTED, "")
    assert again.expires_at == lab.clock.now() + timedelta(minutes=30)
    renewed = Services(lab, APPROVER).switches.approve(switch.switch_id)
    assert begin(lab, renewed) is None


def test_a_price_that_moved_less_is_accepted(lab: Lab) -> None:
    assert begin(lab, with_price(lab, approved(lab), 0.95)) is None


def test_a_changed_price_before_the_launch_sends_the_switch_back(lab: Lab) -> None:
    switch = approved(lab)
    assert begin(lab, switch) is None
    refusal = ask(lab, with_price(lab, switch, 0.5))
    assert refusal is not None
    assert not refusal.wait
    assert "The market has changed since the approval." in refusal.reason


def test_a_guard_that_will_not_change_refuses_an_approved_switch(lab: Lab) -> None:
    switch = approved(lab)
    lab.store.fleet.set_shadow(WEB, True, By("ana", lab.clock.now()))
    assert begin(lab, switch) is not None
    refused = lab.store.switches.get(switch.switch_id)
    assert refused.state is SwitchState.REFUSED
    assert "Switches of the instance i-0000000000000001a are dry runs." in refused.situation


def test_requests_expire_in_every_account(lab: Lab) -> None:
    allow(lab, WEB)
    switch = Services(lab, OPERATOR).switches.request(WEB, pool=OTHER, confirmed=["worse-hardware"])
    by: Callable[[], By] = lambda: By("spotlab", lab.clock.now())  # noqa: E731
    assert approval.expire_all(lab, by()) == 0
    later(lab, minutes=30)
    assert approval.expire_all(lab, by()) == 1
    assert lab.store.switches.get(switch.switch_id).state is SwitchState.EXPIRED
