"""Guards are set, switches stopped and orphans reported only as far as a user sees accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.domain.switch_guards import EVERYWHERE, AccountGuards, SwitchingMode
from spotlab.errors import ChangedMeanwhile, Conflict, Forbidden, InvalidInput, NotFound
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.lab import FLEET, add_account, save_toy_model, small_lab
from tests.support.switching import APPROVER, OPERATOR, allow

WEB = FLEET[0][0]
VIEWER = Principal("vera", Role.VIEWER, via="a test")
LIMITED = Principal("lea", Role.ADMIN, ("acme",), via="a test")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as made:
        add_account(made)
        yield made


def test_guards_keep_what_is_not_changed(lab: Lab) -> None:
    service = Services(lab, APPROVER).switch_guards
    service.set_account("acme", {"mode": SwitchingMode.ON}, "begin")
    saved = service.set_account("acme", {"at_once": 5}, "more", 1)
    assert saved.guards == AccountGuards(SwitchingMode.ON, at_once=5)
    assert [each.reason for each in service.versions("acme")] == ["more", "begin"]
    with pytest.raises(ChangedMeanwhile):
        service.set_account("acme", {"at_once": 6}, "", 1)
    with pytest.raises(InvalidInput, match=r"no guard 'speed'.*at_once"):
        service.set_account("acme", {"speed": 1})
    with pytest.raises(InvalidInput, match="at_once is 101"):
        service.set_account("acme", {"at_once": 101})
    service.set_installation({"four_eyes": False})
    assert service.installation().version == 1


def test_who_may_set_guards(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        Services(lab, OPERATOR).switch_guards.set_account("acme", {"at_once": 5})
    limited = Services(lab, LIMITED).switch_guards
    limited.set_account("acme", {"at_once": 5})
    with pytest.raises(NotFound, match="'zeta' does not exist"):
        limited.set_account("zeta", {"at_once": 5})
    with pytest.raises(Forbidden, match="affects all accounts"):
        limited.set_installation({"four_eyes": False})


def test_the_overview_shows_visible_accounts_only(lab: Lab) -> None:
    allow(lab, WEB)
    overview = Services(lab, VIEWER).switch_guards.overview()
    assert overview.accounts == {"acme": SwitchingMode.ON, "zeta": SwitchingMode.OFF}
    assert overview.instances == {
        SwitchingMode.OFF: 1,
        SwitchingMode.DRY_RUN: 3,
        SwitchingMode.ON: 1,
    }
    limited = Services(lab, LIMITED).switch_guards.overview()
    assert limited.accounts == {"acme": SwitchingMode.ON}
    assert sum(limited.instances.values()) == 4
    assert Services(lab, VIEWER).switch_guards.levels(WEB).mode is SwitchingMode.ON


def test_a_user_stops_and_releases_the_accounts_that_they_see(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        Services(lab, VIEWER).switch_guards.stop_all()
    limited = Services(lab, LIMITED)
    assert [each.scope for each in limited.switch_guards.stop_all("mine")] == ["acme"]
    assert lab.store.switch_guards.stop_of("zeta") is None
    assert limited.switch_guards.release() == []
    Services(lab, OPERATOR).switch_guards.stop_all("everything")
    assert [each.scope for each in limited.switch_guards.stops()] == [EVERYWHERE]
    with pytest.raises(Forbidden, match="affects all accounts"):
        limited.switch_guards.release()
    with pytest.raises(Forbidden):
        Services(lab, OPERATOR).switch_guards.release()
    assert Services(lab, APPROVER).switch_guards.release() == []
    with pytest.raises(Conflict, match="No switches are stopped"):
        Services(lab, APPROVER).switch_guards.release()


def test_a_stop_of_another_account_is_not_shown(lab: Lab) -> None:
    zeta = Principal("zoe", Role.OPERATOR, ("zeta",), via="a test")
    Services(lab, zeta).switch_guards.stop_all("secret plan")
    assert Services(lab, LIMITED).switch_guards.stops() == []
    assert Services(lab, LIMITED).market.mode().stopped == ""
    assert "secret plan" in Services(lab, VIEWER).market.mode().stopped
    with pytest.raises(Conflict, match="No switches are stopped"):
        Services(lab, LIMITED).switch_guards.release()


def test_figures_of_autonomy_are_of_visible_accounts(lab: Lab) -> None:
    assert {each.account for each in Services(lab, VIEWER).switch_guards.autonomy()} == {
        "acme",
        "zeta",
    }
    assert {each.account for each in Services(lab, LIMITED).switch_guards.autonomy()} == {"acme"}
    with pytest.raises(NotFound):
        Services(lab, LIMITED).switch_guards.autonomy("zeta")


def test_who_may_look_for_orphans_and_delete_them(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        Services(lab, VIEWER).switch_orphans.report()
    with pytest.raises(Forbidden):
        Services(lab, OPERATOR).switch_orphans.delete()
