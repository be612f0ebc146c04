"""Policies as services: rights, what a user sees of previews and shadow decisions, cancelling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from math import nan
from pathlib import Path

import pytest

from spotlab.domain.access import Principal, Right, Role
from spotlab.domain.decision import Decision
from spotlab.domain.policy import PolicyState
from spotlab.domain.ports import ExperimentFilter, Topic
from spotlab.errors import Cancelled, ChangedMeanwhile, Conflict, Forbidden, InvalidInput, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.lab import FLEET, add_account, save_toy_model, small_lab
from tests.support.market import StillClock
from tests.support.people import ANA, person

STILL = {"min_saving_fraction": 1.0, "risk_ceiling": 1.0}
WEB = FLEET[0][0]
OPERATOR = person(Role.OPERATOR)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as made:
        Services(made, ANA).policies.save("still", STILL, base="default")
        yield made


def test_a_policy_starts_from_its_newest_version_or_from_a_base(lab: Lab) -> None:
    policies = Services(lab, OPERATOR).policies
    second = policies.save("still", {"cooldown_h": 1.0})
    assert (second.reference, second.policy.params.min_saving_fraction) == ("still@2", 1.0)
    with pytest.raises(InvalidInput, match=r"no policy 'new' yet\. Name a base to start from: def"):
        policies.save("new", {"cooldown_h": 2.0})
    copy = policies.save("copy", {}, base="default@1", description="As installed.")
    assert [each.name for each in policies.diff("copy", "default")] == []
    assert copy.policy.description == "As installed."
    for same in ({}, {"cooldown_h": 1.0}):
        with pytest.raises(InvalidInput, match="Nothing differs from still@2"):
            policies.save("still", same)
    with pytest.raises(ChangedMeanwhile):
        policies.save("still", {"cooldown_h": 3.0}, expected_version=1)


@pytest.mark.parametrize("value", [-1.0, 2.0, nan])
def test_a_parameter_out_of_range_is_rejected_and_nothing_is_saved(lab: Lab, value: float) -> None:
    policies = Services(lab, ANA).policies
    with pytest.raises(InvalidInput, match=r"risk_ceiling is .*Use a share, 1e-06 to 1"):
        policies.save("still", {"risk_ceiling": value})
    assert len(policies.versions("still")) == 1


def test_who_may_draft_and_who_may_activate(lab: Lab) -> None:
    for who in (person(Role.VIEWER), person(Role.RESEARCHER), person(Role.OPERATOR, "acme")):
        policies = Services(lab, who).policies
        assert policies.get().reference == "default@1"
        with pytest.raises(Forbidden):
            policies.save("mine", STILL)
        with pytest.raises(Forbidden):
            policies.set_state("still", PolicyState.SHADOW)
    operator = Services(lab, OPERATOR).policies
    operator.set_state("still", PolicyState.SHADOW)
    with pytest.raises(Forbidden, match="may not activate policies"):
        operator.set_state("still", PolicyState.ACTIVE, "a test")
    token = Principal("ana", Role.ADMIN, scopes=frozenset({Right.READ, Right.DECIDE_MODELS}))
    with pytest.raises(Forbidden, match="policies:decide"):
        Services(lab, token).policies.set_state("still", PolicyState.ACTIVE, "a test")
    admin = Services(lab, ANA).policies
    with pytest.raises(InvalidInput, match="with a reason"):
        admin.set_state("still", PolicyState.ACTIVE, "  ")
    before = lab.bus.version(Topic.POLICIES)
    admin.set_state("still", PolicyState.ACTIVE, "a test")
    assert lab.bus.version(Topic.POLICIES) > before
    with pytest.raises(Conflict, match="Activate another version"):
        operator.set_state("still", PolicyState.RETIRED)


def test_a_user_sees_previews_and_shadow_decisions_of_their_accounts(lab: Lab) -> None:
    everything = Services(lab, ANA)
    add_account(lab)
    everything.policies.set_state("still", PolicyState.SHADOW)
    decided = len(everything.instances.evaluate())
    theirs = Services(lab, person(Role.VIEWER, "acme"))
    visible, total = theirs.experiments.count(), everything.experiments.count()
    assert 0 < visible < total
    assert theirs.policies.preview("still").decided == visible
    assert everything.policies.preview("still").decided == total
    (mine,) = theirs.policies.in_shadow()
    (all_of_them,) = everything.policies.in_shadow()
    assert (mine.decided, all_of_them.decided) == (visible, decided)
    nothing = Services(lab, person(Role.VIEWER, "nowhere"))
    assert nothing.policies.preview("still").decided == 0
    assert nothing.policies.in_shadow() == []


def test_a_preview_reports_progress_and_can_be_cancelled(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.instances.evaluate()
    shares: list[float] = []
    services.policies.preview("still", progress=lambda _text, share: shares.append(share))
    assert shares == sorted(shares)
    assert len(shares) == 4
    with pytest.raises(Cancelled, match="Stopped after 2 of 4 decisions"):
        services.policies.preview("still", cancelled=iter([False, False, True]).__next__)


def test_a_preview_covers_the_days_that_are_asked_for(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.instances.evaluate()
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(days=3)
    assert services.policies.preview("still", days=2).decided == 0
    assert services.policies.preview("still", days=4).decided == 4
    for days in (0.0, -1.0, nan, 1e9):
        with pytest.raises(InvalidInput, match="above 0, up to 366"):
            services.policies.preview("still", days=days)
    with pytest.raises(NotFound, match="no policy 'nobody'"):
        services.policies.preview("nobody")


def test_a_recorded_switch_counts_in_the_cooldown_of_later_decisions(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.policies.save("bold", {"risk_ceiling": 1.0}, base="default")
    services.policies.set_state("bold", PolicyState.ACTIVE, "moves for a saving only")
    services.policies.save("hasty", {"cooldown_h": 0.0}, base="bold")
    services.instances.set_shadow(WEB, False)
    services.instances.evaluate([WEB])
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(minutes=6)
    services.instances.evaluate([WEB])
    second, first = services.experiments.list()
    assert (first.decision, second.decision) == (Decision.SWITCH, Decision.STAY)
    assert "cooldown for another 5.9 h" in second.reason
    same = services.policies.preview("bold", days=1)
    assert (same.decided, same.changed, same.not_comparable) == (2, 0, 0)
    hasty = services.policies.preview("hasty", days=1)
    assert [each.experiment_id for each in hasty.changes] == [second.experiment_id]


def test_decisions_of_a_page_boundary_are_read_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spotlab.services.policies._BATCH", 10)
    services = Services(lab, ANA)
    (experiment, *_) = services.instances.evaluate()
    for number in range(1, 45):
        at = experiment.created_at - timedelta(minutes=number // 3)
        lab.store.ledger.record(replace(experiment, experiment_id=0, created_at=at))
    expected = services.experiments.count(ExperimentFilter())
    assert services.policies.preview("still").decided == expected == 48
