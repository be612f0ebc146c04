"""First content, second page and reruns of the screens, beside an empty Streamlit app.

    python -m benchmarks page [--data=../shared/data] [--json]

Both apps run in servers of their own. Contents are timed in a new browser (Chromium), and reruns
over the websocket without one: from the request to the end of the script's run. The market is that
of the recorded feeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from benchmarks._comparison import RUNS, Row, show
from benchmarks._recorded import FILES, recorded_folder
from benchmarks._server import SPOTLAB, Server, free_port, get
from benchmarks._sessions import Session, Tally
from benchmarks.load import warm_up
from spotlab.domain.market import FeedKind

RERUNS = 21
PEER = "empty Streamlit app"
EMPTY = """import streamlit as st
st.set_page_config(layout="wide")
st.navigation([st.Page(first, title="First", default=True), st.Page(second, title="Second")]).run()
"""
PAGES = """def first():
    import streamlit as st
    st.title("First page")
def second():
    import streamlit as st
    st.title("Second page")
"""
OPTIONS = {
    FeedKind.ADVISOR: "--advisor-file",
    FeedKind.SPOT_PRICES: "--spot-prices-file",
    FeedKind.ON_DEMAND: "--on-demand-file",
    FeedKind.SPECS: "--specs-file",
}


def main(data: str = "", json: str = "", browser: str = "/usr/bin/chromium") -> None:
    """Print one row for each; those with a browser only if there is one."""
    folder = recorded_folder(data)
    if folder is None:
        return
    with (
        tempfile.TemporaryDirectory(prefix="spotlab-page-") as home,
        _empty_app(Path(home)) as empty,
        _app(Path(home) / "home", folder) as ours,
    ):
        rows = asyncio.run(_reruns(ours, empty))
        if Path(browser).exists():
            rows += _contents(browser, ours, empty)
    show(rows, as_json=bool(json))


@contextlib.contextmanager
def _app(home: Path, folder: Path) -> Iterator[str]:
    server = Server(home, scheduler="off")
    try:
        server.wait_until()
        asyncio.run(warm_up(server.url, ""))
        files = [
            str(word) for kind, name in FILES.items() for word in (OPTIONS[kind], folder / name)
        ]
        subprocess.run(
            [SPOTLAB, "collect", *files],
            env=os.environ | {"SPOTLAB_HOME": str(home), "SPOTLAB_MARKET": "simulated"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        yield server.url
    finally:
        server.stop()


def _any_instance_id(url: str) -> str:
    with urllib.request.urlopen(f"{url}/api/v1/instances") as answer:
        return str(json.load(answer)["items"][0]["instance_id"])


@contextlib.contextmanager
def _empty_app(folder: Path) -> Iterator[str]:
    script, port = folder / "empty.py", free_port()
    script.write_text(PAGES + EMPTY)
    options = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    options += ["--server.headless", "true", "--browser.gatherUsageStats", "false"]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while get(f"{url}/_stcore/health")[0] != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


async def _reruns(ours: str, empty: str) -> list[Row]:
    instance = await asyncio.to_thread(_any_instance_id, ours)
    screens = {
        "Instances": ("instances", ""),
        "Candidates, for an instance": ("candidates", f"instance={instance}"),
        "Explanations": ("explanations", f"instance={instance}"),
        "Experiments": ("experiments", ""),
        "Health": ("health", ""),
    }
    rows = []
    async with (
        Session(ours.replace("http", "ws", 1), Tally()) as session,
        Session(empty.replace("http", "ws", 1), Tally()) as peer,
    ):
        for name, (page, query) in screens.items():
            mine, others = list[float](), list[float]()
            for _ in range(3):
                await session.open(page, query)
                await peer.open("instances")
            for _ in range(RERUNS):
                mine.append(await session.open(page, query))
                others.append(await peer.open("instances"))
            rows.append(_row(f"rerun of {name}", mine, others, 1 / 3))
        if session.tally.errors:
            raise RuntimeError("; ".join(session.tally.errors[:3]))
    return rows


def _contents(executable: str, ours: str, empty: str) -> list[Row]:
    first, second = ([], []), ([], [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(RUNS):
            for side, app in enumerate((ours, empty)):
                took = _visit(browser, app, *TEXTS[side])
                first[side].append(took[0])
                second[side].append(took[1])
        browser.close()
    return [
        _row("first content, cold browser", *first, 1 / 2),
        _row("second page", *second, 1 / 1.3),
    ]


TEXTS = (
    ("h1", "/health", "h1"),
    ("h1", "/second", "h1"),
)
"""Of ours and of the empty app: the first page's content, another page and its content."""


def _visit(browser: Browser, url: str, content: str, path: str, then: str) -> tuple[float, float]:
    """Seconds until the first content with empty caches, and until that of the second page."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(content)
    first = time.perf_counter() - started
    page.wait_for_timeout(1000)
    started = time.perf_counter()
    page.goto(url + path)
    page.wait_for_selector(then)
    second = time.perf_counter() - started
    context.close()
    return first, second


def _row(what: str, ours: list[float], peer: list[float], target: float) -> Row:
    ours_s, peer_s = median(ours), median(peer)
    ratio = peer_s / ours_s
    return Row(what, ours_s, PEER, peer_s, ratio, target, ratio >= target)
