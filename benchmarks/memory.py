"""Resident memory of the app and of the emulated AWS.

    python -m benchmarks memory [--idle=20] [--browser=0] [--sessions=4] [--json]

The figures wanted are those of `--idle=600 --browser=1500`: ten minutes without a user, then 25
with one browser that clicks through the pages. The peer is the memory that is wanted; the columns
of seconds are MB.
"""

from __future__ import annotations

import asyncio
import json as json_text
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks._comparison import show
from benchmarks._server import Server
from benchmarks._sessions import Session, Tally, click_through
from benchmarks.cli import against
from benchmarks.load import PAGES
from benchmarks.start import wait_until_decided

IDLE_MB, BROWSER_MB, SESSION_MB, EMULATOR_MB = 250.0, 300.0, 2.4, 120.0


def main(idle: str = "20", browser: str = "0", sessions: str = "4", json: str = "") -> None:
    """Print one row a figure."""
    with tempfile.TemporaryDirectory(prefix="spotlab-memory-") as folder:
        server = Server(Path(folder) / "home")
        try:
            server.wait_until()
            wait_until_decided(server)
            time.sleep(float(idle))
            rows = [
                against(f"app, idle for {idle} s (MB)", server.rss_mb(), IDLE_MB),
                against("emulated AWS (MB)", rss_mb(emulator_pid(server.home)), EMULATOR_MB),
            ]
            if float(browser):
                asyncio.run(_browse(server, float(browser)))
                what = f"app, after {browser} s with a browser (MB)"
                rows.append(against(what, server.rss_mb(), BROWSER_MB))
            each = asyncio.run(_session_mb(server, int(sessions)))
            rows.append(against("a further session (MB)", max(each, 0.01), SESSION_MB))
        finally:
            server.stop()
    show(rows, as_json=bool(json))


def emulator_pid(home: Path) -> int:
    """Process of the emulated AWS of a home, by its ready file."""
    (ready,) = (home / "run").glob("emulated-aws-*.json")
    return int(json_text.loads(ready.read_text())["pid"])


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def _url(server: Server) -> str:
    return server.url.replace("http", "ws", 1)


async def _browse(server: Server, seconds: float) -> None:
    async with Session(_url(server), Tally()) as session:
        await click_through(session, PAGES, time.perf_counter() + seconds, (2.0, 6.0), 0)


async def _session_mb(server: Server, count: int) -> float:
    """What each of some sessions adds, after one has filled the caches that all share."""
    async with AsyncExitStack() as stack:
        await (await stack.enter_async_context(Session(_url(server), Tally()))).open(PAGES[0])
        before = server.rss_mb()
        for _ in range(count):
            session = await stack.enter_async_context(Session(_url(server), Tally()))
            await session.open(PAGES[0])
        return (server.rss_mb() - before) / count
