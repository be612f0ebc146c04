"""The real app as a process of its own, and Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.conftest import ROOT
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
START_S = 60.0


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no `chromium` on PATH")
    opened = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
    yield opened
    opened.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme=request.param
    )
    errors = Errors()
    opened = context.new_page()
    errors.watch(opened)
    yield opened
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on a free port, with a home of its own and the simulated market."""
    home = tmp_path_factory.mktemp("home")
    models = tmp_path_factory.mktemp("models")
    save_toy_model(models)
    save_carded_model(models, "1.1.0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "SPOTLAB_HOME": str(home),
        "SPOTLAB_MODELS_DIR": str(models),
        "SPOTLAB_MARKET": "simulated",
        "SPOTLAB_AUTH": "off",  # signing in has tests of its own
    }
    log = (home / "serve.log").open("wb")
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name("spotlab")), "serve", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(f"{url}/healthz", server, Path(log.name))
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        log.close()
    written = Path(log.name).read_text(errors="replace")
    raised = [
        part for part in written.split("Traceback (most recent call last)")[1:] if _ours(part)
    ]
    assert not raised, written[-5000:]


def _ours(traceback: str) -> bool:
    """Streamlit logs one of its own where a browser leaves while a part of a page is rerun."""
    return "WebSocketDisconnect" not in traceback


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the app did not start: {log.read_text()[-2000:]}")
