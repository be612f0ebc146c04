"""Switches are requested, approved, refused and stopped as their guards say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.domain.decision import Decision, Lifecycle, PipelineMode
from spotlab.domain.market import Pool
from spotlab.domain.ports import By
from spotlab.domain.switch_guards import AccountGuards, InstallationGuards, SwitchingMode
from spotlab.domain.switch_plan import Finding
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import Conflict, Forbidden, InvalidInput, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.common.mode_badge import execution_label
from tests.support.lab import FLEET, add_account, save_toy_model, small_lab
from tests.support.people import ANA
from tests.support.switching import APPROVER, CALLS, OPERATOR, allow, later, plan_without_aws

WEB = FLEET[0][0]
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


def decided(lab: Lab) -> int:
    """A decision about the first instance to leave its pool; its number."""
    (experiment,) = Services(lab, ANA).instances.evaluate([WEB])
    assert experiment.verdict is not None
    assert experiment.verdict.decision is Decision.SWITCH
    return experiment.experiment_id


def requested(lab: Lab, **options: object) -> Switch:
    """A switch that OPERATOR requested, with every level on."""
    allow(lab, WEB)
    return Services(lab, OPERATOR).switches.request(WEB, experiment_id=decided(lab), **options)  # type: ignore[arg-type]


def test_a_decision_is_requested_with_its_candidates_and_prices(lab: Lab) -> None:
    switch = requested(lab, reason="cheaper")
    assert switch.state is SwitchState.REQUESTED
    assert not switch.dry_run
    assert switch.requested_by == "olga"
    assert switch.requested.lifecycle is Lifecycle.SPOT
    assert switch.requested.price_usd_per_hour == switch.price_after_usd_per_hour
    assert len(switch.targets) > 1
    assert switch.on_demand is not None
    assert switch.price_before_usd_per_hour == pytest.approx(0.0412)
    journal = Services(lab, OPERATOR).switches.journal(switch.switch_id)
    assert [each.action for each in journal] == ["request"]
    assert lab.store.audit.entries()[0].action == "switch.request"


def test_somebody_else_approves_and_the_requester_may_not(lab: Lab) -> None:
    switch = requested(lab)
    boss = Principal("olga", Role.ADMIN, via="a test")
    with pytest.raises(Forbidden, match=r"olga requested the switch .* four_eyes"):
        Services(lab, boss).switches.approve(switch.switch_id)
    approved = Services(lab, APPROVER).switches.approve(switch.switch_id, "fine")
    assert approved.state is SwitchState.APPROVED
    assert approved.approved_by == "adam"
    assert lab.store.switches.drivable() == [switch.switch_id]


def test_a_token_that_the_requester_created_does_not_approve(lab: Lab) -> None:
    switch = requested(lab)
    token = Principal("adam", Role.ADMIN, via="token t", grantors=("olga",))
    with pytest.raises(Forbidden, match="may not approve"):
        Services(lab, token).switches.approve(switch.switch_id)


def test_an_installation_may_let_the_requester_approve(lab: Lab) -> None:
    switch = requested(lab)
    lab.store.switch_guards.save(
        "", InstallationGuards(four_eyes=False), By("adam", lab.clock.now())
    )
    boss = Principal("olga", Role.ADMIN, via="a test")
    assert Services(lab, boss).switches.approve(switch.switch_id).approved_by == "olga"


def test_an_operator_may_not_approve(lab: Lab) -> None:
    with pytest.raises(Forbidden, match="may not approve"):
        Services(lab, OPERATOR).switches.approve(requested(lab).switch_id)


@pytest.mark.parametrize(
    ("level", "says"),
    [
        ("installation", "off for the installation.*SPOTLAB_SWITCHING"),
        ("account", "off for the account acme"),
        ("instance", "off for the instance i-0000000000000001a.*pipeline"),
    ],
)
def test_a_level_that_is_off_refuses_by_its_name(lab: Lab, level: str, says: str) -> None:
    number = decided(lab)
    allow(lab, WEB)
    by = By("adam", lab.clock.now())
    if level == "installation":
        lab.settings = lab.settings.model_copy(update={"switching": "off"})
    elif level == "account":
        lab.store.switch_guards.save("acme", AccountGuards(), by)
    else:
        lab.store.fleet.set_mode(WEB, PipelineMode.OFF, by)
    with pytest.raises(Conflict, match=says):
        Services(lab, OPERATOR).switches.request(WEB, experiment_id=number)
    assert Services(lab, OPERATOR).switches.count() == 0


@pytest.mark.parametrize("level", ["installation", "account", "instance"])
def test_a_level_that_is_on_dry_run_lists_the_calls(lab: Lab, level: str) -> None:
    number = decided(lab)
    allow(lab, WEB)
    by = By("adam", lab.clock.now())
    if level == "installation":
        lab.settings = lab.settings.model_copy(update={"switching": "dry-run"})
    elif level == "account":
        lab.store.switch_guards.save("acme", AccountGuards(SwitchingMode.DRY_RUN), by)
    else:
        lab.store.fleet.set_shadow(WEB, True, by)
    switch = Services(lab, OPERATOR).switches.request(WEB, experiment_id=number)
    assert (switch.dry_run, switch.state) == (True, SwitchState.DONE)
    assert lab.store.switches.drivable() == []
    journal = Services(lab, OPERATOR).switches.journal(switch.switch_id)
    assert [each.action for each in journal[1:]] == [f"would call {call.action}" for call in CALLS]
    assert journal[1].detail["parameters"] == {"InstanceType": "m6g.large"}


def test_everything_is_off_at_first(lab: Lab) -> None:
    number = decided(lab)
    with pytest.raises(Conflict, match="off for the installation"):
        Services(lab, OPERATOR).switches.request(WEB, experiment_id=number)
    assert (lab.mode.execution, lab.mode.limited_by) == ("off", "installation")


def test_the_badge_names_the_level_that_limits_execution(lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"switching": "on"})
    assert (lab.mode.execution, lab.mode.limited_by) == ("off", "accounts")
    assert execution_label(lab.mode) == "Execution off: accounts"
    allow(lab, WEB, mode=SwitchingMode.DRY_RUN)
    assert (lab.mode.execution, lab.mode.limited_by) == ("dry-run", "accounts")
    allow(lab, WEB)
    assert (lab.mode.execution, lab.mode.limited_by) == ("on", "")
    lab.settings = lab.settings.model_copy(update={"switching": "dry-run"})
    assert (lab.mode.execution, lab.mode.limited_by) == ("dry-run", "installation")
    assert execution_label(lab.mode) == "Execution dry-run"


def test_a_blocking_finding_refuses_with_its_remedy(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_without_aws(monkeypatch, Finding("termination-protection", "It is protected.", "End it."))
    with pytest.raises(Conflict, match=r"It is protected\. End it\."):
        requested(lab)


def test_a_request_expires(lab: Lab) -> None:
    switch = requested(lab)
    later(lab, minutes=31)
    with pytest.raises(Conflict, match="expired at"):
        Services(lab, APPROVER).switches.approve(switch.switch_id)
    assert Services(lab, APPROVER).switches.get(switch.switch_id).state is SwitchState.EXPIRED


def test_a_requester_withdraws_and_an_approver_rejects(lab: Lab) -> None:
    first = requested(lab)
    withdrawn = Services(lab, OPERATOR).switches.reject(first.switch_id, "not today")
    assert withdrawn.state is SwitchState.REJECTED
    second = Services(lab, OPERATOR).switches.request(WEB, experiment_id=first.experiment_id)
    other = Principal("otto", Role.OPERATOR, via="a test")
    with pytest.raises(Forbidden):
        Services(lab, other).switches.reject(second.switch_id)
    assert Services(lab, APPROVER).switches.reject(second.switch_id).state is SwitchState.REJECTED


def test_one_instance_has_one_open_switch(lab: Lab) -> None:
    switch = requested(lab)
    with pytest.raises(Conflict, match="still open"):
        Services(lab, OPERATOR).switches.request(WEB, experiment_id=switch.experiment_id)
    plan = Services(lab, OPERATOR).switches.plan(WEB, experiment_id=switch.experiment_id)
    assert plan.open_switch == switch.switch_id


def test_a_pool_by_hand_that_is_worse_is_a_question(lab: Lab) -> None:
    allow(lab, WEB)
    plan = Services(lab, OPERATOR).switches.plan(WEB, pool=OTHER)
    (question,) = plan.preflight.questions
    assert question.code == "worse-hardware"
    with pytest.raises(Conflict, match="another processor architecture"):
        Services(lab, OPERATOR).switches.request(WEB, pool=OTHER)


def test_a_lifecycle_belongs_to_a_pool(lab: Lab) -> None:
    with pytest.raises(InvalidInput, match="on-demand was named without a pool"):
        Services(lab, OPERATOR).switches.plan(WEB, lifecycle=Lifecycle.ON_DEMAND)


def test_only_what_is_paused_is_resumed(lab: Lab) -> None:
    switch = requested(lab)
    with pytest.raises(Conflict, match="is requested, not paused"):
        Services(lab, APPROVER).switches.resume(switch.switch_id)


def test_an_approver_is_told_that_the_decision_is_another_one_now(lab: Lab) -> None:
    switch = requested(lab)
    elsewhere = replace(switch.requested, pool=replace(OTHER, instance_type="m7g.large"))
    changed = replace(switch, targets=(elsewhere, *switch.targets[1:]))
    lab.store.switches.save(changed, [], By("olga", lab.clock.now()))
    approver = Services(lab, APPROVER).switches
    with pytest.raises(Conflict, match=r"goes to spot m7g\.large .* now SWITCH to"):
        approver.approve(switch.switch_id)
    told = approver.get(switch.switch_id)
    assert told.state is SwitchState.REQUESTED
    assert "now SWITCH to" in told.situation
    stale = replace(told, told_choice="SWITCH to m9.large in us-east-1a")
    lab.store.switches.save(stale, [], By("olga", lab.clock.now()))
    with pytest.raises(Conflict, match="now SWITCH to"):
        approver.approve(switch.switch_id)  # told of another choice: told again
    approved = approver.approve(switch.switch_id)
    assert (approved.state, approved.told_choice) == (SwitchState.APPROVED, "")


def test_a_pool_can_be_named_by_hand(lab: Lab) -> None:
    allow(lab, WEB)
    switch = Services(lab, OPERATOR).switches.request(WEB, pool=OTHER, confirmed=["worse-hardware"])
    assert switch.requested.pool == OTHER
    assert switch.experiment_id is None
    assert switch.requested.price_usd_per_hour == pytest.approx(0.0312)
    with pytest.raises(InvalidInput, match="no availability zone"):
        Services(lab, OPERATOR).switches.plan(WEB, pool=Pool("us-east-1", None, "m6g.large"))
    own = Pool("us-east-1", "us-east-1a", "m5.large")
    with pytest.raises(InvalidInput, match="already runs on"):
        Services(lab, OPERATOR).switches.plan(WEB, pool=own)


def test_a_stop_is_asked_of_a_running_switch_and_ends_one_that_waits(lab: Lab) -> None:
    switch = requested(lab)
    paused = Services(lab, OPERATOR).switches.pause(switch.switch_id)
    assert paused.pause_requested
    with pytest.raises(Forbidden):
        Services(lab, OPERATOR).switches.resume(switch.switch_id)
    assert not Services(lab, APPROVER).switches.resume(switch.switch_id).pause_requested
    ended = Services(lab, OPERATOR).switches.roll_back(switch.switch_id, "changed my mind")
    assert ended.state is SwitchState.ROLLED_BACK
    with pytest.raises(Conflict, match="finished"):
        Services(lab, OPERATOR).switches.pause(switch.switch_id)


def test_switches_of_other_accounts_do_not_exist(lab: Lab) -> None:
    foreign_id = add_account(lab)
    allow(lab, foreign_id, "zeta")
    foreign = Services(lab, OPERATOR).switches.request(
        foreign_id, pool=OTHER, confirmed=["worse-hardware"]
    )
    limited = Principal("lea", Role.ADMIN, ("acme",), via="a test")
    service = Services(lab, limited).switches
    for use in (service.get, service.journal, service.approve, service.pause, service.roll_back):
        with pytest.raises(NotFound, match="There is no switch"):
            use(foreign.switch_id)
    with pytest.raises(NotFound, match="not in the fleet"):
        service.plan(foreign_id, pool=OTHER)
    assert service.list() == []
    assert service.count() == 0
