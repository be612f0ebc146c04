"""The Switches page and an instance's page: what they say, and what can be done there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spotlab.domain.access import Role
from spotlab.domain.decision import Lifecycle
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.ports import By
from spotlab.domain.switch_guards import EVERYWHERE, AccountGuards, InstallationGuards, TimeWindow
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Got, Phase, Realised, Switch, SwitchState
from spotlab.runtime.lab import Lab
from tests.pages.conftest import Open, button, finish, said
from tests.support.lab import FLEET
from tests.support.people import open_pages_as, person
from tests.support.switches import NEW_POOL, entry, switch

WEB_1, WEB_2 = FLEET[0][0], FLEET[1][0]


def add(lab: Lab, switch_id: str, instance_id: str = WEB_1, **changes: Any) -> Switch:
    now = lab.clock.now()
    made = switch(switch_id, account="acme", instance_id=instance_id, requested_at=now, **changes)
    return lab.store.switches.create(made, By("ana", now), [entry(switch_id=switch_id, at=now)])


def running(lab: Lab, switch_id: str = "sw-1", **changes: Any) -> Switch:
    return add(lab, switch_id, **{"state": SwitchState.RUNNING, "step": Step.HEALTH} | changes)


def test_the_first_line_counts_the_switches(lab: Lab, open_page: Open) -> None:
    running(lab)
    add(lab, "sw-2", WEB_2)
    got = Got(NEW_POOL, Lifecycle.SPOT, "i-0b")
    add(
        lab,
        "sw-3",
        "i-0000000000000003c",
        state=SwitchState.DONE,
        got=got,
        realised=Realised(10.0, 0.25, 1.0, lab.clock.now()),
    )
    app = open_page("switches")
    assert app.title[0].value == (
        "1 switch in progress, 1 waits for approval, 0 need attention; saved 0.75 USD so far"
    )
    assert list(app.dataframe[0].value["instance"]) == ["web-1"] * 3


def test_the_open_switch_shows_steps_the_point_of_no_return_and_the_journal(
    lab: Lab, open_page: Open
) -> None:
    running(lab)
    lab.store.switches.note(
        entry(
            "launch the replacement",
            at=lab.clock.now(),
            phase=Phase.FAILED,
            detail={"error": "No capacity.", "code": "InsufficientInstanceCapacity"},
        )
    )
    app = open_page("switches", switch="sw-1")
    text = said(app)
    assert "**launch**: done in" in text
    assert "From here on nothing can be undone" in text
    assert "**terminate**: to come" in text
    assert "not known yet" in text, "a saving is never an estimate"
    journal = next(
        each.value for each in app.dataframe if "what" in each.value and "facts" in each.value
    )
    assert "✗ Failed to launch the replacement. No capacity." in list(journal["what"])


def test_buttons_are_those_of_the_state_and_record_the_reason(lab: Lab, open_page: Open) -> None:
    running(lab)
    app = open_page("switches", switch="sw-1")
    labels = [each.label for each in app.button]
    assert "Pause" in labels
    assert "Roll back" in labels
    assert "Approve" not in labels
    next(
        each for each in app.text_input if each.label == "Reason" and "sw-1" in str(each.key)
    ).set_value("wrong day").run()
    button(app, "Roll back").click().run()
    assert lab.store.switches.get("sw-1").rollback_requested
    (asked,) = (each for each in lab.store.switches.journal("sw-1") if each.action == "ask")
    assert asked.detail["reason"] == "wrong day"


def test_after_the_point_of_no_return_nothing_is_rolled_back(lab: Lab, open_page: Open) -> None:
    made = running(lab, step=Step.TERMINATE)
    progress = replace(made.progress, terminate_begun=True)
    lab.store.switches.save(replace(made, progress=progress))
    app = open_page("switches", switch="sw-1")
    assert "Roll back" not in [each.label for each in app.button]


def test_a_viewer_sees_who_may_act(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(lab, "sw-1")
    open_pages_as(monkeypatch, person(Role.VIEWER))
    app = open_page("switches", switch="sw-1")
    approve = button(app, "Approve")
    assert approve.disabled
    assert "An administrator may approve" in approve.help


def test_who_requested_it_is_told_that_somebody_else_approves(lab: Lab, open_page: Open) -> None:
    add(lab, "sw-1", requested_by="local administrator")
    app = open_page("switches", switch="sw-1")
    button(app, "Approve").click().run()
    assert lab.store.switches.get("sw-1").state is SwitchState.REQUESTED
    assert "may not approve" in said(app)


def test_needs_attention_says_what_to_do(lab: Lab, open_page: Open) -> None:
    add(
        lab,
        "sw-1",
        state=SwitchState.NEEDS_ATTENTION,
        step=Step.VERIFY,
        situation="The volume vol-1 is not attached.",
        remedy="Attach it by hand.",
    )
    app = open_page("switches", switch="sw-1")
    assert "1 needs attention" in app.title[0].value
    (error,) = app.error
    assert "vol-1 is not attached" in error.value
    assert "Attach it by hand" in error.value


def test_the_kill_switch_stops_and_is_released(lab: Lab, open_page: Open) -> None:
    app = open_page("switches")
    app.button(key="stop-or-release").click().run()
    assert [stop.scope for stop in lab.store.switch_guards.stops()] == [EVERYWHERE]
    assert "stopped all switches" in said(app)
    app.button(key="stop-or-release").click().run()
    assert lab.store.switch_guards.stops() == []


def test_guards_are_shown_and_changed(lab: Lab, open_page: Open) -> None:
    app = open_page("switches", tab="Guards")
    assert "Switching is off for the installation" in said(app)
    rows = next(each.value for each in app.dataframe if "guard" in each.value)
    assert ("the installation", "the requester may not approve", "yes") in list(
        zip(rows["scope"], rows["guard"], rows["value"], strict=True)
    )
    app.checkbox(key="guards  0 four_eyes").uncheck()
    button(app, "Save").click().run()
    guards = lab.store.switch_guards.installation()
    assert guards == InstallationGuards(four_eyes=False), "the others keep their value"
    app.selectbox(key="guards-of").select("acme").run()
    app.number_input(key="guards acme 0 at_once").set_value(5)
    button(app, "Save").click().run()
    assert lab.store.switch_guards.account("acme") == AccountGuards(at_once=5)


def test_time_windows_are_set_and_a_wrong_line_is_named(lab: Lab, open_page: Open) -> None:
    app = open_page("switches", tab="Guards")
    app.selectbox(key="guards-of").select("acme").run()
    windows = "sat,sun 22:00-04:00 Europe/Berlin\n\nmon 12:00-13:00"
    app.text_area(key="guards acme 0 windows").set_value(windows)
    button(app, "Save").click().run()
    assert lab.store.switch_guards.account("acme").windows == (
        TimeWindow(("sat", "sun"), "22:00", "04:00", "Europe/Berlin"),
        TimeWindow(("mon",), "12:00", "13:00"),
    )
    shown = app.text_area(key="guards acme 1 windows")
    assert shown.value == "sat,sun 22:00-04:00 Europe/Berlin\nmon 12:00-13:00 UTC"
    shown.set_value("someday")
    button(app, "Save").click().run()
    assert "'someday' is not a time window" in said(app)
    assert lab.store.switch_guards.newest("acme").version == 1
    app.text_area(key="guards acme 1 windows").set_value("")
    button(app, "Save").click().run()
    assert lab.store.switch_guards.account("acme").windows == ()


def test_an_instance_of_another_account_is_not_shown(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(lab)
    open_pages_as(monkeypatch, person(Role.ADMIN, "zeta"))
    app = open_page("switches", switch="sw-1")
    assert app.title[0].value.startswith("0 switches in progress")
    assert "web-1" not in said(app)


def test_an_instance_has_its_decisions_switches_and_interruptions(
    lab: Lab, open_page: Open
) -> None:
    running(lab)
    at = lab.clock.now() - timedelta(hours=2)
    instance = lab.store.fleet.instance(WEB_1)
    lab.store.interruptions.add(
        [
            InterruptionEvent(
                WEB_1, instance.pool, at, InterruptionKind.REBALANCE, "a test", at, True
            )
        ]
    )
    app = open_page("instance", instance=WEB_1)
    assert app.title[0].value.startswith("web-1, m5.large in us-east-1a: SWITCH just now, 0 sw")
    kinds = [list(each.value["kind"]) for each in app.dataframe if "kind" in each.value]
    assert ["rebalance recommendation"] in kinds
    assert any("decision" in each.value for each in app.dataframe)
    assert any("state" in each.value and len(each.value) == 1 for each in app.dataframe)
    assert "Plan a switch" in [each.label for each in app.button]


def test_a_plan_that_cannot_read_aws_says_so(lab: Lab, open_page: Open) -> None:
    app = open_page("instance", instance=WEB_1)
    app.button(key="plan-now").click().run()
    app = finish(app, "plan-switch")
    assert "No AWS in this test." in said(app)
