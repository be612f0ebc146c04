"""The Workloads page: who assumes what, a form with its consequence, assignments, versions."""

from __future__ import annotations

import pytest

from spotlab.domain.access import Role
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import AssignmentScope
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.common import tables
from spotlab.ui.workloads import form
from tests.pages.conftest import Open, button, said, select
from tests.support.lab import FLEET
from tests.support.people import ANA, open_pages_as, person

WEB = FLEET[0][0]


def key_of(lab: Lab, name: str) -> str:
    return form.key_of(Services(lab, ANA).workloads.get(name))


def test_it_opens_with_how_many_instances_only_assume_their_costs(
    lab: Lab, open_page: Open
) -> None:
    app = open_page("workloads")
    assert not app.exception
    assert app.title[0].value == "The default workload is assumed for all 4 instances"
    table = app.dataframe[0].value
    assert list(table["workload"])[:2] == ["checkpointed-training@1", "default@1"]
    assert table.set_index("workload").loc["default@1", "rules"] == "assumed (4)"
    services = Services(lab, ANA).workloads
    services.assign(AssignmentScope.INSTANCE, WEB, "queue-worker")
    app = open_page("workloads")
    assert app.title[0].value == "2 workloads in use for 4 instances; the default is assumed for 3"
    services.assign(AssignmentScope.ACCOUNT, "acme", "stateful-server")
    app = open_page("workloads")
    assert app.title[0].value == "2 workloads in use for 4 instances, each assigned by a rule"
    rules = app.dataframe[0].value.set_index("workload")["rules"]
    assert rules["stateful-server@1"] == "account acme (3)"


def test_a_change_shows_its_consequence_before_it_is_saved(lab: Lab, open_page: Open) -> None:
    app = open_page("workloads", workload="default")
    assert "No decision about the 4 instances that use it would change." in said(app)
    app.number_input(key=f"{key_of(lab, 'default')} fixed_usd").set_value(1e6).run()
    assert not app.exception
    shown = said(app)
    assert "An interruption costs 1,000,000 USD and 0.6 h at the on-demand price." in shown
    assert "Of the 4 instances that use it, " in shown
    assert "■ FALLBACK" in shown
    assert Services(lab, ANA).workloads.get("default").version == 1


def test_a_new_version_is_saved_with_its_reason(lab: Lab, open_page: Open) -> None:
    app = open_page("workloads", workload="queue-worker")
    key = key_of(lab, "queue-worker")
    app.number_input(key=f"{key} recovery_h").set_value(0.5).run()
    button(app, "Save version 2").click().run()
    assert "The reason is missing" in app.error[0].value
    app.text_input(key=f"{key} reason").set_value("measured last night")
    button(app, "Save version 2").click().run()
    assert not app.exception
    newest, preset = Services(lab, ANA).workloads.versions("queue-worker")
    assert (newest.workload.version, newest.workload.recovery_h) == (2, 0.5)
    assert newest.reason == "measured last night"
    assert preset.workload.recovery_h == 0.05
    app = open_page("workloads", workload="queue-worker")
    assert app.header[0].value == "queue-worker@2"
    (versions,) = [each.value for each in app.dataframe if "changes" in each.value]
    assert versions["changes"][0] == "recovery_h: 0.05 → 0.5"


def test_another_name_saves_a_new_workload(lab: Lab, open_page: Open) -> None:
    app = open_page("workloads", workload="checkpointed-training")
    key = key_of(lab, "checkpointed-training")
    app.text_input(key=f"{key} name").set_value("render").run()
    app.number_input(key=f"{key} checkpoint_interval_h").set_value(4.0).run()
    app.number_input(key=f"{key} deadline_slack_h").set_value(1.0).run()
    app.number_input(key=f"{key} late_usd_per_hour").set_value(30.0).run()
    assert "No instance uses it yet. If all 4 did, " in said(app)
    app.text_input(key=f"{key} reason").set_value("the nightly render")
    button(app, "Save as a new workload").click().run()
    saved = Services(lab, ANA).workloads.get("render")
    assert (saved.version, saved.work_lost_h, saved.checkpoint_interval_h) == (1, 2.0, 4.0)
    assert (saved.deadline_slack_h, saved.late_usd_per_hour) == (1.0, 30.0)
    assert app.query_params["workload"] == "render"
    assert app.header[0].value == "render@1"


def test_hardware_places_and_requirements_are_saved(lab: Lab, open_page: Open) -> None:
    app = open_page("workloads", workload="default")
    key = key_of(lab, "default")
    app.multiselect(key=f"{key} regions").set_value(["eu-west-1", "us-east-1"])
    app.multiselect(key=f"{key} gpus").set_value(["a10g", "l4"])
    app.number_input(key=f"{key} share").set_value(40.0)
    app.checkbox(key=f"{key} keeps_bandwidth").set_value(True)
    app.toggle(key=f"{key} own").set_value(True).run()
    app.number_input(key=f"{key} vcpu_min").set_value(8.0)
    app.selectbox(key=f"{key} burstable").set_value("excluded")
    app.selectbox(key=f"{key} bucket").set_value(1).run()
    assert not app.exception
    app.text_input(key=f"{key} reason").set_value("as agreed")
    button(app, "Save version 2").click().run()
    saved = Services(lab, ANA).workloads.get("default")
    assert saved.version == 2
    assert saved.regions == ("eu-west-1", "us-east-1")
    assert saved.hardware.equal_gpus == {"a10g", "l4"}
    assert (saved.max_pool_share, saved.hardware.keeps_bandwidth) == (0.4, True)
    assert saved.requirements == Requirements(vcpu_min=8.0, burstable=False, max_advisor_bucket=1)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("name", "a b", "is not a workload's name"),
        (
            "deadline_slack_h",
            1.0,
            "“Deadline: slack (h)” is given without “Deadline: cost when late",
        ),
    ],
)
def test_an_invalid_form_says_what_would_be_right(
    lab: Lab, open_page: Open, field: str, value: object, shown: str
) -> None:
    app = open_page("workloads", workload="default")
    key = f"{key_of(lab, 'default')} {field}"
    box = app.text_input(key=key) if isinstance(value, str) else app.number_input(key=key)
    box.set_value(value).run()
    assert not app.exception
    assert shown in app.error[0].value.replace("\\", "")


def test_it_is_assigned_and_the_rule_removed(lab: Lab, open_page: Open) -> None:
    app = open_page("workloads", workload="stateful-server")
    app.segmented_control(key="assign-scope").set_value(AssignmentScope.INSTANCE).run()
    app.selectbox(key="assign-key instance").set_value(WEB).run()
    assert "1 instance that you may see matches this rule." in said(app)
    app.text_input(key="assign-reason").set_value("a database")
    button(app, "Assign stateful-server").click().run()
    assert not app.exception
    services = Services(lab, ANA).workloads
    (rule,) = services.assignments()
    assert (rule.scope, rule.key, rule.workload) == ("instance", WEB, "stateful-server")
    table = tables.key_of("assignments", [f"instance {WEB}"])
    app.session_state[table] = select(0)
    app.run()
    app.text_input(key="unassign-reason").set_value("moved")
    button(app, f"Remove the rule about instance {WEB}").click().run()
    assert services.assignments() == []


def test_a_viewer_tries_values_and_saves_none(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, person(Role.VIEWER))
    app = open_page("workloads", workload="default")
    assert not app.exception
    assert "An operator may set the model, workload, pipeline" in said(app)
    assert not [each for each in app.button if each.label.startswith(("Save", "Assign"))]


def test_an_operator_of_one_account_is_told_who_may_save(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, person(Role.OPERATOR, "acme"))
    app = open_page("workloads", workload="default")
    assert "a user who sees all of them may save it" in said(app)
    assert not [each for each in app.button if each.label.startswith("Save")]
    assert [each for each in app.button if each.label.startswith("Assign")]


def test_the_instances_page_shows_which_rule_won(lab: Lab, open_page: Open) -> None:
    Services(lab, ANA).workloads.assign(AssignmentScope.ACCOUNT, "acme", "queue-worker")
    app = open_page("instances")
    app.session_state["fleet"] = select(0)
    app.run()
    assert not app.exception
    assert "Workload queue-worker@1, assigned by account acme." in said(app)


def test_an_unknown_workload_in_the_address_opens_none(lab: Lab, open_page: Open) -> None:
    app = open_page("workloads", workload="laundry")
    assert not app.exception
    assert [each.value for each in app.header] == ["Price for work"]
