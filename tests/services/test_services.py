"""What a user may not see is not found, and what they may not do is forbidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from spotlab.domain.access import Role
from spotlab.domain.decision import PipelineMode
from spotlab.domain.ports import AuditFilter, ExperimentFilter
from spotlab.errors import Forbidden, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Desk
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.people import ANA, person

WEB = FLEET[0][0]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fleet in the account "acme", with one decision per instance."""
    models = tmp_path_factory.mktemp("models")
    save_toy_model(models)
    with small_lab(tmp_path_factory.mktemp("home"), models) as made:
        Desk(made, ANA).instances.evaluate()
        yield made


def test_a_foreign_account_is_not_there(lab: Lab) -> None:
    desk = Desk(lab, person(Role.OPERATOR, "another"))
    assert list(desk.instances.list()) == []
    assert list(desk.accounts.list()) == []
    assert list(desk.decisions.list()) == []
    assert desk.decisions.count() == 0
    assert desk.decisions.latest_per_instance() == {}
    where = ExperimentFilter(accounts=("acme",))
    assert desk.decisions.count(where) == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk: desk.instances.get(WEB),
        lambda desk: desk.instances.set_shadow(WEB, False),
        lambda desk: desk.instances.assign(WEB, None),
        lambda desk: desk.instances.evaluate([WEB]),
        lambda desk: desk.decisions.get(1),
        lambda desk: desk.accounts.get("acme"),
    ],
)
def test_a_foreign_instance_is_not_found(lab: Lab, ask: Callable[[Desk], object]) -> None:
    before = lab.store.audit.count()
    with pytest.raises(NotFound):
        ask(Desk(lab, person(Role.OPERATOR, "another")))
    assert lab.store.audit.count() == before


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk: desk.instances.set_mode(WEB, PipelineMode.OFF),
        lambda desk: desk.instances.set_requirements(WEB, None),
        lambda desk: desk.instances.evaluate(),
        lambda desk: desk.market.collect(),
        lambda desk: desk.models.act("disable", "toy@1.0.0"),
        lambda desk: desk.models.upload(b"", "no"),
    ],
)
def test_a_viewer_changes_nothing(lab: Lab, ask: Callable[[Desk], object]) -> None:
    with pytest.raises(Forbidden):
        ask(Desk(lab, person(Role.VIEWER)))


def test_own_instances_are_seen_and_changed(lab: Lab) -> None:
    desk = Desk(lab, person(Role.OPERATOR, "acme"))
    assert len(desk.instances.list()) == len(FLEET) == len(desk.decisions.latest_per_instance())
    assert not desk.instances.set_shadow(WEB, False, "tried for a week").shadow
    entry = lab.store.audit.entries(AuditFilter(target=WEB))[0]
    assert (entry.actor, entry.via, entry.reason) == ("the operator", "a test", "tried for a week")


def test_the_audit_log_tells_nothing_of_foreign_instances_and_is_checked_whole(lab: Lab) -> None:
    Desk(lab, person(Role.OPERATOR)).instances.set_shadow(WEB, False)
    where = AuditFilter(action="instance")
    whole, limited = Desk(lab, person(Role.ADMIN)).audit, Desk(lab, person(Role.ADMIN, "b")).audit
    assert len(whole.list(where)) == whole.count(where) == 1
    assert len(limited.list(where)) == limited.count(where) == 0
    assert limited.check() == whole.check()


def test_evaluating_all_means_all_that_one_sees(lab: Lab) -> None:
    assert len(Desk(lab, person(Role.OPERATOR, "acme")).instances.evaluate()) == len(FLEET)
    assert list(Desk(lab, person(Role.OPERATOR, "another")).instances.evaluate()) == []
