"""A switch in a browser: requested, approved, watched until it is done; and one rolled back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.domain.decision import MOVES
from spotlab.domain.switch_guards import SwitchingMode
from spotlab.domain.switches import SwitchState
from spotlab.errors import SpotlabError
from spotlab.runtime.bootstrap import bootstrap
from spotlab.services import Services
from spotlab.settings import load
from tests.e2e.serving import served
from tests.e2e.walking import open_path, select_row, serious_violations, settle
from tests.support.lab import save_toy_model

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
SWITCHED_MS = 180_000


@dataclass(frozen=True)
class Switching:
    """An app in which switching is on.

    Args:
        url: of the app.
        services: on its home, from another process.
        instances: that can be switched as decided; a test takes one.
    """

    url: str
    services: Services
    instances: list[str]


@pytest.fixture(scope="module")
def switching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switching]:
    home, models = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")
    save_toy_model(models)
    settings = load(home=home, models_dir=models, market="simulated", switching="on")
    with (
        bootstrap(settings) as lab,
        served(home, models, SPOTLAB_AUTH="off", SPOTLAB_SWITCHING="on") as app,
    ):
        services = Services(lab, LOCAL_ADMINISTRATOR)
        lab.sync_fleet()
        lab.collect()
        services.instances.evaluate()
        services.switch_guards.set_installation({"four_eyes": False}, "a test")
        for account in lab.store.fleet.accounts():
            services.switch_guards.set_account(
                account.name,
                {"mode": SwitchingMode.ON, "at_once_per_group": 10, "at_once": 10},
                "a test",
            )
        yield Switching(app.url, services, _switchable(services))


def _switchable(services: Services) -> list[str]:
    found = []
    for instance_id, decision in services.experiments.latest_per_instance().items():
        if decision.decision not in MOVES:
            continue
        services.instances.set_shadow(instance_id, shadow=False)
        try:
            plan = services.switches.plan(instance_id)
        except SpotlabError:
            continue
        if plan.refusal is None and all(each.question for each in plan.preflight.blocking):
            found.append(instance_id)
    return found


def _request(page: Page, switching: Switching) -> str:
    """Plan a switch on the instance's page and request it; returns the instance's id."""
    instance_id = switching.instances.pop()
    open_path(page, f"{switching.url}/instance?instance={instance_id}")
    page.get_by_role("button", name="Plan a switch").click()
    request = page.get_by_role("button", name="Request", exact=True)
    expect(request).to_be_visible(timeout=60_000)
    # The browser loads the code of checkboxes with the first of them, after the button stands.
    expect(page.get_by_role("checkbox", name=re.compile("^Dry run"))).to_be_visible()
    settle(page)
    questions = page.get_by_role("checkbox", name=re.compile("^Yes:"))
    # An answer may raise the next question.
    while unanswered := [each for each in questions.all() if not each.is_checked()]:
        unanswered[0].locator("xpath=ancestor::label").click()
        expect(unanswered[0]).to_be_checked()
        settle(page)
    page.get_by_label("Reason").last.fill("a cheaper pool")
    request.click()
    expect(page.get_by_text("it waits for approval").first).to_be_visible(timeout=60_000)
    return instance_id


def _approve(page: Page, switching: Switching) -> None:
    """Open the newest switch and approve it."""
    open_path(page, f"{switching.url}/switches")
    expect(page.locator("h1")).to_contain_text("1 waits for approval")
    select_row(page, 0)
    expect(page.get_by_text("From here on nothing can be undone")).to_be_visible()
    assert serious_violations(page) == []
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("h1")).to_contain_text("0 wait for approval", timeout=30_000)


def test_a_switch_is_requested_approved_and_watched_until_it_is_done(
    page: Page, switching: Switching
) -> None:
    instance_id = _request(page, switching)
    _approve(page, switching)
    expect(page.get_by_text(re.compile("running, .* of at most")).first).to_be_visible(
        timeout=SWITCHED_MS
    )
    expect(page.get_by_text("● done").last).to_be_visible(timeout=SWITCHED_MS)
    settle(page)
    assert serious_violations(page) == []
    (switch,) = switching.services.switches.list(limit=1)
    assert (switch.instance_id, switch.state) == (instance_id, SwitchState.DONE)
    assert switch.got is not None
    expect(page.get_by_text(switch.got.instance_id).first).to_be_visible()


def test_a_paused_switch_is_rolled_back_and_the_instance_still_runs(
    page: Page, switching: Switching
) -> None:
    instance_id = _request(page, switching)
    _approve(page, switching)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("▲ paused").last).to_be_visible(timeout=SWITCHED_MS)
    settle(page)
    page.get_by_placeholder("for the journal").first.fill("wrong day")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("○ rolled back").last).to_be_visible(timeout=SWITCHED_MS)
    facts = switching.services.instances.discover(instance_id)
    assert facts.state == "running"


@pytest.mark.parametrize("path", ["/switches", "/switches?tab=Guards", "/instance?tab=Facts"])
def test_a_phone_shows_the_answer_without_scrolling_sideways(
    page: Page, switching: Switching, path: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_path(page, f"{switching.url}{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_stop_is_on_every_screen_until_it_is_released(page: Page, switching: Switching) -> None:
    open_path(page, f"{switching.url}/switches")
    page.get_by_role("button", name="Stop all switches").click()
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Stop all switches").click()
    expect(page.get_by_text("Switches are stopped")).to_be_visible(timeout=30_000)
    open_path(page, f"{switching.url}/instances")
    expect(page.get_by_text("Execution stopped").first).to_be_visible()
    switching.services.switch_guards.release("a test")
