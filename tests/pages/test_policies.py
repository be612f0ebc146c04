"""The Policies page: versions, drafts, shadow, preview and activation."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from spotlab.domain.access import Principal, Role
from spotlab.domain.policy import PolicyState
from spotlab.domain.policy_parameters import PARAMETERS
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.common import tables
from spotlab.ui.policies import form, preview
from tests.pages.conftest import Open, button, finish, said, select
from tests.support.people import ANA, open_pages_as, person

STILL = {"min_saving_fraction": 1.0, "risk_ceiling": 1.0}
"""No instance of the lab moves with these parameters."""


def policies(lab: Lab) -> Services:
    return Services(lab, ANA)


def field(app: AppTest, name: str, reference: str = "default@1") -> AppTest:
    return app.number_input(key=f"policy-{name} {reference}")


def test_the_built_in_policy_decides(lab: Lab, open_page: Open) -> None:
    app = open_page("policies")
    assert app.title[0].value == "default@1 decides; 0 policies in shadow"
    assert list(app.dataframe[0].value["state"]) == ["★ active"]
    assert "To retire it, activate another one." in said(app)
    (parameters,) = (table.value for table in app.table)
    assert list(parameters.index) == [each.label for each in PARAMETERS.values()]
    assert parameters["default@1"]["Risk ceiling"] == "0.75 %"


def test_a_draft_is_saved_with_every_parameter(lab: Lab, open_page: Open) -> None:
    app = open_page("policies")
    values = {name: max(0.5, each.low) for name, each in PARAMETERS.items()}
    entered = {name: form.shown(each, values[name]) for name, each in PARAMETERS.items()}
    for name, value in entered.items():
        field(app, name).set_value(value)
    app.text_input(key="policy-name default@1").set_value("half")
    app.text_input(key="policy-description default@1").set_value("Half of everything.")
    app.text_input(key="policy-reason default@1").set_value("a test")
    button(app, "Save draft").click().run()
    assert not app.exception
    saved = policies(lab).policies.get("half@1")
    assert saved.policy.params.as_dict() == values
    assert (saved.policy.description, saved.history[0].reason) == ("Half of everything.", "a test")
    assert app.query_params["policy"] == "half@1"
    assert app.selectbox(key="pick policy").value == "half@1"
    (parameters,) = (table.value for table in app.table)
    assert parameters["half@1"]["Cooldown"] == "**0.5 h ▼**"
    assert parameters["default@1 (active)"]["Cooldown"] == "6 h"


def test_a_wrong_name_is_explained_below_its_field(lab: Lab, open_page: Open) -> None:
    app = open_page("policies")
    app.text_input(key="policy-name default@1").set_value("a b")
    field(app, "cooldown_h").set_value(12.0)
    button(app, "Save draft").click().run()
    (wrong,) = app.error
    assert "is not a policy's name" in wrong.value
    assert field(app, "cooldown_h").value == 12.0, "nothing is typed twice"
    assert len(policies(lab).policies.versions()) == 1


def test_a_draft_of_a_version_that_is_no_longer_the_newest_is_rejected(
    lab: Lab, open_page: Open
) -> None:
    app = open_page("policies")
    policies(lab).policies.save("default", {"cooldown_h": 1.0})
    field(app, "cooldown_h").set_value(12.0)
    button(app, "Save draft").click().run()
    assert "is at version 2, not 1" in app.error[0].value


def move(app: AppTest, label: str, reference: str, reason: str) -> AppTest:
    app.pills(key=f"policy move {reference}").set_value(label).run()
    app.text_input(key=f"policy reason {reference}").set_value(reason)
    return app


def test_a_change_of_state_needs_a_reason(lab: Lab, open_page: Open) -> None:
    policies(lab).policies.save("still", STILL, base="default")
    app = move(open_page("policies", policy="still@1"), "Shadow", "still@1", "")
    assert "No decision changes." in said(app)
    button(app, "Shadow").click().run()
    assert "enter a reason first" in app.warning[0].value
    app.text_input(key="policy reason still@1").set_value("to compare")
    button(app, "Shadow").click().run()
    version = policies(lab).policies.get("still@1")
    assert (version.state, version.history[0].reason) == (PolicyState.SHADOW, "to compare")
    assert "still@1 is shadow now." in app.toast[0].value


def test_a_policy_in_shadow_shows_where_it_differs(lab: Lab, open_page: Open) -> None:
    services = policies(lab)
    services.policies.save("still", STILL, base="default")
    services.policies.set_state("still", PolicyState.SHADOW)
    decided = services.instances.evaluate()
    app = open_page("policies", policy="still@1")
    moves = sum(e.verdict is not None and e.verdict.decision != "STAY" for e in decided)
    assert moves > 0
    assert f"still@1 in shadow would have decided differently in {moves} of 4" in app.title[0].value
    assert f"0 times instead of {moves}" in said(app)
    apart = next(table.value for table in app.dataframe if "after" in table.value)
    assert set(apart["after"]) == {"● STAY"}
    assert len(apart) == moves


def test_a_policy_is_activated_only_after_its_preview(lab: Lab, open_page: Open) -> None:
    services = policies(lab)
    services.policies.save("still", STILL, base="default")
    app = move(open_page("policies", policy="still@1"), "Activate", "still@1", "")
    decided = services.experiments.count()
    assert button(app, "Activate").disabled
    assert "Preview it first" in said(app)
    button(app, "Preview 30 days").click().run()
    finish(app, preview.SLOT)
    assert not app.exception
    assert f"of {decided} decisions" in said(app)
    assert not button(app, "Activate").disabled
    app.text_input(key="policy reason still@1").set_value("fewer moves")
    button(app, "Activate").click().run()
    assert services.policies.get().reference == "still@1"
    assert services.policies.get("default@1").state is PolicyState.RETIRED
    assert app.title[0].value.startswith("still@1 decides")


def test_what_was_changed_meanwhile_is_not_overwritten(lab: Lab, open_page: Open) -> None:
    services = policies(lab)
    services.policies.save("still", STILL, base="default")
    app = move(open_page("policies", policy="still@1"), "Shadow", "still@1", "to compare")
    services.policies.set_state("still", PolicyState.RETIRED)
    button(app, "Shadow").click().run()
    assert "is retired, not draft" in app.warning[0].value
    assert services.policies.get("still").state is PolicyState.RETIRED


def test_a_selected_row_is_in_the_address(lab: Lab, open_page: Open) -> None:
    policies(lab).policies.save("still", STILL, base="default")
    app = open_page("policies")
    key = tables.key_of("policies", ["", "default@1", "still@1"])
    app.session_state[key] = select(1)
    app.run()
    assert app.query_params["policy"] == "still@1"
    assert app.selectbox(key="pick policy").value == "still@1"


@pytest.mark.parametrize(
    ("who", "moves", "hint"),
    [
        (person(Role.VIEWER), [], "An operator may"),
        (person(Role.OPERATOR), ["Shadow", "Retire"], "An administrator may activate policies"),
        (Principal("ana", Role.ADMIN, ("acme",)), [], "Policies concern every account"),
    ],
    ids=["viewer", "operator", "some accounts"],
)
def test_only_allowed_changes_are_offered(
    lab: Lab,
    open_page: Open,
    monkeypatch: pytest.MonkeyPatch,
    who: Principal,
    moves: list[str],
    hint: str,
) -> None:
    policies(lab).policies.save("still", STILL, base="default")
    open_pages_as(monkeypatch, who)
    app = open_page("policies", policy="still@1")
    assert not app.exception
    assert [option for pills in app.get("button_group") for option in pills.options] == moves
    assert hint in said(app)
