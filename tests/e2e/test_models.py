"""Models in a browser: leaderboard, one card, an action with its reason, every view."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walking import open_path, select_row, serious_violations, settle

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
]


def move(page: Page, name: str, reason: str) -> None:
    page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()
    expect(page.get_by_text("What will change.")).to_be_visible(timeout=30_000)
    page.get_by_label("Reason").fill(reason)
    page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    expect(page.get_by_text("toy@1.0.0 is").first).to_be_visible(timeout=30_000)
    settle(page)


def test_from_the_leaderboard_to_a_decision_about_a_model(page: Page, app_url: str) -> None:
    open_path(page, f"{app_url}/models")
    expect(page.locator("h1")).to_contain_text("1 champion: toy")
    select_row(page, 1)
    expect(page.locator("h1")).to_contain_text("toy@1.0.0 for", timeout=30_000)
    settle(page)
    assert "view=card" in page.url
    assert "model=toy%401.0.0" in page.url
    off = page.get_by_test_id("stButtonGroup").get_by_text("Enable", exact=True).count() > 0
    move(page, "Enable" if off else "Disable", "Only to see that it is written down")
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_text("was champion for")).to_be_visible(timeout=30_000)
    # Streamlit's own toast has no accessible name; it goes by itself.
    expect(page.get_by_test_id("stToast")).to_have_count(0, timeout=30_000)
    assert serious_violations(page) == []


@pytest.mark.parametrize("view", ["versus", "use"])
def test_view_is_accessible(page: Page, app_url: str, view: str) -> None:
    open_path(page, f"{app_url}/models?view={view}")
    assert serious_violations(page) == []
