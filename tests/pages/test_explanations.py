"""The Explanations page."""

from __future__ import annotations

import numpy as np
import pytest

from spotlab.inference.explain import explain
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import open_experiment
from spotlab.scheduling.first_run import get_ready
from spotlab.services.explanations import frame_of
from spotlab.ui.explanations import view
from tests.pages.conftest import Open, said
from tests.support.lab import FLEET

WEB_1, WEB_2 = FLEET[0][0], FLEET[1][0]


def newest(lab: Lab, instance_id: str) -> int:
    return lab.store.ledger.latest_per_instance()[instance_id].experiment_id


def test_a_decision_is_explained_in_words_first(lab: Lab, open_page: Open) -> None:
    get_ready(lab)
    app = open_page("explanations", decision=str(newest(lab, WEB_1)))
    assert app.selectbox(key="pick instance").value == WEB_1
    assert "web-1 moves to m6i.large in us-east-1a: saves" in app.title[0].value
    assert "Runner-up" in said(app)
    assert "instead of" in said(app)
    assert "USD a month)" in said(app)
    assert "interruption bucket last month" in said(app)
    assert "not shares of the" in said(app)
    assert "toy@1.0.0" in said(app)


def test_the_pool_of_a_link_is_the_one_explained(lab: Lab, open_page: Open) -> None:
    app = open_page("explanations", instance=WEB_1, pool="us-east-1:us-east-1b:m6i.large:Linux")
    assert app.title[0].value.startswith("m6i.large in us-east-1b")


def test_the_market_now_can_be_explained(lab: Lab, open_page: Open) -> None:
    app = open_page("explanations", instance=WEB_2, decision="now")
    assert "the market now" in said(app)
    assert not app.error


def test_a_decision_that_is_not_there_is_explained(lab: Lab, open_page: Open) -> None:
    app = open_page("explanations", decision="999999")
    assert not app.exception
    assert "999999" in said(app)
    assert "What to do" in said(app)


def test_a_stored_decision_explains_the_risk_it_was_made_with(lab: Lab) -> None:
    get_ready(lab)
    experiment = open_experiment(lab, lab.store.ledger.get(newest(lab, WEB_1)))
    verdict = experiment.verdict
    assert verdict is not None
    assert verdict.chosen is not None
    subject = view.of_experiment(experiment, lab.clock.now())
    told = explain(lab.model(subject.model), subject.frame, verdict.chosen.pool, subject.horizon_h)
    assert told.risk.value == pytest.approx(verdict.chosen.risk, rel=1e-12)


def test_features_that_were_unknown_stay_unknown(lab: Lab) -> None:
    get_ready(lab)
    experiment = open_experiment(lab, lab.store.ledger.get(newest(lab, WEB_1)))
    frame = frame_of(experiment)
    stored = experiment.candidates[0].features
    row = frame.row(experiment.candidates[0].pool)
    assert {name for name, value in row.items() if np.isnan(value)} == set(row) - set(stored)
