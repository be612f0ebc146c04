"""The Users page: a user is added, gets another role, and is disabled."""

from __future__ import annotations

from spotlab.domain.access import Role
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.common import tables
from spotlab.ui.users import view
from tests.pages.conftest import Open, button, said, select
from tests.support.people import ANA

PUT_AWAY = "I have copied it: hide"


def test_a_user_is_added_changed_helped_and_disabled(lab: Lab, open_page: Open) -> None:
    app = open_page("users")
    assert app.title[0].value == "0 users: no one can sign in yet"
    app.text_input(key="new-user-name").set_value("not a name!")
    button(app, "Add").click().run()
    assert "This is not a valid user name." in app.warning[0].value
    for name in ("vera", "bea"):
        app.text_input(key="new-user-name").set_value(name)
        button(app, "Add").click().run()
    assert app.title[0].value == "2 users, 0 active administrators"
    assert list(app.dataframe[0].value["state"]) == ["not signed in yet"] * 2
    assert "/choose-password?code=" in app.code[0].value, "the link of who was added last"
    assert "Send bea this link; it is valid for a day." in said(app)
    first = app.code[0].value
    button(app, PUT_AWAY).click().run()
    assert not app.code

    app.session_state[tables.key_of("users", ["bea", "vera"])] = select(1)
    app.run()
    assert app.header[0].value == "vera"
    services = Services(lab, ANA).users
    form = view.key_of(services.get("vera"))
    app.selectbox(key=f"user-role {form}").set_value(Role.OPERATOR)
    app.multiselect(key=f"user-accounts {form}").set_value(["acme"])
    services.set("vera", email="vera@example.org")
    button(app, "Save").click().run()
    assert services.get("vera").email == "vera@example.org", "somebody else's change stays"
    assert list(app.dataframe[0].value["role"]) == ["viewer", "operator"]
    assert list(app.dataframe[0].value["accounts"]) == ["all", "acme"]
    button(app, "Reset password").click().run()
    assert "Send vera this link" in said(app)
    assert app.code[0].value != first
    button(app, "Disable").click().run()
    assert not app.code, "a link is not shown beside another change"
    assert list(app.dataframe[0].value["state"]) == ["not signed in yet", "disabled"]
    assert button(app, "Enable")

    app.text_input(key="new-user-name").set_value("ana")
    button(app, "Add").click().run()
    assert "vera" not in [header.value for header in app.header], "nobody else is selected instead"
