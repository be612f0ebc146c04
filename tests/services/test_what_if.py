"""What-ifs: only of instances that the user sees, on one market moment, recorded nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.domain.access import Role
from spotlab.domain.decision import PipelineMode
from spotlab.domain.what_if import Changes
from spotlab.domain.workload import AssignmentScope
from spotlab.errors import NoMarketData, NotFound
from spotlab.pipeline import preparation
from spotlab.runtime.lab import Lab
from spotlab.services import Services, prepared_fleet
from tests.support.lab import FLEET, add_account, empty_lab, save_toy_model, small_lab
from tests.support.people import ANA, person

WEB = FLEET[0][0]
EAGER = Changes(risk_ceiling=1.0, min_saving_fraction=0.0, min_saving_usd_per_hour=0.0)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as made:
        yield made


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The instances that were prepared, in order."""
    names: list[str] = []

    def counted(instance: object, *arguments: object) -> object:
        names.append(instance.name)  # type: ignore[attr-defined]
        return preparation.prepare(instance, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prepared_fleet, "prepare", counted)
    return names


def test_today_it_decides_as_the_evaluation_does_and_records_nothing(lab: Lab) -> None:
    services = Services(lab, ANA)
    tried = services.what_if.step(Changes())
    assert services.experiments.count() == 0
    evaluated = services.instances.evaluate()
    assert [each.instance.instance_id for each in tried.after] == [
        each.instance.instance_id for each in evaluated
    ]
    for outcome, experiment in zip(tried.after, evaluated, strict=True):
        assert outcome.verdict is not None
        assert experiment.verdict is not None
        assert outcome.target[0] is experiment.verdict.decision
        assert outcome.verdict.margin == experiment.verdict.margin
    assert tried.changed == []


def test_changes_are_compared_with_today(lab: Lab) -> None:
    tried = Services(lab, ANA).what_if.step(
        Changes(risk_ceiling=1e-6, max_avoided_interruption_usd=1e9)
    )
    assert tried.totals_before.moves == 2
    assert tried.totals_after.moves == 3, "every spot instance falls back to on-demand"
    assert tried.totals_after.after.interruptions_a_month == 0.0
    for before, after in tried.changed:
        assert before.instance == after.instance
        assert before.target != after.target


def test_a_fleet_is_prepared_once_for_all_users(lab: Lab, prepared: list[str]) -> None:
    for who in (ANA, person(Role.VIEWER)):
        Services(lab, who).what_if.step(EAGER)
        Services(lab, who).what_if.sweep(EAGER, "risk_ceiling", [0.001, 0.01, 1.0])
    assert sorted(prepared) == sorted(name for _, name, _, _ in FLEET)


def test_a_new_workload_counts_at_once(lab: Lab, prepared: list[str]) -> None:
    services = Services(lab, ANA)
    before, _ = services.what_if.today([WEB])
    assert before["horizon_h"] == (24.0,)
    services.workloads.assign(AssignmentScope.INSTANCE, WEB, "stateful-server", "a test")
    after, (workload,) = services.what_if.today([WEB])
    assert after["horizon_h"] == (168.0,)
    assert after["uses_local_storage"] == (1.0,)
    assert after["interruption_usd"] == (pytest.approx(20.0 + 0.096),)
    assert workload.name == "stateful-server"
    assert prepared == ["web-1", "web-1"]


def test_different_workloads_have_different_values_today(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.workloads.assign(AssignmentScope.INSTANCE, WEB, "development-box", "a test")
    values, workloads = services.what_if.today()
    assert values["allow_burstable"] == (0.0, 1.0)
    assert values["risk_ceiling"] == (0.0075,)
    assert [each.name for each in workloads] == ["default", "development-box"]


def test_the_prepared_fleet_is_bounded_and_expires(
    lab: Lab, prepared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_fleet, "MAX_PREPARED", 2)
    assert len(Services(lab, ANA).what_if.step(EAGER).after) == len(FLEET)
    state = lab.process_state(prepared_fleet.Preparations)
    assert len(state.by_id) == 2
    state.until = 0.0
    Services(lab, ANA).what_if.step(EAGER, [WEB])
    assert len(state.by_id) == 1
    assert prepared.count("web-1") == 2


def test_instances_of_other_accounts_are_not_there(lab: Lab) -> None:
    foreign = add_account(lab)
    services = Services(lab, person(Role.VIEWER, "acme"))
    tried = services.what_if.step(EAGER)
    assert {each.instance.account for each in tried.after} == {"acme"}
    with pytest.raises(NotFound):
        services.what_if.step(EAGER, [foreign])
    with pytest.raises(NotFound):
        services.what_if.today([foreign])


def test_the_whole_fleet_is_what_an_evaluation_would_decide_about(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.instances.set_mode(WEB, PipelineMode.OFF, "a test")
    assert WEB not in {i.instance.instance_id for i in services.what_if.step(EAGER).after}
    (one,) = services.what_if.step(EAGER, [WEB]).after
    assert one.instance.instance_id == WEB


def test_an_instance_that_cannot_be_decided_about_says_why(lab: Lab) -> None:
    instance = lab.store.fleet.instance(WEB)
    odd = replace(instance, pool=replace(instance.pool, instance_type="odd"))
    others = [each for each in lab.store.fleet.instances() if each.instance_id != WEB]
    lab.store.fleet.sync("acme", [odd, *others])
    tried = Services(lab, ANA).what_if.step(EAGER)
    (failed,) = [each for each in tried.after if each.error]
    assert failed.instance.instance_id == WEB
    assert "odd" in failed.error
    assert tried.totals_after.unknown == 1


def test_without_a_market_it_says_so(tmp_path: Path) -> None:
    save_toy_model(tmp_path / "models")
    with empty_lab(tmp_path / "home", tmp_path / "models") as lab:
        assert Services(lab, ANA).what_if.step(EAGER).after == []
        add_instances = small_lab(tmp_path / "other", tmp_path / "models")
        with add_instances as other:
            lab.store.fleet.save_account(other.store.fleet.accounts()[0])
            lab.store.fleet.sync("acme", other.store.fleet.instances())
        with pytest.raises(NoMarketData):
            Services(lab, ANA).what_if.step(EAGER)
