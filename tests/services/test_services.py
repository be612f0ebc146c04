"""What a user may not see is not found, and what they may not do is forbidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from spotlab.domain.access import Role
from spotlab.domain.decision import PipelineMode
from spotlab.domain.ports import AuditFilter, ExperimentFilter
from spotlab.errors import Forbidden, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.people import ANA, person

WEB = FLEET[0][0]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fleet in the account "acme", with one decision per instance."""
    models = tmp_path_factory.mktemp("models")
    save_toy_model(models)
    with small_lab(tmp_path_factory.mktemp("home"), models) as made:
        Services(made, ANA).instances.evaluate()
        yield made


def test_a_foreign_account_is_not_there(lab: Lab) -> None:
    services = Services(lab, person(Role.OPERATOR, "another"))
    assert list(services.instances.list()) == []
    assert list(services.accounts.list()) == []
    assert list(services.experiments.list()) == []
    assert services.experiments.count() == 0
    assert services.experiments.latest_per_instance() == {}
    where = ExperimentFilter(accounts=("acme",))
    assert services.experiments.count(where) == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda services: services.instances.get(WEB),
        lambda services: services.instances.set_shadow(WEB, False),
        lambda services: services.instances.assign(WEB, None),
        lambda services: services.instances.evaluate([WEB]),
        lambda services: services.experiments.get(1),
        lambda services: services.accounts.get("acme"),
    ],
)
def test_a_foreign_instance_is_not_found(lab: Lab, ask: Callable[[Services], object]) -> None:
    before = lab.store.audit.count()
    with pytest.raises(NotFound):
        ask(Services(lab, person(Role.OPERATOR, "another")))
    assert lab.store.audit.count() == before


@pytest.mark.parametrize(
    "ask",
    [
        lambda services: services.instances.set_mode(WEB, PipelineMode.OFF),
        lambda services: services.instances.set_requirements(WEB, None),
        lambda services: services.instances.evaluate(),
        lambda services: services.market.collect(),
        lambda services: services.models.act("disable", "toy@1.0.0"),
        lambda services: services.models.upload(b"", "no"),
    ],
)
def test_a_viewer_changes_nothing(lab: Lab, ask: Callable[[Services], object]) -> None:
    with pytest.raises(Forbidden):
        ask(Services(lab, person(Role.VIEWER)))


def test_own_instances_are_seen_and_changed(lab: Lab) -> None:
    services = Services(lab, person(Role.OPERATOR, "acme"))
    assert (
        len(services.instances.list())
        == len(FLEET)
        == len(services.experiments.latest_per_instance())
    )
    assert not services.instances.set_shadow(WEB, False, "tried for a week").shadow
    entry = lab.store.audit.entries(AuditFilter(target=WEB))[0]
    assert (entry.actor, entry.via, entry.reason) == ("the operator", "a test", "tried for a week")


def test_the_audit_log_tells_nothing_of_foreign_instances_and_is_checked_whole(lab: Lab) -> None:
    Services(lab, person(Role.OPERATOR)).instances.set_shadow(WEB, False)
    where = AuditFilter(action="instance")
    whole, limited = (
        Services(lab, person(Role.ADMIN)).audit,
        Services(lab, person(Role.ADMIN, "b")).audit,
    )
    assert len(whole.list(where)) == whole.count(where) == 1
    assert len(limited.list(where)) == limited.count(where) == 0
    assert limited.check() == whole.check()


def test_evaluating_all_means_all_that_one_sees(lab: Lab) -> None:
    assert len(Services(lab, person(Role.OPERATOR, "acme")).instances.evaluate()) == len(FLEET)
    assert list(Services(lab, person(Role.OPERATOR, "another")).instances.evaluate()) == []
