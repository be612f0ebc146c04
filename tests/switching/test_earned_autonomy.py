"""A policy acts alone only after enough of its decisions turned out well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spotlab.domain.decision import Decision, Lifecycle
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import MarketName
from spotlab.domain.ports import By
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_guards import InstallationGuards
from spotlab.domain.switches import Realised, SwitchState
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.switching import automatic_requests, earned_autonomy
from spotlab.switching.earned_autonomy import (
    Judgement,
    Move,
    figures,
    figures_of,
    judge,
    judge_switch,
)
from tests.support import switches as make
from tests.support.builders import NOW
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.people import ANA
from tests.support.switching import OPERATOR, allow, later, plan_without_aws

WEB = FLEET[0][0]
MOVE = Move(
    1,
    "default@1",
    "i-1",
    MarketName.SIMULATED,
    NOW,
    24.0,
    make.OLD_POOL.key,
    make.NEW_POOL.key,
    0.01,
)
DUE = NOW + timedelta(hours=24)


class Prices:
    """Past prices: of each pool then and a day later."""

    def __init__(self, old: tuple[float, float], new: tuple[float, float], why: str = "") -> None:
        self.of = {make.OLD_POOL.key: old, make.NEW_POOL.key: new}
        self.why = why

    def price(
        self, _market: MarketName, pool: str, at: datetime, _now: datetime
    ) -> tuple[float | None, str]:
        found = self.of[pool][at > NOW]
        return (found, "a feed") if found else (None, self.why)


@pytest.mark.parametrize(
    ("old", "new", "judged"),
    [
        ((0.04, 0.04), (0.03, 0.03), Judgement.GOOD),
        ((0.04, 0.04), (0.03, 0.0399), Judgement.GOOD),
        ((0.04, 0.04), (0.03, 0.0401), Judgement.BAD),
        ((0.04, 0.028), (0.03, 0.03), Judgement.BAD),
        ((0.04, 0.08), (0.03, 0.06), Judgement.GOOD),
    ],
)
def test_a_decision_is_judged_by_the_prices_of_a_day_later(
    old: tuple[float, float], new: tuple[float, float], judged: Judgement
) -> None:
    past: Any = Prices(old, new)
    assert judge(MOVE, False, [], past, DUE) is judged
    assert judge(MOVE, False, [], past, DUE - timedelta(minutes=1)) is Judgement.PENDING


def test_a_price_that_nobody_read_is_unknown_and_not_good() -> None:
    never: Any = Prices((0.04, 0.0), (0.03, 0.03), "No price was read.")
    assert judge(MOVE, False, [], never, DUE) is Judgement.UNKNOWN
    not_yet: Any = Prices((0.04, 0.0), (0.03, 0.03))
    assert judge(MOVE, False, [], not_yet, DUE) is Judgement.PENDING


def test_interruptions_count_for_and_against() -> None:
    dear: Any = Prices((0.04, 0.04), (0.03, 0.09))
    assert judge(MOVE, True, [], dear, NOW) is Judgement.GOOD, "it would have been avoided"
    event = InterruptionEvent(
        "i-2", make.NEW_POOL, NOW + timedelta(hours=3), InterruptionKind.NOTICE, "a test", NOW
    )
    cheap: Any = Prices((0.04, 0.04), (0.03, 0.03))
    assert judge(MOVE, False, [event], cheap, DUE) is Judgement.BAD
    after = replace(event, at=NOW + timedelta(hours=25))
    assert judge(MOVE, False, [after], cheap, DUE) is Judgement.GOOD


@pytest.mark.parametrize(
    ("state", "saving", "judged"),
    [
        (SwitchState.DONE, 0.4, Judgement.GOOD),
        (SwitchState.DONE, -0.1, Judgement.BAD),
        (SwitchState.DONE, None, Judgement.PENDING),
        (SwitchState.NEEDS_ATTENTION, None, Judgement.BAD),
        (SwitchState.ROLLED_BACK, None, None),
        (SwitchState.RUNNING, None, None),
    ],
)
def test_a_switch_is_judged_by_what_it_really_saved(
    state: SwitchState, saving: float | None, judged: Judgement | None
) -> None:
    realised = None if saving is None else Realised(10.0, 1.0, 1.0 + saving, NOW)
    assert judge_switch(make.switch(state=state, realised=realised)) is judged


def test_a_fallback_does_not_count_by_what_it_cost() -> None:
    on_demand = make.target(lifecycle=Lifecycle.ON_DEMAND)
    dear = Realised(10.0, 1.0, 0.6, NOW)
    fallback = make.switch(state=SwitchState.DONE, targets=(on_demand,), realised=dear)
    assert judge_switch(fallback) is None
    held = make.switch(state=SwitchState.NEEDS_ATTENTION, targets=(on_demand,))
    assert judge_switch(held) is Judgement.BAD, "a person was needed"


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture
def lab(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    plan_without_aws(monkeypatch, where=automatic_requests)
    with small_lab(tmp_path, models_dir) as made:
        made.settings = made.settings.model_copy(update={"collect_max_age_s": 1e7})
        yield made


def decided(lab: Lab) -> None:
    (experiment,) = Services(lab, ANA).instances.evaluate([WEB])
    assert experiment.verdict is not None
    assert experiment.verdict.decision is Decision.SWITCH


def always(monkeypatch: pytest.MonkeyPatch, judged: Judgement) -> None:
    monkeypatch.setattr(earned_autonomy, "judge", lambda *_arguments: judged)


def request(lab: Lab) -> int:
    return automatic_requests.request_automatically(lab, By("spotlab", lab.clock.now()))


def test_one_decision_of_an_instance_counts_each_day(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch, Judgement.GOOD)
    for _ in range(3):
        decided(lab)
        later(lab, minutes=15)
    (found,) = [each for each in figures(lab, "acme") if each.known]
    assert (found.policy, found.good, found.bad) == ("default@1", 1, 0)
    assert found.workload == lab.workload_of(lab.store.fleet.instance(WEB)).workload.name
    assert not found.earned
    assert figures_of(lab, "acme", "bold@7", "web").known == 0


def test_nothing_is_requested_unless_the_account_turned_autonomy_on(lab: Lab) -> None:
    allow(lab, WEB)
    decided(lab)
    assert request(lab) == 0


def test_a_policy_that_has_not_earned_it_waits_for_approval(lab: Lab) -> None:
    allow(lab, WEB, autonomy=True)
    decided(lab)
    assert request(lab) == 1
    (switch,) = lab.store.switches.list()
    assert (switch.state, switch.requested_by) == (SwitchState.REQUESTED, "spotlab")
    journal = lab.store.switches.journal(switch.switch_id)
    assert "default@1 on the workload" in journal[-1].detail["why"]
    assert "does not act alone: 0 of 0 known outcomes" in journal[-1].detail["why"]
    assert request(lab) == 0, "it is open"


def test_a_policy_that_has_earned_it_acts_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, Judgement.GOOD)
    by = By("adam", lab.clock.now())
    lab.store.switch_guards.save(
        "", InstallationGuards(autonomy_decisions=1, autonomy_share=0.5), by
    )
    workload = lab.workload_of(lab.store.fleet.instance(WEB)).workload.reference
    for number in range(4):
        done = make.switch(
            f"sw-{number}",
            account="acme",
            instance_id=f"i-{number}",
            state=SwitchState.DONE,
            policy_version="default@1",
            workload_version=workload,
            realised=Realised(10.0, 1.0, 1.5, NOW),
        )
        lab.store.switches.create(done, by)
    decided(lab)  # of an instance in shadow mode
    later(lab, days=1)
    allow(lab, WEB, autonomy=True)
    decided(lab)
    assert request(lab) == 1
    (switch,) = lab.store.switches.list(SwitchFilter(instance_id=WEB))
    assert (switch.state, switch.approved_by) == (SwitchState.APPROVED, "spotlab")
    journal = lab.store.switches.journal(switch.switch_id)
    assert "acts alone: 5 of 5 known outcomes were good" in journal[-1].detail["autonomy"]


def test_a_rejected_decision_is_not_requested_again(lab: Lab) -> None:
    allow(lab, WEB, autonomy=True)
    decided(lab)
    assert request(lab) == 1
    (switch,) = lab.store.switches.list()
    Services(lab, ANA).switches.reject(switch.switch_id, "not now")
    assert request(lab) == 0
    later(lab, minutes=15)
    decided_again = Services(lab, ANA).instances.evaluate([WEB])
    assert decided_again
    assert request(lab) == 0, "the cool-down holds for rejections too"


def test_an_old_decision_and_a_stop_request_nothing(lab: Lab) -> None:
    allow(lab, WEB, autonomy=True)
    decided(lab)
    Services(lab, OPERATOR).switch_guards.stop_all()
    assert request(lab) == 0
    lab.store.switch_guards.release([""], By("adam", lab.clock.now()))
    later(lab, minutes=61)
    assert request(lab) == 0
    assert lab.store.switches.count(SwitchFilter()) == 0
