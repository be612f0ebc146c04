"""The app in a browser: from an instance to its why, without an error, readable for everyone."""

from __future__ import annotations

import re
import urllib.request

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

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
    "/candidates?vcpu=4&memory=16&pool=us-east-1:us-east-1a:m5.xlarge:Linux",
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
    expect(page.locator("h1")).to_contain_text(re.compile("[0-9]+ candidate|None of"))

    select_row(page, 0)
    follow(page, "Why this risk")
    expect(page.locator("h1")).to_contain_text("within 24 h")
    expect(page.get_by_text("Contributions to the risk of")).to_be_visible()

    page.go_back()
    settle(page)
    assert "pool=" in page.url, "Back returns to the selected candidate"
    expect(page.get_by_role("link", name="Why this risk")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 390])
def test_two_clicks_lead_from_a_switch_to_what_would_change_it(
    page: Page, app_url: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_path(page, f"{app_url}/instances")
    settle(page)
    select_row(page, 0)
    follow(page, "Why, and what would change it")
    expect(page.locator("h1")).to_contain_text("moves to")
    expect(page.get_by_role("heading", name="What would change it")).to_be_visible()
    expect(page.get_by_text("instead of").first).to_be_visible()


def test_a_candidate_is_chosen_by_keyboard_and_a_what_if_is_left_again(
    page: Page, app_url: str
) -> None:
    open_path(page, f"{app_url}/candidates")
    page.get_by_role("button", name="SWITCH").first.click()
    expect(page.locator("h1")).to_contain_text("candidate")
    settle(page)
    derived = page.locator("h1").inner_text()
    page.get_by_test_id("stDataFrame").first.locator("canvas").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Why this risk")).to_be_visible()
    settle(page)
    assert "pool=" in page.url

    vcpu = page.get_by_role("combobox", name="Min. vCPU · derived")
    vcpu.focus()
    vcpu.press_sequentially("192")
    vcpu.press("Enter")
    expect(page.locator("h1")).to_contain_text("What if")
    assert "vcpu=192" in page.url
    page.get_by_role("button", name="Back to the derived requirements").click()
    expect(page.locator("h1")).to_have_text(derived)
    assert "vcpu" not in page.url


def test_back_restores_search_and_the_open_instance(page: Page, app_url: str) -> None:
    open_path(page, f"{app_url}/instances")
    page.get_by_placeholder("name, type, zone, id").fill("checkout")
    page.keyboard.press("Enter")
    expect(page.get_by_text("4 of 24 instances")).to_be_visible()
    select_row(page, 1)
    expect(page.get_by_role("button", name="Close")).to_be_visible()
    settle(page)
    name = page.get_by_role("heading", level=2).inner_text()
    follow(page, "Open the decision")
    page.go_back()
    expect(page.get_by_role("heading", name=name, level=2)).to_be_visible()
    expect(page.get_by_text("4 of 24 instances")).to_be_visible()
    expect(page.get_by_placeholder("name, type, zone, id")).to_have_value("checkout")


def test_a_filter_outlives_timers_that_do_not_know_the_new_url(
    browser: Browser, app_url: str
) -> None:
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    sent: list[str | bytes] = []
    is_slow = False

    def slow_network(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def to_server(message: str | bytes) -> None:
            sent.append(message)
            server.send(message)

        def to_browser(message: str | bytes) -> None:
            if is_slow:
                held.append((socket, message))
            else:
                socket.send(message)

        socket.on_message(to_server)
        server.on_message(to_browser)

    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.route_web_socket("**/_stcore/stream", slow_network)
    open_path(page, f"{app_url}/instances")
    search = page.get_by_placeholder("name, type, zone, id")
    is_slow = True
    search.fill("checkout")
    page.keyboard.press("Enter")
    evaluate = urllib.request.Request(
        f"{app_url}/api/v1/evaluations", b"{}", {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(evaluate).close()
    before = len(sent)
    while len(sent) < before + 3:  # timers send the URL from before the search
        page.wait_for_timeout(100)
    is_slow = False
    for socket, message in held:
        socket.send(message)
    settle(page)
    expect(page.get_by_text("4 of 24 instances")).to_be_visible()
    expect(search).to_have_value("checkout")
    assert "q=checkout" in page.url
    page.close()


def test_by_keyboard_the_next_row_opens_beside_the_table(page: Page, app_url: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    open_path(page, f"{app_url}/instances")
    select_row(page, 0)
    heading = page.get_by_role("heading", level=2)
    expect(heading).to_be_in_viewport()
    settle(page)
    first = heading.inner_text()
    page.keyboard.press("ArrowDown")
    expect(heading).not_to_have_text(first)
    expect(heading).to_be_in_viewport()
    assert "instance=i-" in page.url


def test_a_narrow_screen_shows_decisions_first_and_details_at_once(
    page: Page, app_url: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_path(page, f"{app_url}/instances")
    expect(page.get_by_test_id("stDataFrame").first).to_be_in_viewport()
    expect(page.get_by_placeholder("name, type, zone, id")).to_be_hidden()
    page.get_by_text("Filters", exact=True).click()
    expect(page.get_by_placeholder("name, type, zone, id")).to_be_visible()
    page.get_by_text("Filters", exact=True).click()
    select_row(page, 0)
    expect(page.get_by_role("button", name="Close")).to_be_in_viewport()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Close")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_page_is_accessible(page: Page, app_url: str, path: str) -> None:
    open_path(page, f"{app_url}{path}")
    assert serious_violations(page) == []
