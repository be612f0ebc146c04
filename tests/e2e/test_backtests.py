"""Backtests in a browser: traces are sent, a sweep is run, a window is replayed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walking import open_path, serious_violations, settle
from tests.support.campaigns import ZONES, write_campaign

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
]

SWEEP_MS = 120_000


def fill(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    settle(page)


def test_from_sent_traces_to_a_replayed_window(page: Page, app_url: str, tmp_path: Path) -> None:
    folder = write_campaign(tmp_path / "sent")
    open_path(page, f"{app_url}/backtests?data=own")
    expect(page.locator(".st-key-backtest-start button")).to_be_disabled()
    files = [folder / f"{zone}.json" for zone in ZONES]
    page.locator("input[type=file][multiple]").set_input_files(files)
    for label, value in (
        ("Work (h)", "6"),
        ("Deadline from (h)", "8"),
        ("Deadline to (h)", "10"),
        ("Windows", "2"),
    ):
        fill(page, label, value)
    expect(page.get_by_text(re.compile(r"\d+ cells"))).to_be_visible(timeout=30_000)
    assert serious_violations(page) == []

    page.locator(".st-key-backtest-start button").click()  # it says Open the second time
    # The list's own headline says the same of the newest backtest: the address tells them apart.
    page.wait_for_url(re.compile(r"/backtests\?sweep=[0-9a-f]{16}"), timeout=60_000)
    expect(page.locator("h1")).to_contain_text("On 2 windows of 3 zones", timeout=SWEEP_MS)
    settle(page)
    expect(page.get_by_role("heading", name="Assumptions")).to_be_visible(timeout=30_000)
    assert serious_violations(page) == []

    page.get_by_text("One window replayed").click()
    expect(page.locator("h1")).to_contain_text("In window 1", timeout=30_000)
    expect(page.get_by_text("Why did each policy move?")).to_be_visible(timeout=60_000)
    page.mouse.move(0, 0)  # the clicked view is coloured while the pointer is on it
    settle(page)
    assert "view=replay" in page.url
    assert serious_violations(page) == []
