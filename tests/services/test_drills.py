"""Drills by users: who may run one, and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.domain.access import Role
from spotlab.domain.drills import DrillKind
from spotlab.errors import Conflict, Forbidden
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.lab import save_toy_model, small_lab
from tests.support.people import ANA, person


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path, tmp_path / "models") as made:
        yield made


def test_a_viewer_may_not_run_a_drill(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        Services(lab, person(Role.VIEWER)).drills.run(DrillKind.NOTICE)


def test_no_drill_takes_an_instance_of_a_real_account(lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"aws": "account"})
    drills = Services(lab, ANA).drills
    assert not drills.possible
    with pytest.raises(Conflict, match="emulated AWS only"):
        drills.run(DrillKind.NOTICE)


def test_a_drill_says_which_level_keeps_switching_off(lab: Lab) -> None:
    with pytest.raises(Conflict) as refused:
        Services(lab, ANA).drills.run(DrillKind.NOTICE)
    assert "Switching is off for the installation" in str(refused.value)
