"""Fifty open screens: `python -m benchmarks load [--sessions=50] [--seconds=180] [--think=4..12]`.

Server and generator share this machine's processors; the generator's own delay is reported.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._server import Server
from benchmarks._sessions import Session, Tally, click_through
from benchmarks._timing import latency_line

ON_REQUEST = True
PAGES = ["instances", "candidates", "explanations", "experiments", "health"]


def main(
    sessions: str = "50",
    seconds: str = "180",
    think: str = "4..12",
    ramp: str = "20",
    url: str = "",
    cookie: str = "",
) -> None:
    """Start a server (unless a URL is given), click through the pages and print the times."""
    low, _, high = think.partition("..")
    pause = (float(low), float(high or low))
    with tempfile.TemporaryDirectory(prefix="spotlab-load-") as folder:
        server = None if url else Server(Path(folder) / "home")
        try:
            if server is not None:
                server.wait_until()
            target = url or (server.url if server else "")
            asyncio.run(warm_up(target, cookie))
            tally, memory, cpu = asyncio.run(
                _load(server, target, cookie, int(sessions), float(seconds), pause, float(ramp))
            )
        finally:
            stopped = server.stop() if server is not None else None
    _report(tally, memory, cpu, int(sessions), float(seconds), pause)
    if stopped is not None:
        print(f"stopped by SIGTERM in {stopped[1]:.1f} s, exit code {stopped[0]}")


def _ws(url: str) -> str:
    return url.replace("http", "ws", 1)


async def warm_up(url: str, cookie: str) -> None:
    """Wait until the first run is complete, and open each page once."""
    warm = Tally()
    async with Session(_ws(url), warm, cookie) as session:
        for _ in range(120):
            await session.open("instances")
            if session.elements > 10:
                break
            await asyncio.sleep(1)
        for page in PAGES:
            await session.open(page)
    print(
        f"ready; errors while warming up: {len(warm.errors)} {warm.errors[:2]}",
        file=sys.stderr,
        flush=True,
    )


async def _load(
    server: Server | None,
    url: str,
    cookie: str,
    count: int,
    seconds: float,
    think_s: tuple[float, float],
    ramp_s: float,
) -> tuple[Tally, list[tuple[float, float]], float]:
    tally = Tally()
    began = time.perf_counter()
    until = began + ramp_s + seconds
    memory: list[tuple[float, float]] = []
    cpu = server.cpu_s() if server else 0.0

    async def run_session(number: int) -> None:
        await asyncio.sleep(ramp_s * number / count)
        try:
            async with Session(_ws(url), tally, cookie) as session:
                await click_through(session, PAGES, until, think_s, number)
        except (OSError, TimeoutError) as exc:
            tally.errors.append(f"connect: {exc!r}")

    async def watch() -> None:
        while time.perf_counter() < until:
            if server is not None:
                memory.append((time.perf_counter() - began, server.rss_mb()))
            await asyncio.sleep(2)

    await asyncio.gather(watch(), *(run_session(number) for number in range(count)))
    return tally, memory, (server.cpu_s() - cpu if server else 0.0)


def _report(
    tally: Tally,
    memory: list[tuple[float, float]],
    cpu: float,
    sessions: int,
    seconds: float,
    think_s: tuple[float, float],
) -> None:
    print(
        f"{sessions} sessions for {seconds:.0f} s, thinking {think_s[0]:g} to {think_s[1]:g} s; "
        f"{os.cpu_count()} processors shared with the generator, load average "
        f"{os.getloadavg()[0]:.1f}"
    )
    all_reruns_s = [took for of_page in tally.reruns_s.values() for took in of_page]
    for name in PAGES:
        print(latency_line(name, tally.reruns_s.get(name, [])))
    print(latency_line("all pages", all_reruns_s))
    print(latency_line("first run", tally.first_runs_s))
    print(latency_line("live updates", tally.fragment_reruns_s))
    print(latency_line("generator late", tally.wake_delays_s))
    print(f"errors {len(tally.errors)}; received {tally.received_bytes / 1e6:.0f} MB")
    for error in sorted(set(tally.errors))[:10]:
        print(f"  {tally.errors.count(error)} × {error}")
    if memory:
        settled = [(at, mb) for at, mb in memory if at > memory[-1][0] / 3]
        slope = np.polyfit(*np.array(settled).T, 1)[0] * 60 if len(settled) > 2 else float("nan")
        middle = memory[len(memory) // 2][1]
        print(
            f"server memory {memory[0][1]:.0f} MB at the start, {middle:.0f} in the middle, "
            f"{memory[-1][1]:.0f} at the end; {slope:+.1f} MB/min over the last two thirds; "
            f"processor {cpu:.0f} s"
        )
