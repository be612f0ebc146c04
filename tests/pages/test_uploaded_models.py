"""Screens with an uploaded model: where it runs, and that it failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.runtime import app_process
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.pages.conftest import Open, said
from tests.support.lab import FLEET, small_lab
from tests.support.people import ANA
from tests.support.uploaded_models import odd_programs as odd_programs
from tests.support.uploaded_models import save_uploaded_model

WEB = FLEET[0][0]
SENT = "toy@2.0.0"


@pytest.fixture
def lab(
    tmp_path: Path, models_dir: Path, odd_programs: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    save_uploaded_model(tmp_path, models_dir / "toy" / "1.0.0", "explain_nothing")
    made = small_lab(tmp_path, models_dir)
    monkeypatch.setattr(app_process, "lab", lambda: made)
    yield made
    made.close()


def test_its_card_says_where_it_runs_and_what_graduating_changes(lab: Lab, open_page: Open) -> None:
    where = "runs in a separate process until it is graduated"
    assert where not in said(open_page("models", view="card", model="toy@1.0.0"))
    app = open_page("models", view="card", model=SENT)
    assert where in said(app)
    app.pills[0].select("Graduate").run()
    assert "It moves from its separate process into the server's." in said(app)


def test_a_failure_is_an_error_state_and_then_the_champions_turn(lab: Lab, open_page: Open) -> None:
    Services(lab, ANA).instances.assign(WEB, SENT, "to see")
    (experiment,) = evaluate_instances(lab, [WEB])
    app = open_page("explanations", decision=str(experiment.experiment_id))
    assert not app.exception
    assert f"Model {SENT} crashed (SIGSEGV) in its own process." in said(app)
    assert "used again in 5 min" in said(app)
    app = open_page("candidates", instance=WEB)
    assert not app.exception
    assert f"The assigned model {SENT} crashed (SIGSEGV) in its own process" in said(app)
    assert ": the champion toy@1.0.0 is used instead." in said(app)
    app = open_page("explanations", instance=WEB, decision="now")
    assert "The champion's risks are explained instead." in said(app)
    assert not app.error
