"""The Accounts page: accounts are onboarded, added, validated, rotated and no longer managed."""

from __future__ import annotations

from datetime import UTC, datetime

from spotlab.aws.permission_checks import PermissionCheck, State
from spotlab.aws.permissions import Access
from spotlab.domain.ports import Account, RegionListing
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.services.accounts import Validation
from spotlab.ui.accounts import actions, validation
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


def test_an_account_is_onboarded_in_steps(lab: Lab, open_page: Open) -> None:
    app = open_page("accounts")
    app.text_input(key="onboarding-name").set_value("acme")
    app.text_input(key="onboarding-id").set_value("999999999999")
    app.multiselect(key="onboarding-regions").set_value(["us-east-1"])
    button(app, "Next: create the role").click().run()
    assert "'acme'" in app.error[0].value, "an account that is there is not overwritten"
    app.text_input(key="onboarding-name").set_value("team")
    app.radio(key="onboarding-access").set_value(Access.SWITCHING)
    button(app, "Next: create the role").click().run()
    secret = stored(lab, "team").external_id
    assert [each.value for each in app.code].count(secret) == 1
    assert "No AWS in this test." in said(app), "the identity cannot be asked"
    app.text_input(key="principal team").set_value("arn:aws:iam::222222222222:role/lab")
    button(app, "Show the role").click().run()
    codes = [each.value for each in app.code]
    assert any("AWSTemplateFormatVersion" in each for each in codes)
    assert any("iam:PassRole" in each for each in codes), "with switching"
    assert sum(secret in each for each in codes) == 1, "templates do not contain it"
    assert app.radio(key=validation.access_key("team")).value is Access.SWITCHING

    button(app, "Save and manage the account").click().run()
    assert app.toast[0].value.startswith("team is managed")
    assert stored(lab, "team").active
    button(app, "I have copied it: hide").click().run()
    assert secret not in said(app) + str([each.value for each in app.code])
    button(app, "Finish").click().run()
    assert app.text_input(key="onboarding-name").value == ""


def test_an_external_id_is_rotated(lab: Lab, open_page: Open) -> None:
    Services(lab, ANA).onboarding.start("rota", "999999999999", ["us-east-1"])
    app = open_page("accounts")
    names = sorted(each.name for each in lab.store.fleet.accounts())
    app.session_state[tables.key_of("accounts", names)] = select(names.index("rota"))
    app.run()
    button(app, "Rotate").click().run()
    secret = stored(lab, "rota").pending_external_id
    assert secret in [each.value for each in app.code]
    button(app, "Confirm").click().run()
    assert "No AWS in this test." in said(app)
    assert stored(lab, "rota").pending_external_id == secret
    button(app, "Cancel rotation").click().run()
    assert secret not in said(app) + str([each.value for each in app.code])
    assert not stored(lab, "rota").pending_external_id


def test_a_region_that_failed_is_named_and_the_others_stay(lab: Lab, open_page: Open) -> None:
    now = lab.clock.now()
    failed = RegionListing("me-south-1", None, "It is not enabled.", "OptInRequired")
    lab.store.fleet.note_listing(
        "acme", now, "It is not enabled.", [RegionListing("us-east-1", now), failed]
    )
    app = open_page("accounts")
    assert "me-south-1 of acme could not be listed" in said(app)
    shown = app.dataframe[0].value
    assert shown.set_index("name")["state"]["acme"] == "partly listed"
    names = sorted(each.name for each in lab.store.fleet.accounts())
    app.session_state[tables.key_of("accounts", names)] = select(names.index("acme"))
    app.run()
    regions = next(each.value for each in app.dataframe if "code" in each.value)
    assert list(regions["region"]) == ["me-south-1", "us-east-1"]
    assert list(regions["state"]) == ["not listed", "managed"]
    assert regions["code"][0] == "OptInRequired"


def test_permissions_with_the_same_result_share_a_row() -> None:
    def check(region: str, state: State, reason: str) -> PermissionCheck:
        return PermissionCheck("ec2:RunInstances", "switching", "launches", region, state, reason)

    found = [
        check("us-east-1", State.ALLOWED, "AWS would do it."),
        check("eu-west-1", State.ALLOWED, "AWS would do it."),
        check("me-south-1", State.DENIED, "No."),
    ]
    rows = validation.rows(Validation("acme", [], datetime.now(UTC), found))
    assert list(rows["state"]) == ["denied", "allowed"]
    assert list(rows["regions"]) == ["me-south-1", "us-east-1, eu-west-1"]


def stored(lab: Lab, name: str) -> Account:
    return next(each for each in lab.store.fleet.accounts() if each.name == name)


def test_an_account_is_removed_once_that_is_confirmed(lab: Lab, open_page: Open) -> None:
    services = Services(lab, ANA)
    services.onboarding.start("zeta", "999999999999", ["us-east-1"])
    services.accounts.set_active("zeta", True)
    app = open_page("accounts")
    app.session_state[tables.key_of("accounts", ["acme", "zeta"])] = select(1)
    app.run()
    button(app, "Remove").click().run()
    assert app.toast[0].value == "zeta was not removed: confirm it first."
    app.checkbox(key="remove-sure zeta").check()
    app.text_input(key="remove-reason zeta").set_value("sold")
    button(app, "Remove").click().run()
    assert app.toast[0].value == "zeta is removed."
    assert [each.name for each in lab.store.fleet.accounts()] == ["acme"]
    assert lab.store.audit.entries()[0].reason == "sold"
