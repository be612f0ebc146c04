"""Approved switches are carried out on the emulated AWS as far as their guards allow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotlab.domain.decision import Instance
from spotlab.domain.ports import By
from spotlab.domain.switches import Switch, SwitchState
from spotlab.services import Services
from spotlab.switching.rounds import Round, drive_all
from tests.support.lab import save_toy_model
from tests.support.switching import APPROVER, OPERATOR, allow
from tests.switching.emulated_lab import TARGET, EmulatedLab, emulated_lab

PLENTY = {"switches_per_hour": 100, "per_pool_per_hour": 100}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedLab]:
    models_dir = tmp_path_factory.mktemp("models")
    save_toy_model(models_dir)
    with emulated_lab(tmp_path_factory.mktemp("home"), models_dir) as made:
        yield made


def requested(aws: EmulatedLab, name: str, **guards: object) -> Switch:
    """A requested switch of a new instance, with every level on."""
    instance_id = aws.launch(name)
    allow(aws.lab, instance_id, aws.account, **guards)
    return Services(aws.lab, OPERATOR).switches.request(
        instance_id, pool=TARGET, confirmed=["reboot"]
    )


def approved(aws: EmulatedLab, switch: Switch) -> Switch:
    return Services(aws.lab, APPROVER).switches.approve(switch.switch_id)


def drive(aws: EmulatedLab) -> Round:
    return drive_all(aws.lab, sleep=aws.clock.sleep, monotonic=aws.clock)


def state_of(aws: EmulatedLab, switch: Switch) -> SwitchState:
    return aws.lab.store.switches.get(switch.switch_id).state


def test_a_request_is_approved_and_carried_out(aws: EmulatedLab) -> None:
    switch = requested(aws, "web-a")
    drive(aws)
    assert switch.instance_id in aws.running(), "nothing happens before the approval"
    approved(aws, switch)
    made = drive(aws)
    assert not made.failed
    done = aws.lab.store.switches.get(switch.switch_id)
    assert done.state is SwitchState.DONE, done.situation
    assert done.got is not None
    running = aws.running()
    assert running[done.got.instance_id] == TARGET.instance_type
    assert switch.instance_id not in running


def test_a_stop_holds_the_switch_until_it_is_released(aws: EmulatedLab) -> None:
    switch = approved(aws, requested(aws, "web-b", **PLENTY))
    by = By("olga", aws.clock.now(), "incident 7")
    aws.lab.store.switch_guards.stop([""], by)
    made = drive(aws)
    assert "olga stopped all switches" in made.waiting[switch.switch_id]
    assert "incident 7" in aws.lab.store.switches.get(switch.switch_id).situation
    assert switch.instance_id in aws.running()
    aws.lab.store.switch_guards.release([""], by)
    drive(aws)
    assert state_of(aws, switch) is SwitchState.DONE


def test_what_a_switch_saves_is_measured_while_its_replacement_runs(aws: EmulatedLab) -> None:
    switch = approved(aws, requested(aws, "web-c", **PLENTY))
    drive(aws)
    done = aws.lab.store.switches.get(switch.switch_id)
    assert done.state is SwitchState.DONE
    assert done.got is not None
    assert done.realised is not None
    replacement = Instance(done.got.instance_id, aws.account, done.got.pool, done.got.lifecycle)
    aws.lab.store.fleet.sync(aws.account, [replacement])
    aws.clock.sleep(5400)
    drive(aws)
    measured = aws.lab.store.switches.get(switch.switch_id).realised
    assert measured is not None
    assert measured.hours == pytest.approx(done.realised.hours + 1.5, abs=0.1)
    aws.lab.store.fleet.sync(aws.account, [])  # it was terminated
    aws.clock.sleep(7200)
    drive(aws)
    assert aws.lab.store.switches.get(switch.switch_id).realised == measured


def test_a_switch_is_rolled_back_before_its_instance_ends(aws: EmulatedLab) -> None:
    switch = approved(aws, requested(aws, "web-d", **PLENTY))
    aws.lab.store.switches.ask(
        switch.switch_id, By("olga", aws.clock.now()), pause=True, roll_back=None
    )
    drive(aws)
    held = aws.lab.store.switches.get(switch.switch_id)
    assert held.state is SwitchState.PAUSED
    assert held.got is not None
    assert {switch.instance_id, held.got.instance_id} <= set(aws.running())
    Services(aws.lab, OPERATOR).switches.roll_back(switch.switch_id, "changed my mind")
    drive(aws)
    assert state_of(aws, switch) is SwitchState.ROLLED_BACK
    running = aws.running()
    assert switch.instance_id in running
    assert held.got.instance_id not in running
    report = Services(aws.lab, APPROVER).switch_orphans.report(aws.account)
    assert report.errors == []
    assert [each for each in report.found if each.resource.switch_id == switch.switch_id] == []
