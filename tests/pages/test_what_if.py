"""The What-if page."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from spotlab.domain.access import Role
from spotlab.domain.policy import PolicyState
from spotlab.domain.what_if import Changes
from spotlab.domain.workload import AssignmentScope
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.what_if import table
from tests.pages.conftest import Open, button, said
from tests.support.lab import FLEET
from tests.support.people import ANA, open_pages_as, person

WEB, BATCH = FLEET[0][0], FLEET[2][0]


def slider(app: AppTest, name: str, subject: str = "") -> Any:
    return app.select_slider(key=f"what-if {name} {subject}")


def test_it_opens_with_todays_settings(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if")
    tried = Services(lab, ANA).what_if.step(Changes())
    assert app.title[0].value == table.headline(tried).replace("$", "\\$")
    assert app.title[0].value.startswith("With today's settings ")
    assert "of 4 instances would move" in app.title[0].value
    assert slider(app, "risk_ceiling").value == "today"
    assert "Move a slider" in said(app)
    assert "Save as workload" not in [each.label for each in app.button]


def test_a_slider_changes_the_headline_and_the_url(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if")
    slider(app, "risk_ceiling").set_value("0.001").run()
    tried = Services(lab, ANA).what_if.step(Changes(risk_ceiling=0.001))
    assert app.title[0].value == table.headline(tried)
    assert app.query_params["risk_ceiling"] == "0.001"
    assert app.query_params["curve"] == "risk_ceiling"
    assert "With today's settings" in said(app)
    assert len(app.dataframe[0].value) == len(tried.changed) > 0
    app.button(key="what-if undo risk_ceiling").click().run()
    assert "risk_ceiling" not in app.query_params
    assert app.title[0].value.startswith("With today's settings ")


def test_the_url_holds_the_settings(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if", interruption_usd="7.5", allow_burstable="yes", horizon_h="24")
    assert slider(app, "interruption_usd").value == "7.5"
    assert app.segmented_control(key="what-if allow_burstable ").value == "yes"
    assert "2 settings changed." in said(app)
    assert "horizon_h" not in app.query_params, "today's own value is no change"
    button(app, "Reset").click().run()
    assert not {"interruption_usd", "allow_burstable"} & {*app.query_params}
    assert slider(app, "interruption_usd").value == "today"


@pytest.mark.parametrize(
    "query",
    [
        {"risk_ceiling": "7"},
        {"risk_ceiling": "nan"},
        {"cooldown_h": "inf"},
        {"horizon_h": "-1"},
        {"memory_tolerance": "much"},
        {"allow_burstable": "perhaps"},
        {"curve": "nothing"},
        {"instance": "i-nothing"},
    ],
)
def test_what_the_url_should_not_hold_is_left_out(
    lab: Lab, open_page: Open, query: dict[str, str]
) -> None:
    app = open_page("what_if", **query)
    assert not app.exception
    assert app.title[0].value.startswith("With today's settings ")
    assert not {*query} & {*app.query_params}


def test_one_instance_gets_both_reasons(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if", instance=WEB, risk_ceiling="1")
    (before,) = Services(lab, ANA).what_if.step(Changes(), [WEB]).after
    assert app.title[0].value.startswith("With these settings web-1 would ")
    assert before.verdict is not None
    assert "Today's settings: " in said(app)
    assert "These settings: " in said(app)
    assert not len(app.dataframe)


def test_where_workloads_differ_the_slider_says_so(lab: Lab, open_page: Open) -> None:
    Services(lab, ANA).workloads.assign(AssignmentScope.INSTANCE, WEB, "stateful-server", "a test")
    app = open_page("what_if")
    assert slider(app, "horizon_h").options[0] == "as each workload says"
    assert slider(app, "risk_ceiling").value == "today"
    one = open_page("what_if", instance=WEB)
    assert "168 h (today)" in slider(one, "horizon_h", WEB).options


def test_settings_are_saved_as_a_workload(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if", interruption_usd="5", memory_tolerance="0.07")
    assert "As default@1, but cost of an interruption: 5 USD, memory tolerance: 7 %." in [
        each.value for each in app.text_area
    ]
    button(app, "Save").click().run()
    assert "The reason is missing." in said(app)
    app.text_input(key="what-if name default").set_value("render")
    app.text_input(key="what-if reason").set_value("measured")
    button(app, "Save").click().run()
    saved = Services(lab, ANA).workloads.get("render")
    assert (saved.version, saved.fixed_usd, saved.work_lost_h) == (1, 5.0, 0.0)
    assert saved.hardware.memory_tolerance == 0.07
    assert [each.value for each in app.toast] == ["render@1 is saved."]
    assert app.query_params["interruption_usd"] == "5", "nothing has the new workload yet"


def test_a_workload_of_another_name_is_not_overwritten(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if", interruption_usd="5")
    app.text_input(key="what-if name default").set_value("queue-worker")
    app.text_input(key="what-if reason").set_value("a slip")
    button(app, "Save").click().run()
    assert Services(lab, ANA).workloads.get("queue-worker").version == 1
    assert "queue-worker" in said(app)


def test_the_next_version_of_a_workload_counts_at_once(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if", interruption_usd="5")
    app.text_input(key="what-if reason").set_value("measured")
    button(app, "Save").click().run()
    assert Services(lab, ANA).workloads.get("default").fixed_usd == 5.0
    assert "interruption_usd" not in app.query_params
    assert "5 USD (today)" in slider(app, "interruption_usd").options


def test_who_may_not_save_is_told_who_may(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, person(Role.VIEWER))
    assert "An operator may" in said(open_page("what_if", interruption_usd="5"))
    open_pages_as(monkeypatch, person(Role.OPERATOR, "acme"))
    app = open_page("what_if", interruption_usd="5")
    assert "Only a user who sees every account may save" in said(app)
    assert "Save" not in [each.label for each in app.button]


def test_a_policy_draft_is_saved(lab: Lab, open_page: Open) -> None:
    app = open_page("what_if", risk_ceiling="0.01")
    app.text_input(key="what-if policy name").set_value("bold")
    app.text_input(key="what-if policy reason").set_value("tried")
    button(app, "Save draft").click().run()
    (saved,) = Services(lab, ANA).policies.versions("bold")
    assert (saved.policy.params.risk_ceiling, saved.state) == (0.01, PolicyState.DRAFT)
    assert [each.value for each in app.toast] == ["bold@1 is saved as a draft."]


def test_the_export_has_every_instance_with_both_decisions(lab: Lab) -> None:
    tried = Services(lab, ANA).what_if.step(Changes(risk_ceiling=1.0))
    frame = table.exported(tried)
    assert len(frame) == len(FLEET)
    assert set(frame["settings"]) == {"Risk ceiling: 100 %"}
    assert set(frame["today"]) | set(frame["changed"]) <= {"STAY", "SWITCH", "FALLBACK_ONDEMAND"}
    batch = frame.set_index("instance_id").loc[BATCH]
    assert batch["changed_price_usd_per_hour"] > 0


def test_without_a_market_the_page_says_what_is_missing(bare_lab: Lab, open_page: Open) -> None:
    app = open_page("what_if")
    assert not app.exception
    assert "0 instances" in app.title[0].value
