"""The Instances page: what it says, and what can be done there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from streamlit.testing.v1 import AppTest

from spotlab.domain.decision import Decision, Lifecycle
from spotlab.domain.simultaneous_losses import describe
from spotlab.domain.spot_events import SpotEvent, SpotEventKind
from spotlab.runtime.lab import Lab
from spotlab.scheduling.first_run import get_ready
from spotlab.services import Services
from spotlab.ui.instances import table
from tests.pages.conftest import Open, finish, said
from tests.support.lab import FLEET, DictStore
from tests.support.people import ANA

WEB_1 = FLEET[0][0]


def select(app: AppTest, *rows: int) -> AppTest:
    app.session_state["fleet"] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return app.run()


def test_first_line_counts_the_moves_and_sums_the_savings(lab: Lab, open_page: Open) -> None:
    app = open_page("instances")
    made = lab.store.ledger.latest_per_instance().values()
    moving = [d for d in made if d.decision is not None and d.decision.value != "STAY"]
    assert moving
    saved = sum(d.saving_usd_per_hour or 0 for d in moving)
    assert app.title[0].value.startswith(
        f"{len(moving)} of 4 instances should move: this saves {saved:.4f} USD/h, expected"
    )
    assert "a month" in app.title[0].value


def test_signals_have_a_column_once_there_are_any(lab: Lab, open_page: Open) -> None:
    assert "signal" not in open_page("instances").dataframe[0].value
    account, at = lab.store.fleet.accounts()[0], lab.clock.now()
    number = account.aws_account_id
    event = SpotEvent("event-1", SpotEventKind.REBALANCE, WEB_1, number, "us-east-1", at)
    lab.store.spot_events.record(account, [event], at)
    assert "signal" in open_page("instances").dataframe[0].value


def test_a_caption_says_what_is_lost_together(lab: Lab, open_page: Open) -> None:
    (caption,) = [each for each in open_page("instances").caption if "a pool fails" in each.value]
    losses = Services(lab, ANA).instances.losses()
    assert caption.value == describe(losses)
    assert caption.value.startswith("If a pool fails, 1 of 4 instances is lost")
    assert "launch probes of V100 and K80 pools" in caption.help


def test_the_headline_counts_no_interruptions_of_on_demand_instances(lab: Lab) -> None:
    get_ready(lab)
    decisions = lab.store.ledger.latest_per_instance()
    (batch,) = (d for d in decisions.values() if d.lifecycle is Lifecycle.ON_DEMAND)
    moving = replace(batch, decision=Decision.SWITCH, chosen_risk=0.01, saving_usd_per_hour=0.1)
    instance = lab.store.fleet.instance(batch.instance_id)
    headline = table.headline([instance], {instance.instance_id: moving})
    assert "expected interruptions 0.0 → 0.3 a month" in headline


def test_every_instance_has_a_row_with_price_risk_and_decision(lab: Lab, open_page: Open) -> None:
    rows = open_page("instances").dataframe[0].value.set_index("name")
    assert set(rows.index) == {name for _, name, _, _ in FLEET}
    assert rows.loc["web-1", "price"] == 0.0412
    assert rows.loc["batch-1", "price"] == 0.192, "an on-demand instance costs its list price"
    assert rows.loc["web-1", "risk"] > rows.loc["web-2", "risk"]
    assert rows.loc["web-1", "decision"] == "▲ SWITCH"


def test_unknown_risk_is_missing_and_never_zero(lab: Lab, open_page: Open) -> None:
    rows = open_page("instances").dataframe[0].value.set_index("name")
    assert rows["risk"].isna().to_dict()["batch-1"]
    assert not (rows["risk"] == 0).any()


def test_filters_come_from_the_url_and_say_what_they_leave(lab: Lab, open_page: Open) -> None:
    app = open_page("instances", q="web")
    assert len(app.dataframe[0].value) == 2
    assert "2 of 4 instances" in said(app)


def test_selected_row_says_why(lab: Lab, open_page: Open) -> None:
    app = select(open_page("instances"), 0)
    reason = lab.store.ledger.latest_per_instance()[app_id(app)].reason
    assert reason in said(app)


def test_movers_come_first_by_what_they_save(lab: Lab, open_page: Open) -> None:
    rows = open_page("instances").dataframe[0].value
    decisions = list(rows["decision"])
    moves = decisions.count("▲ SWITCH")
    assert decisions[:moves] == ["▲ SWITCH"] * moves
    assert list(rows["saving"][:moves]) == sorted(rows["saving"][:moves], reverse=True)


def test_the_open_instance_is_in_the_url_marked_and_closes(lab: Lab, open_page: Open) -> None:
    app = open_page("instances", q="web", instance=WEB_1)
    assert app_id(app) == WEB_1, "the address opens it, with the search"
    assert len(app.dataframe[0].value) == 2
    assert "Evaluate 1 selected" in [each.label for each in app.button]
    app.button(key="close fleet").click().run()
    assert not app.header
    assert "instance" not in app.query_params
    assert app.text_input(key="pick q").value == "web"


def test_the_selection_follows_its_rows_when_the_filters_change(lab: Lab, open_page: Open) -> None:
    app = open_page("instances")
    names = list(app.dataframe[0].value["name"])
    select(app, names.index("web-2"))
    app.text_input(key="pick q").set_value("web-2").run()
    assert app.header[0].value == "web-2"
    assert app.session_state["fleet"]["selection"]["rows"] == [0]


def test_an_unknown_instance_in_the_url_opens_nothing(lab: Lab, open_page: Open) -> None:
    app = open_page("instances", instance="i-00000000000000000")
    assert not app.exception
    assert not app.header


def app_id(app: AppTest) -> str:
    name = app.header[0].value
    return next(instance_id for instance_id, known, _, _ in FLEET if known == name)


def test_evaluating_all_records_a_decision_each(lab: Lab, open_page: Open) -> None:
    app = open_page("instances")
    before = lab.store.ledger.count()
    app.button(key="evaluate-now").click().run()
    app = finish(app, "evaluate")
    assert lab.store.ledger.count() == before + 4
    assert "4 decisions recorded" in app.toast[0].value


def test_evaluating_one_leaves_the_others_alone(lab: Lab, open_page: Open) -> None:
    app = select(open_page("instances"), 1)
    before = lab.store.ledger.count()
    button = app.button(key="evaluate-now")
    assert button.label == "Evaluate 1 selected"
    button.click().run()
    finish(app, "evaluate")
    assert lab.store.ledger.count() == before + 1


def test_model_and_shadow_are_set_on_the_selected_instance(lab: Lab, open_page: Open) -> None:
    app = select(open_page("instances"), 0)
    chosen = app_id(app)
    app.selectbox(key=f"model {chosen}").select("toy@1.0.0").run()
    app.toggle(key=f"shadow {chosen}").set_value(False).run()
    instance = lab.store.fleet.instance(chosen)
    assert (instance.model, instance.shadow) == ("toy@1.0.0", False)


def test_says_so_when_the_online_store_is_down(
    lab: Lab, online: DictStore, open_page: Open
) -> None:
    online.down = True
    app = open_page("instances")
    assert not app.exception
    assert any("market read from the SQL archive" in box.value for box in app.warning)
    assert app.dataframe[0].value["price"].notna().all()


def test_old_decisions_show_their_age(lab: Lab, open_page: Open) -> None:
    app = open_page("instances")
    lab.clock.at += timedelta(hours=5)  # type: ignore[attr-defined]
    app.run()
    assert "Oldest decision 5.0 h ago" in said(app)


def test_first_day_without_aws_is_explained(bare_lab: Lab, open_page: Open) -> None:
    app = open_page("instances")
    assert not app.exception
    assert app.title[0].value == "0 instances, no decisions yet"
    assert "No AWS in this test." in said(app)
    assert "What to do" in said(app)
    assert any(button.label == "Try again" for button in app.button)
