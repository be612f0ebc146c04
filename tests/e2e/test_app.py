"""The app in a browser: from an instance to its why, without an error, readable for everyone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walking import follow, open_path, select_row, serious_violations, settle

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
]

PAGES = (
    "/",
    "/instances",
    "/candidates",
    "/workloads",
    "/workloads?workload=default",
    "/what_if",
    "/what_if?risk_ceiling=0.02&interruption_usd=5",
    "/explanations",
    "/experiments",
    "/experiments?id=1",
    "/market",
    "/models",
    "/policies",
    "/health",
)


def test_from_an_instance_to_its_why(page: Page, app_url: str) -> None:
    open_path(page, app_url)
    expect(page.locator("h1")).to_contain_text("24 instances")
    expect(page.get_by_text("Simulated market").first).to_be_visible()
    expect(page.get_by_text("Execution off").first).to_be_visible()

    select_row(page, 0)
    page.get_by_role("button", name="Evaluate 1 selected").click()
    expect(page.get_by_text("1 decision recorded")).to_be_visible(timeout=60_000)
    settle(page)

    follow(page, "Open the decision")
    assert re.search(r"/experiments\?id=\d+", page.url)
    expect(page.locator("h1")).to_contain_text(re.compile("STAY|SWITCH|FALLBACK"))

    follow(page, "Candidates now")
    assert "instance=i-" in page.url
    expect(page.locator("h1")).to_contain_text(re.compile("best of|None of"))

    select_row(page, 0)
    follow(page, "Why this risk")
    expect(page.locator("h1")).to_contain_text("within 24 h")
    expect(page.get_by_text("Contributions to the risk of")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_page_is_accessible(page: Page, app_url: str, path: str) -> None:
    open_path(page, f"{app_url}{path}")
    assert serious_violations(page) == []
