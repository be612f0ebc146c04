"""The page My account: password, tokens and sessions."""

from __future__ import annotations

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.runtime.lab import Lab
from tests.pages.conftest import Open, button, said
from tests.support.access import PASSWORD, add_user, quick_passwords, signed_in
from tests.support.people import open_pages_as

__all__ = ["quick_passwords"]
ANOTHER = "violet harbor lantern"


@pytest.mark.usefixtures("quick_passwords")
def test_password_tokens_and_sessions_of_ones_own(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    here, there = signed_in(lab), signed_in(lab)
    who = Principal("ana", Role.ADMIN, via="session", session_id=here.session.session_id)
    open_pages_as(monkeypatch, who)
    app = open_page("me")
    assert "Signed in on 2 browsers" in said(app)
    app.button(key=f"end {there.session.session_id}").click().run()
    assert "Signed in on 1 browser" in said(app)

    button(app, "Create token").click().run()
    assert "A token's name has 1 to 80 characters." in app.warning[0].value
    app.text_input(key="token-name").set_value("grafana")
    button(app, "Create token").click().run()
    token = app.code[0].value
    assert token.startswith("spl_")
    button(app, "I have copied it: hide").click().run()
    assert not app.code, "it is shown once"
    assert "grafana" in said(app)
    button(app, "Revoke").click().run()
    assert "0 API tokens" in said(app)

    there = signed_in(lab)
    for old, new, again, answer in (
        (PASSWORD, ANOTHER, "something else", "The two new passwords differ"),
        ("wrong", ANOTHER, ANOTHER, "The old password is wrong."),
        (PASSWORD, "short", "short", "fewer than 12"),
    ):
        for key, text in (("old", old), ("new", new), ("again", again)):
            app.text_input(key=f"password-{key}").set_value(text)
        button(app, "Change password").click().run()
        assert answer in app.warning[0].value
    for key, text in (("old", PASSWORD), ("new", ANOTHER), ("again", ANOTHER)):
        app.text_input(key=f"password-{key}").set_value(text)
    button(app, "Change password").click().run()
    assert app.toast[0].value == "Your password is changed."
    open_now = [each.session_id for each in lab.store.sessions.of("ana", lab.clock.now())]
    assert open_now == [here.session.session_id], "other browsers are signed out"
    assert token not in said(app)
