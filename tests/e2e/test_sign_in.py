"""Signing in to the real app: what is refused without it, and the way in and out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from spotlab.cli import main
from tests.e2e.serving import Served, served
from tests.e2e.walking import serious_violations, settle
from tests.support import oidc
from tests.support.access import PASSWORD
from tests.support.lab import save_toy_model
from tests.support.online import wait_until

pytestmark = pytest.mark.timeout(300)

LINK = re.compile(r"http://\S+/first-administrator\?code=\S+")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home"), models, SPOTLAB_AUTH="accounts") as running:
        yield running


def _handshake(url: str, **headers: str) -> int:
    """The status that a websocket is answered with."""
    target = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
    try:
        with connect(target, additional_headers=headers, proxy=None):
            return 101
    except InvalidStatus as exc:
        return exc.response.status_code


def test_nothing_is_served_before_any_session(app: Served) -> None:
    with httpx.Client(base_url=app.url, trust_env=False, timeout=60) as client:
        for page in ("/", "/candidates", "/models?model=toy", "/no-such-page"):
            answer = client.get(page)
            assert answer.status_code == 303, page
            assert answer.headers["location"].startswith("/sign-in")
        for path in ("/media/x.png", "/_stcore/host-config", "/_stcore/agent/openapi.json"):
            assert client.get(path).status_code == 401, path
        assert client.put("/_stcore/upload_file/s/f", content=b"x").status_code == 401
        assert client.get("/api/v1/instances").status_code == 401
        assert client.get("/metrics").status_code in (401, 403)
        for path in ("/healthz", "/_stcore/health", "/sign-in", "/sign-in.css"):
            assert client.get(path).status_code == 200, path


def test_a_direct_websocket_is_refused(app: Served) -> None:
    assert _handshake(app.url) == 403
    assert _handshake(app.url, Origin=app.url) == 403
    assert _handshake(app.url, Cookie="spotlab_session=a.b.c; spotlab_renewal=d.e.f") == 403


@pytest.mark.browser
def test_from_the_first_link_to_a_page_and_out(app: Served, page: Page, browser: Browser) -> None:
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    if not dark:  # the themes share one server, whose first administrator comes once
        wait_until(lambda: LINK.search(app.written()), "the link is printed", within_s=60)
        found = LINK.search(app.written())
        assert found is not None
        page.goto(found[0])
        assert serious_violations(page) == []
        page.get_by_label("Name").fill("ana")
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("Repeat the password").fill(PASSWORD)
        page.get_by_role("button", name="Create and sign in").click()
    else:
        page.goto(f"{app.url}/health")
        assert serious_violations(page) == []
        page.get_by_label("Name").fill("ana")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(re.compile("/health$"))
    expect(page.locator("h1")).not_to_contain_text("Preparing SpotLab", timeout=120_000)
    settle(page)
    cookies = {kept["name"]: kept for kept in page.context.cookies()}
    assert cookies["spotlab_session"]["httpOnly"]
    assert "spotlab" not in page.evaluate("document.cookie")
    kept = "; ".join(f"{name}={cookie['value']}" for name, cookie in cookies.items())
    assert _handshake(app.url, Cookie=kept, Origin=app.url) == 101
    assert _handshake(app.url, Cookie=kept, Origin="http://evil.example") == 403

    other = page.context.new_page()
    other.goto(f"{app.url}/me")
    settle(other)
    page.goto(f"{app.url}/sign-out")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    assert _handshake(app.url, Cookie=kept, Origin=app.url) == 403
    # A page whose connection is still open acts no more, and leads to the sign-in and back.
    other.get_by_role("button", name="Create token").click()
    other.get_by_role("link", name="Sign in").first.click()
    expect(other).to_have_url(re.compile(r"/sign-in\?next=%2Fme$"))
    page.goto(f"{app.url}/candidates")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_a_provider_signs_in(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    with oidc.provider() as provider:
        settings = {
            "SPOTLAB_AUTH": "oidc",
            "SPOTLAB_SCHEDULER": "off",  # the pages themselves are not looked at here
            "SPOTLAB_PUBLIC_URL": "{url}",
            "SPOTLAB_OIDC_METADATA_URL": provider.metadata_url,
            "SPOTLAB_OIDC_CLIENT_ID": oidc.CLIENT,
            "SPOTLAB_OIDC_CLIENT_SECRET": oidc.SECRET,
        }
        monkeypatch.setenv("SPOTLAB_AUTH", "oidc")
        words = ["users", "add", "ana", "--role", "admin", "--email", "ana@example.org"]
        assert main([*words, "--home", str(home)]) == 0
        with served(home, models, **settings) as app:
            provider.claims = {"sub": "7", "email": "eve@example.org", "email_verified": True}
            refused, client = _through(app.url)
            assert refused.status_code == 403
            assert "are not a user here" in refused.text
            assert not client.cookies
            provider.claims = {"sub": "42", "email": "Ana@example.org", "email_verified": True}
            entered, client = _through(app.url)
            assert str(entered.url) == f"{app.url}/candidates?vcpu=4"
            assert set(client.cookies) == {"spotlab_session", "spotlab_renewal"}
            kept = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            assert _handshake(app.url, Cookie=kept, Origin=app.url) == 101


def _through(url: str) -> tuple[httpx.Response, httpx.Client]:
    """From a deep link through the provider and back, as a browser goes."""
    with httpx.Client(base_url=url, trust_env=False, follow_redirects=True, timeout=60) as client:
        page = client.get("/candidates?vcpu=4")
        button = re.search(r'class="button" href="([^"]*)"', page.text)
        assert button is not None, page.text
        return client.get(unescape(button[1])), client
