"""The Accounts page: an account is added, validated, and no longer managed."""

from __future__ import annotations

from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.accounts import actions
from spotlab.ui.common import tables
from tests.pages.conftest import Open, button, finish, said, select
from tests.support.people import ANA

ROLE = "arn:aws:iam::999999999999:role/spotlab"


def test_an_account_is_added_tried_changed_and_put_away(lab: Lab, open_page: Open) -> None:
    app = open_page("accounts")
    app.text_input(key="account-name new").set_value("acme")
    app.text_input(key="account-id new").set_value("999999999999")
    app.text_input(key="account-role new").set_value("arn:aws:iam::123:role/spotlab")
    app.text_input(key="account-external new").set_value("between us two")
    app.multiselect(key="account-regions new").set_value(["us-east-1"])
    button(app, "Add").click().run()
    assert "is not a role of account 999999999999." in app.warning[0].value
    assert "Example: arn:aws:iam::999999999999:role/spotlab." in app.warning[0].value
    app.text_input(key="account-role new").set_value(ROLE)
    app.text_input(key="account-external new").set_value("between-us-two")
    button(app, "Add").click().run()
    assert "'acme'" in app.error[0].value, "an account that is there is not overwritten"
    app.text_input(key="account-name new").set_value("zeta")
    button(app, "Add").click().run()
    assert app.toast[0].value.startswith("zeta is saved")
    assert app.text_input(key="account-external new").value == ""
    assert list(app.dataframe[0].value["external"]) == ["no", "yes"]

    app.session_state[tables.key_of("accounts", ["acme", "zeta"])] = select(1)
    app.run()
    button(app, "Validate").click().run()
    assert "No AWS in this test." in said(finish(app, "validate-account"))
    app.text_input(key="active-reason zeta").set_value("closed")
    button(app, "Stop managing").click().run()
    assert list(app.dataframe[0].value["state"]) == ["managed", "not managed"]
    services = Services(lab, ANA).accounts
    form = actions.key_of(services.get("zeta"))
    app.multiselect(key=f"account-regions {form}").set_value(["us-east-1", "us-west-2"])
    button(app, "Save").click().run()
    kept = services.get("zeta")
    assert actions.key_of(kept) != form, "a form that is open elsewhere begins anew"
    assert kept.regions == ("us-east-1", "us-west-2")
    assert not kept.active, "a change of regions looks after nothing again"
    assert "between-us-two" not in said(app) + app.dataframe[0].value.to_csv()
