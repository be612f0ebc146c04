"""What a workload would change is what the evaluation then decides, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.domain.access import Role
from spotlab.domain.decision import Decision, PipelineMode
from spotlab.domain.ports import Account
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import AssignmentScope
from spotlab.errors import Forbidden, InvalidInput, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.people import ANA, person

WEB, OTHER = FLEET[0][0], FLEET[1][0]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as made:
        yield made


def test_the_consequence_is_what_the_next_evaluation_decides(lab: Lab) -> None:
    services = Services(lab, ANA)
    draft = replace(services.workloads.get("default"), fixed_usd=5_000.0)
    found = services.workloads.consequence(draft)
    assert found.assigned
    assert (len(found.instances), found.total) == (4, 4)
    assert found.changed
    assert services.experiments.count() == 0, "nothing is recorded"
    assert services.workloads.get("default").version == 1
    before = {each.instance.instance_id: each.before for each in found.instances}
    after = {each.instance.instance_id: each.after for each in found.instances}
    for expected in (before, after):
        for experiment in services.instances.evaluate():
            verdict, other = experiment.verdict, expected[experiment.instance.instance_id]
            assert verdict is not None
            assert other is not None
            assert (verdict.decision, verdict.saving_usd_per_hour) == (
                other.decision,
                other.saving_usd_per_hour,
            )
            chosen, expected_choice = verdict.chosen, other.chosen
            assert (chosen and chosen.pool) == (expected_choice and expected_choice.pool)
        services.workloads.save(draft, "as tried")


def test_it_says_what_an_interruption_costs_at_the_pools_risk(lab: Lab) -> None:
    services = Services(lab, ANA)
    draft = replace(services.workloads.get("default"), fixed_usd=100.0)
    by_id = {e.instance.instance_id: e for e in services.workloads.consequence(draft).instances}
    web = by_id[WEB]
    assert web.after is not None
    assert web.after.current is not None
    assert web.interruption_usd is not None
    assert web.former_interruption_usd is not None
    assert web.interruption_usd == pytest.approx(100.0 + web.former_interruption_usd)
    hazard = web.after.current.hazard_per_hour
    assert web.interruptions_usd_per_hour == pytest.approx(hazard * web.interruption_usd)
    batch = by_id[FLEET[2][0]]  # runs on-demand, which is not interrupted
    assert batch.price_usd_per_hour is None
    assert batch.interruptions_usd_per_hour is None


def test_only_instances_that_use_it_are_decided_about_unless_none_does(lab: Lab) -> None:
    services = Services(lab, ANA)
    worker = services.workloads.get("queue-worker")
    unused = services.workloads.consequence(worker)
    assert (unused.assigned, len(unused.instances)) == (False, 4)
    services.workloads.assign(AssignmentScope.INSTANCE, WEB, "queue-worker")
    used = services.workloads.consequence(worker)
    assert used.assigned
    assert [each.instance.instance_id for each in used.instances] == [WEB]
    assert used.changed == ()
    services.instances.set_mode(WEB, PipelineMode.OFF)
    assert not services.workloads.consequence(worker).assigned
    chosen = services.workloads.consequence(worker, [OTHER])
    assert [each.instance.instance_id for each in chosen.instances] == [OTHER]


def test_an_instance_that_may_move_anywhere_is_compared_with_every_region(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.instances.set_requirements(WEB, Requirements(families=("m6i",)))
    (found,) = services.workloads.consequence(
        replace(services.workloads.get("default"), fixed_usd=1.0), [WEB]
    ).instances
    (decided,) = services.instances.evaluate([WEB])
    assert found.before is not None
    assert decided.verdict is not None
    assert found.before.decision is decided.verdict.decision
    assert found.before.decision in Decision


def test_instances_of_other_accounts_stay_hidden(lab: Lab) -> None:
    theirs = Services(lab, person(Role.OPERATOR, "another")).workloads
    found = theirs.consequence(theirs.get("default"))
    assert (found.instances, found.total) == ((), 0)
    with pytest.raises(Forbidden, match="all accounts"):
        theirs.save(theirs.get("default"), "mine")
    with pytest.raises(NotFound, match="not in the fleet"):
        theirs.assign(AssignmentScope.INSTANCE, WEB, "queue-worker")


def test_a_region_is_known_once_the_market_or_an_account_has_it(lab: Lab) -> None:
    services = Services(lab, ANA)
    abroad = replace(services.workloads.get("default"), regions=("xx-north-1",))
    with pytest.raises(InvalidInput, match="'xx-north-1' is not known"):
        services.workloads.save(abroad)
    services.accounts.add(Account("north", "2" * 12, regions=("xx-north-1",)))
    assert services.workloads.save(abroad).regions == ("xx-north-1",)
