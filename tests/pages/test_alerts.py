"""The Alerts page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from spotlab.domain.access import Role
from spotlab.domain.alerts import AlertKind, Channel, Condition
from spotlab.monitoring.alerts.evaluation import evaluate_rules
from spotlab.monitoring.health.prober import prober_of
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.alerts import form as alerts_form
from spotlab.ui.common import tables
from tests.pages.conftest import Open, button, said, select
from tests.support.lab import DictStore
from tests.support.people import ANA, open_pages_as, person
from tests.support.receivers import SECRET_PATH, Receiver, running_receiver

REDIS_DOWN = Condition(AlertKind.STATE, component="Redis cache")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as made:
        yield made


def test_without_rules_it_says_what_to_do(lab: Lab, open_page: Open) -> None:
    app = open_page("alerts")
    assert app.title[0].value == "0 alert rules: no one is notified when something fails"
    assert app.expander[0].label == "Add a rule"


def test_firing_alerts_and_notifications(
    lab: Lab, online: DictStore, receiver: Receiver, open_page: Open
) -> None:
    Services(lab, ANA).alerts.add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
    online.down = True
    prober_of(lab).round(lab)
    evaluate_rules(lab)
    app = open_page("alerts")
    assert app.title[0].value == "1 alert firing, 1 rule enabled"
    ringing, rules, history = (table.value for table in app.dataframe)
    assert list(ringing["subject"]) == ["Redis cache is down"]
    assert list(rules["receiver"]) == [f"webhook to http://127.0.0.1:{receiver.port}/…"]
    assert list(history["state"]) == ["● sent"]
    assert list(history["error"]) == ["It responded 200 OK."]
    assert SECRET_PATH not in said(app) + rules.to_csv() + history.to_csv()


def test_a_rule_is_added_with_the_form(lab: Lab, receiver: Receiver, open_page: Open) -> None:
    app = open_page("alerts")
    app.selectbox(key="alert-kind new").set_value(AlertKind.STALENESS).run()
    app.selectbox(key="alert-feed new").set_value("fleet")
    app.number_input(key="alert-staleness threshold new").set_value(20.0)
    app.text_input(key="alert-name new").set_value("fleet is old")
    app.text_input(key="alert-address new").set_value(receiver.address)
    button(app, "Add").click().run()
    assert not app.exception
    (rule,) = Services(lab, ANA).alerts.rules()
    assert (rule.name, rule.condition.threshold) == ("fleet is old", 20)
    assert app.code[0].value == Services(lab, ANA).alerts.signing_key(rule.rule_id)
    assert "hunter2" not in said(app)


def test_an_error_of_a_field_is_shown_below_it(lab: Lab, open_page: Open) -> None:
    app = open_page("alerts")
    app.text_input(key="alert-name new").set_value("nowhere")
    app.text_input(key="alert-address new").set_value("ftp://nowhere")
    button(app, "Add").click().run()
    (wrong,) = app.error
    assert wrong.value.startswith("The receiver's address cannot be used.")
    assert app.text_input(key="alert-name new").value == "nowhere", "nothing is typed twice"
    app.text_input(key="alert-address new").set_value("https://example.org/x")
    app.text_input(key="alert-name new").set_value(" ")
    button(app, "Add").click().run()
    assert [each.value.strip() for each in app.error] == ["A rule's name has 1 to 80 characters."]
    assert Services(lab, ANA).alerts.rules() == []


def test_a_rule_is_changed_tested_silenced_and_deleted(
    lab: Lab, receiver: Receiver, open_page: Open
) -> None:
    services = Services(lab, ANA).alerts
    asked = Condition(AlertKind.PRICE, account="acme", threshold=0.00005, again_h=6)
    rule = services.add("dear", asked, Channel.WEBHOOK, receiver.address).rule
    key = rule.rule_id
    app = open_page("alerts")
    app.session_state[tables.key_of("rules", [key])] = select(0)
    app.run()
    form = alerts_form.key_of(services.rule(key))
    assert app.number_input(key=f"alert-price threshold {form}").value == 5e-5
    assert app.selectbox(key=f"alert-account {form}").value == "acme"
    app.text_input(key=f"alert-pool {form}").set_value("somewhere")
    app.number_input(key=f"alert-price threshold {form}").set_value(0.25)
    button(app, "Save").click().run()
    assert "'somewhere' is not of the form region:zone:type:os." in app.error[0].value
    assert services.rule(key) == rule

    services.change(key, condition=(asked := replace(asked, again_h=12)))
    app.text_input(key=f"alert-pool {form}").set_value("")
    button(app, "Save").click().run()
    assert "was changed meanwhile" in app.error[0].value
    assert services.rule(key).condition == asked, "what somebody else changed is not overwritten"

    form = alerts_form.key_of(services.rule(key))
    assert app.text_input(key=f"alert-name {form}").value == "dear"
    app.number_input(key=f"alert-price threshold {form}").set_value(0.25)
    app.text_input(key=f"alert-name {form}").set_value("too dear")
    button(app, "Save").click().run()
    assert not app.error
    changed = services.rule(key)
    assert (changed.name, changed.condition) == ("too dear", replace(asked, threshold=0.25))
    assert changed.shown_address == rule.shown_address
    assert list(app.dataframe[0].value["condition"]) == [changed.condition.words]

    button(app, "Send a test").click().run()
    assert receiver.events == ["test"]
    assert "It responded 200 OK" in app.success[0].value
    button(app, "Switch off").click().run()
    assert not services.rule(key).enabled
    assert list(app.dataframe[0].value["state"]) == ["○ off"]
    button(app, "Delete rule").click().run()
    assert services.rules() == []


def test_who_may_only_read_is_offered_no_change(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, person(Role.VIEWER))
    app = open_page("alerts")
    assert not app.exception
    assert not app.expander
