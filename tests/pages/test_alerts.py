"""The Alerts page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotlab.domain.access import Role
from spotlab.domain.alerts import AlertKind, Channel, Condition
from spotlab.runtime.alerts.ringing import look
from spotlab.runtime.desk import Desk
from spotlab.runtime.lab import Lab
from tests.pages.conftest import Open, said
from tests.support.lab import DictStore
from tests.support.people import ANA, look_as, person
from tests.support.receivers import SECRET_PATH, Receiver, receiving

REDIS_DOWN = Condition(AlertKind.STATE, component="Redis cache")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_without_rules_it_says_what_to_do(lab: Lab, open_page: Open) -> None:
    app = open_page("alerts")
    assert app.title[0].value == "0 rules: nobody is told when something goes wrong"
    assert app.expander[0].label == "Add a rule"


def test_what_rings_and_what_was_told(
    lab: Lab, online: DictStore, receiver: Receiver, open_page: Open
) -> None:
    Desk(lab, ANA).alerts.add("redis", REDIS_DOWN, Channel.WEBHOOK, receiver.address)
    online.down = True
    lab.prober.round(lab)
    look(lab)
    app = open_page("alerts")
    assert app.title[0].value == "1 alert rings of 1 rule"
    ringing, rules, history = (table.value for table in app.dataframe)
    assert list(ringing["subject"]) == ["Redis cache is down"]
    assert list(rules["told"]) == [f"webhook to http://127.0.0.1:{receiver.port}/…"]
    assert list(history["state"]) == ["● sent"]
    assert list(history["error"]) == ["It answered 200 OK: ok"]
    assert SECRET_PATH not in said(app) + rules.to_csv() + history.to_csv()


def test_a_rule_is_added_with_the_form(lab: Lab, receiver: Receiver, open_page: Open) -> None:
    app = open_page("alerts")
    app.selectbox(key="alert-kind").set_value(AlertKind.STALENESS).run()
    app.selectbox(key="alert-feed").set_value("fleet")
    app.number_input(key="alert-minutes").set_value(20.0)
    app.text_input(key="alert-name").set_value("fleet is old")
    app.text_input(key="alert-address").set_value(receiver.address)
    next(button for button in app.button if button.label == "Add").click().run()
    assert not app.exception
    (rule,) = Desk(lab, ANA).alerts.rules()
    assert (rule.name, rule.condition.threshold) == ("fleet is old", 20)
    assert app.code[0].value == Desk(lab, ANA).alerts.signing_key(rule.rule_id)
    assert "hunter2" not in said(app)


def test_a_form_that_makes_no_sense_is_explained(lab: Lab, open_page: Open) -> None:
    app = open_page("alerts")
    app.text_input(key="alert-name").set_value("nowhere")
    app.text_input(key="alert-address").set_value("ftp://nowhere")
    next(button for button in app.button if button.label == "Add").click().run()
    assert "The receiver's address cannot be used." in said(app)
    assert Desk(lab, ANA).alerts.rules() == []


def test_who_may_only_read_is_offered_no_change(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_as(monkeypatch, person(Role.VIEWER))
    app = open_page("alerts")
    assert not app.exception
    assert not app.expander
