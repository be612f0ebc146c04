"""Delay until a decision made on one replica appears on a screen that is open on another.

    python -m benchmarks live [--decisions=30]

Two servers share a new PostgreSQL database and Redis server. The screens Instances and Experiments
are open on the first one, without a browser, but with the reruns that a browser would make.
Decisions are requested from the second one through the API. The delay is the time from its response
to the end of the rerun (Instances) or to the button that announces the new decision (Experiments).
Then the measurement is repeated with Redis stopped, when each server polls SQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks._server import Server
from benchmarks._sessions import Session, Tally
from spotlab.features.embedded_valkey import join_server
from tests.support.databases import fresh_postgres

ON_REQUEST = True
TIMEOUT_S = 20.0
START_S = 240.0
PAUSE_S = 2.6
"""Longer than the pause of a screen after a rerun, and not a multiple of its polling interval."""


class Screen(Session):
    """An open screen that records its automatic reruns and its buttons.

    Args:
        url: ws://host:port.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, Tally())
        self.rerun_at: list[float] = []
        self.buttons: list[tuple[float, str]] = []

    def first_notice(self) -> list[float]:
        """Time at which a button first announced new decisions; empty if none did."""
        return [at for at, label in self.buttons if "new decision" in label][:1]

    def _handle_element(self, message: ForwardMsg) -> None:
        super()._handle_element(message)
        element = message.delta.new_element
        if element.WhichOneof("type") == "button":
            self.buttons.append((time.perf_counter(), element.button.label))

    def _handle_end(self, status: int) -> None:
        opened = self._done is not None and self._done.done()
        super()._handle_end(status)
        if opened and status == ForwardMsg.FINISHED_SUCCESSFULLY:
            self.rerun_at.append(time.perf_counter())


@dataclass
class Delays:
    """Seconds from the writer's response; None: the decision did not appear."""

    instances: list[float | None] = field(default_factory=list)
    experiments: list[float | None] = field(default_factory=list)


@contextlib.contextmanager
def shared_services() -> Iterator[tuple[Path, dict[str, str], Any]]:
    """A home, settings with a database and a Redis server, and the membership of the latter."""
    with (
        tempfile.TemporaryDirectory(prefix="spotlab-live-") as folder,
        fresh_postgres() as database,
    ):
        url, membership = join_server(Path(folder) / "redis", idle_s=0.2)
        try:
            yield Path(folder) / "home", {"database_url": database, "redis_url": url}, membership
        finally:
            membership.close()


@contextlib.contextmanager
def running_servers(home: Path, settings: dict[str, str], count: int) -> Iterator[list[Server]]:
    """Start servers and wait until they respond."""
    started = [Server(home, **settings, scheduler="off") for _ in range(count)]
    try:
        for server in started:
            server.wait_until(within_s=START_S)
        yield started
    finally:
        for server in started:
            server.stop()


def decide(server: Server, instance_id: str) -> int:
    """Request a decision about an instance; returns its id."""
    url = f"{server.url}/api/v1/instances/{instance_id}/evaluations"
    request = urllib.request.Request(url, data=b"{}", method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Sec-Fetch-Site", "same-origin")
    with urllib.request.urlopen(request, timeout=START_S) as answer:
        return int(json.load(answer)["experiment_id"])


def any_instance_id(server: Server) -> str:
    """Id of an instance of the fleet; waits until there is one."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{server.url}/api/v1/instances", timeout=START_S) as answer:
            items = json.load(answer)["items"]
        if items:
            return str(items[0]["instance_id"])
        time.sleep(0.3)
    raise RuntimeError("The fleet is still empty.")


async def open_when_ready(screen: Screen, page: str) -> None:
    """Open a page repeatedly until the first run has ended."""
    for _ in range(120):
        await screen.open(page)
        if not any("SpotLab lists the fleet" in text for text in screen.texts):
            return
        await asyncio.sleep(0.5)
    raise RuntimeError("The first run has not ended.")


async def measure_delays(reader: Server, write: Callable[[], object], decisions: int) -> Delays:
    """Measure the delays of some decisions.

    Args:
        reader: server of the open screens.
        write: makes another server decide.
        decisions: number of decisions.
    """
    delays = Delays()
    url = reader.url.replace("http", "ws", 1)
    async with Screen(url) as instances, Screen(url) as experiments:
        await open_when_ready(instances, "instances")
        await open_when_ready(experiments, "experiments")
        await asyncio.to_thread(write)
        await asyncio.sleep(PAUSE_S)
        for _ in range(decisions):
            instances.rerun_at.clear()
            experiments.buttons.clear()
            await asyncio.to_thread(write)
            answered = time.perf_counter()
            delays.instances.append(await wait_for(answered, lambda: instances.rerun_at[-1:]))
            delays.experiments.append(await wait_for(answered, experiments.first_notice))
            await asyncio.sleep(PAUSE_S)
        errors = [*instances.tally.errors, *experiments.tally.errors]
        if errors:
            raise RuntimeError("; ".join(errors[:3]))
    return delays


async def wait_for(answered: float, first_seen: Any) -> float | None:
    """Seconds until something was seen, 0 if before the writer's response; None on timeout."""
    while time.perf_counter() - answered < TIMEOUT_S:
        if found := first_seen():
            return max(0.0, float(found[0]) - answered)
        await asyncio.sleep(0.01)
    return None


def main(decisions: str = "30") -> None:
    """Print the delays with and without Redis."""
    with (
        shared_services() as (home, settings, membership),
        running_servers(home, settings, 2) as (reader, writer),
    ):

        def write() -> None:
            decide(writer, any_instance_id(writer))

        with_redis = asyncio.run(measure_delays(reader, write, int(decisions)))
        report("with Redis", with_redis)
        os.kill(membership.pid, signal.SIGTERM)
        without_redis = asyncio.run(measure_delays(reader, write, int(decisions)))
        report("without", without_redis)


def report(title: str, delays: Delays) -> None:
    """Print one line per screen."""
    for name, delays_s in (("Instances", delays.instances), ("Experiments", delays.experiments)):
        print(f"  {title:10}  {name:11}  {summary(delays_s)}")


def summary(delays_s: Sequence[float | None]) -> str:
    """Percentiles, and the number of decisions that did not appear."""
    appeared = sorted(value for value in delays_s if value is not None)
    if not appeared:
        return "nothing appeared"
    count = len(appeared)
    median, p95, longest = (
        appeared[min(count - 1, int(share * count))] for share in (0.5, 0.95, 1.0)
    )
    lost = f", {len(delays_s) - count} never" if count < len(delays_s) else ""
    return f"median {median:.2f} s, p95 {p95:.2f} s, max {longest:.2f} s of {len(delays_s)}{lost}"


if __name__ == "__main__":
    main(*sys.argv[1:2])
