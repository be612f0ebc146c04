"""A page that is still open when its reader's session has ended: nothing of it acts any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NoReturn

import pytest

from spotlab.access.authentication import SESSION_COOKIE, Gate
from spotlab.domain.access import Principal, Role
from spotlab.domain.alerts import AlertKind, Channel, Condition
from spotlab.domain.ports import By
from spotlab.errors import NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.accounts import actions as accounts_actions
from spotlab.ui.accounts import validation
from spotlab.ui.common import guard, identity, session, tables
from spotlab.ui.instances import actions as instances_actions
from spotlab.ui.market import view
from tests.pages.conftest import Open, said, select
from tests.support.access import add_user, quick_passwords, signed_in
from tests.support.people import ANA, open_pages_as

__all__ = ["quick_passwords"]


def ended(*, used: bool) -> NoReturn:
    raise NotSignedIn("This session was ended.", remedy="Sign in again.")


def test_no_button_of_an_open_page_acts_for_who_is_signed_out(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(lab, ANA)
    services.users.add("vera", Role.VIEWER)
    watched = Condition(AlertKind.STATE, component="Redis cache")
    rule = services.alerts.add(
        "redis", watched, Channel.WEBHOOK, "http://127.0.0.1:9/x"
    ).rule.rule_id
    chosen = {
        "instances": "fleet",
        "accounts": tables.key_of("accounts", ["acme"]),
        "alerts": tables.key_of("rules", [rule]),
        "users": tables.key_of("users", ["vera"]),
    }
    changes = None
    for page in ("instances", "jobs", "market", "accounts", "alerts", "users"):
        open_pages_as(monkeypatch, ANA)
        app = open_page(page)
        if page in chosen:
            app.session_state[chosen[page]] = select(0)
            app.run()
        changes = lab.store.audit.count() if changes is None else changes
        offered = [button for button in app.button if not button.disabled]
        assert offered, page
        monkeypatch.setattr(identity, "reader", ended)
        for button in offered:
            button.click()
        app.run()
        if not app.exception:  # else a callback was refused, which app.py explains
            assert "This session was ended." in said(app), page
            assert any("/sign-in?next=" in html.proto.body for html in app.get("html")), page
        assert not app.title, f"{page} shows nothing more"
        assert lab.store.audit.count() == changes, f"{page} changed something"
        for slot in (
            instances_actions.SLOT,
            view.SLOT,
            accounts_actions.LIST,
            validation.VALIDATE,
        ):
            assert f"run:{slot}" not in app.session_state, f"{page} began {slot}"


@pytest.mark.usefixtures("quick_passwords")
def test_a_file_is_made_for_who_is_signed_in_when_it_is_clicked_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    signed = signed_in(lab)
    cookies = {SESSION_COOKIE: signed.token}
    monkeypatch.setattr(guard.st, "context", SimpleNamespace(cookies=cookies))
    services = session.deferred_services()
    cookies.clear()  # a file is made outside of a page's run
    assert services().audit.list()
    lab.store.sessions.revoke(signed.session.session_id, By("ana", lab.clock.now()))
    Gate(lab).forget()
    with pytest.raises(NotSignedIn):
        services()


def test_a_visitor_is_offered_no_change(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, Principal("visitor", Role.DEMO, ("acme",), via="visitor"))
    for page in ("instances", "jobs", "market", "models", "accounts", "alerts", "me"):
        app = open_page(page)
        assert app.title, page
        assert [button.label for button in app.button if not button.disabled] == [], page
