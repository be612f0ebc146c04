"""The real app as a process of its own, and Chromium to look at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.e2e.serving import served
from tests.e2e.walking import Errors
from tests.support.cards import save_carded_model
from tests.support.lab import save_toy_model

CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")

# Nothing here says how fast a screen is: on a busy machine it may take longer than 5 s.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Only as long as its module: it leaves an event loop running in the main thread."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no `chromium` on PATH")
    opened = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[dict[str, BrowserContext]]:
    """One for each colour scheme, with the browser's cache of scripts: a cold one costs seconds."""
    made = {
        scheme: browser.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        for scheme in SCHEMES
    }
    yield made
    for context in made.values():
        context.close()


@pytest.fixture(params=SCHEMES)
def page(request: pytest.FixtureRequest, contexts: dict[str, BrowserContext]) -> Iterator[Page]:
    """A page that nobody has used: without cookies and stored values."""
    context = contexts[request.param]
    errors = Errors()
    opened = context.new_page()
    errors.watch(opened)
    yield opened
    for each in context.pages:
        each.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        each.close()
    context.clear_cookies()
    assert errors == []


@pytest.fixture(scope="package")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on a free port, with a home of its own and the simulated market.

    It ends with this folder's tests, so as not to run beside all others.
    """
    home = tmp_path_factory.mktemp("home")
    models = tmp_path_factory.mktemp("models")
    save_toy_model(models)
    save_carded_model(models, "1.1.0")
    # Signing in has tests of its own.
    with served(home, models, SPOTLAB_AUTH="off") as app:
        yield app.url
