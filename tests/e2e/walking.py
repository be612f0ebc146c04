"""Walking through the app as a reader does, and what the browser says meanwhile."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, expect

IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
FIRST_RUN_MS = 120_000
ROW_PX = 33
PROBES = re.compile(r"/_stcore/(health|host-config)$")
"""On a deep link Streamlit's browser code first looks for its server below the page's own path,
is answered 404, and then asks at the root, where it is."""


def is_error(message: ConsoleMessage) -> bool:
    found_elsewhere = "404" in message.text and PROBES.search(message.location["url"])
    return message.type == "error" and not found_elsewhere


class Errors(list[str]):
    """What the browser complained of."""

    def watch(self, page: Page) -> None:
        page.on("console", lambda m: self.append(f"{m.text} {m.location}") if is_error(m) else None)
        page.on("pageerror", lambda error: self.append(str(error)))


def open_path(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("h1")).not_to_contain_text("Preparing SpotLab", timeout=FIRST_RUN_MS)
    settle(page)


def settle(page: Page) -> None:
    """Until the script has run and the page's answer stands there."""
    page.wait_for_selector(IDLE, timeout=60_000)
    expect(page.locator("h1")).to_have_count(1, timeout=30_000)


def select_row(page: Page, row: int) -> None:
    """Click a cell of the first table as a hand does: its canvas has no element a row, and takes
    a click only where it has seen the pointer come."""
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    x, y = box["x"] + 120, box["y"] + ROW_PX * (row + 1) + 16
    page.mouse.move(x, y - 8)
    page.mouse.move(x, y, steps=8)
    page.mouse.down()
    page.mouse.up()


def follow(page: Page, link: str) -> None:
    page.get_by_role("link", name=link).click()
    expect(page.get_by_role("link", name=link)).to_have_count(0, timeout=30_000)
    settle(page)


FADES_DONE = """() => document.getAnimations().every(
  fade => fade.playState !== "running" || fade.effect.getComputedTiming().endTime === Infinity
)"""
"""Streamlit fades colours when a button is enabled and when an element becomes current: a contrast
measured half way is no contrast that anybody reads."""


def serious_violations(page: Page) -> list[str]:
    """What axe finds serious or critical once colours have stopped changing, with the element."""
    page.wait_for_function(FADES_DONE)
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
