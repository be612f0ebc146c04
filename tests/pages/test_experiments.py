"""The Experiments page: the history, and one decision opened whole."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import delete

from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.domain.decision import Decision
from spotlab.domain.ports import ExperimentFilter
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import open_experiment
from spotlab.scheduling.first_run import get_ready
from spotlab.services import Services
from spotlab.store.engine import writing
from spotlab.store.tables.market_runs import MarketRunRow
from spotlab.ui.experiments import experiment_detail, table
from tests.pages.conftest import Open, button, said
from tests.support.lab import FLEET, DictStore

WEB_1 = FLEET[0][0]


def test_lists_decisions_newest_first(lab: Lab, open_page: Open) -> None:
    open_page("instances")
    lab.clock.at += timedelta(minutes=1)  # type: ignore[attr-defined]
    evaluate_instances(lab, [WEB_1])
    app = open_page("experiments")
    table = app.dataframe[0].value
    assert app.title[0].value.startswith("5 decisions")
    assert list(table["id"]) == [5, 4, 3, 2, 1]
    assert table["instance"].iloc[0] == "web-1"


def test_filters_come_from_the_url(lab: Lab, open_page: Open) -> None:
    app = open_page("experiments", instance=WEB_1)
    assert list(app.dataframe[0].value["instance"]) == ["web-1"]
    app = open_page("experiments", degraded="yes")
    assert app.title[0].value == "0 decisions to show"
    assert "What to do" in app.info[0].value


def test_a_degraded_decision_says_what_it_was_made_from(
    lab: Lab, online: DictStore, open_page: Open
) -> None:
    open_page("instances")
    online.down = True
    (made,) = evaluate_instances(lab, [WEB_1])
    app = open_page("experiments", id=str(made.experiment_id))
    assert any("SQL archive" in box.value for box in app.warning)
    listed = open_page("experiments", degraded="yes").dataframe[0].value
    assert list(listed["state"]) == ["degraded"]


def test_a_decision_opens_whole(lab: Lab, open_page: Open) -> None:
    open_page("instances")
    made = lab.store.ledger.latest_per_instance()[WEB_1]
    app = open_page("experiments", id=str(made.experiment_id))
    assert app.title[0].value.startswith("▲ SWITCH: web-1 to ")
    text = said(app)
    assert made.reason in text
    for part in ("Stages", "Policy default@1", "Requirements", "pools filtered"):
        assert part in text
    sides = app.dataframe[0].value.set_index("what")
    assert sides.loc["spot price", "current"] == "0.0412 USD/h"
    assert app.tabs[0].dataframe[0].value["rank"].iloc[0] == 1


def test_a_selected_row_is_read_next_to_the_table_and_opens_whole(
    lab: Lab, open_page: Open
) -> None:
    app = open_page("experiments", made="SWITCH")
    chosen = int(app.dataframe[0].value["id"].iloc[1])
    app.session_state["history"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert not app.exception
    assert lab.store.ledger.get(chosen).verdict.reason in said(app)  # type: ignore[union-attr]
    assert app.query_params["decision"] in (str(chosen), [str(chosen)])
    button(app, "Open the decision").click().run()
    assert f"Decision #{chosen} " in said(app)
    button(app, "All decisions").click().run()
    assert list(app.dataframe[0].value["decision"].unique()) == ["▲ SWITCH"], "filters are kept"


def test_the_headline_counts_the_latest_decision_of_each_instance(
    lab: Lab, open_page: Open
) -> None:
    app = open_page("experiments")
    once = app.title[0].value
    evaluate_instances(lab)
    assert "by the latest of each, 2 of 4 instances would move" in once
    again = open_page("experiments").title[0].value
    assert again.startswith("8 decisions")
    assert "by the latest of each, 2 of 4 instances would move" in again


def test_a_stay_saves_nothing_and_names_what_its_alternative_would(
    lab: Lab, open_page: Open
) -> None:
    for page in ("experiments", "instances"):
        rows = open_page(page).dataframe[0].value.set_index("decision")
        assert (rows.loc[["● STAY"], "saving"] == 0).all()
        assert rows.loc[["▲ SWITCH"], "alternative"].isna().all()


def test_an_on_demand_instance_is_not_interrupted_wherever_it_is_shown(
    lab: Lab, open_page: Open
) -> None:
    rows = open_page("experiments").dataframe[0].value.set_index("instance")
    (batch_id,) = (instance_id for instance_id, name, _, _ in FLEET if name == "batch-1")
    batch = lab.store.ledger.latest_per_instance()[batch_id]
    assert rows.loc["batch-1", "from"].startswith("on-demand ")
    assert batch.risk is None
    assert batch.spot_price_usd_per_hour is None, "it does not use that pool"
    app = open_page("experiments", id=str(batch.experiment_id))
    sides = app.dataframe[0].value.set_index("what")
    assert sides.loc["risk within 24 h", "current"] == "not interrupted"
    assert sides.loc["expected cost", "current"] == sides.loc["on-demand price", "current"]


def test_the_export_has_every_column_of_the_decisions_that_the_filters_leave(lab: Lab) -> None:
    get_ready(lab)
    services = Services(lab, LOCAL_ADMINISTRATOR)
    frame = table.all_rows(services, ExperimentFilter(decision=Decision.SWITCH))
    assert set(frame["decision"]) == {"SWITCH"}
    assert {"model", "market", "shadow", "reason", "degraded"} <= set(frame.columns)


def test_a_decision_that_is_not_there_is_explained(lab: Lab, open_page: Open) -> None:
    app = open_page("experiments", id="424242")
    assert not app.exception
    assert "424242" in said(app)


def test_nothing_decided_yet_says_what_to_do(bare_lab: Lab, open_page: Open) -> None:
    app = open_page("experiments")
    assert app.title[0].value == "0 decisions to show"
    assert "evaluate the fleet" in said(app)


def test_the_json_holds_the_whole_decision(lab: Lab) -> None:
    get_ready(lab)
    experiment = open_experiment(lab, lab.store.ledger.get(1))
    document = json.loads(experiment_detail.as_json(experiment))
    assert document["experiment_id"] == 1
    assert len(document["candidates"]) == len(experiment.candidates)
    assert document["workload"]["workload"]["horizon_h"] == 24.0
    assert document["verdict"]["decision"] in ("STAY", "SWITCH", "FALLBACK_ONDEMAND")


def test_a_decision_replays_identically_and_with_another_workload(
    lab: Lab, open_page: Open
) -> None:
    open_page("instances")
    made = lab.store.ledger.latest_per_instance()[WEB_1]
    app = open_page("experiments", id=str(made.experiment_id))
    app = app.button(key="FormSubmitter:replay-Replay").click().run()
    assert not app.exception
    assert "bit for bit" in app.success[0].value

    app.selectbox(key="replay-workload").set_value("stateful-server@1")
    app = app.button(key="FormSubmitter:replay-Replay").click().run()
    assert not app.exception
    assert "With another workload, the decision is" in said(app)
    assert "saves 0.0105 USD/h" in said(app), "an interruption costs more"


def test_a_replay_without_its_market_says_what_is_missing(lab: Lab, open_page: Open) -> None:
    open_page("instances")
    made = lab.store.ledger.latest_per_instance()[WEB_1]
    with writing(lab.store.engine) as session:
        session.connection().execute(delete(MarketRunRow))
    app = open_page("experiments", id=str(made.experiment_id))
    assert made.reason in said(app)
    app = app.button(key="FormSubmitter:replay-Replay").click().run()
    assert not app.exception
    assert "no longer in the database" in said(app)
