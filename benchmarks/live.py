"""How soon a decision made on one replica is on a screen that is open on another.

    python -m benchmarks live [--decisions=30]

Two servers share a PostgreSQL database and a Redis server of their own. A screen (Instances) and
another (Experiments) are open on the first, without a browser: they rerun what a browser would. The
second is asked through the API to decide about an instance. The delay counts from its answer to
the end of the rerun (Instances), and to the button that names the new decision (Experiments); then
once more with Redis stopped, when each server looks at SQL by itself.
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
from spotlab.features.embedded import join_server
from tests.support.databases import fresh_postgres

ON_REQUEST = True
WITHIN_S = 20.0
START_S = 240.0
PAUSE_S = 2.6
"""Longer than a screen rests after a rerun, and no multiple of how often it looks."""


class Screen(Session):
    """An open screen that notes what appears on it by itself.

    Args:
        url: ws://host:port.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, Tally())
        self.rerun_at: list[float] = []
        self.buttons: list[tuple[float, str]] = []

    def named(self) -> list[float]:
        """When a button first named new decisions."""
        return [at for at, label in self.buttons if "new decision" in label][:1]

    def _hear_element(self, message: ForwardMsg) -> None:
        super()._hear_element(message)
        element = message.delta.new_element
        if element.WhichOneof("type") == "button":
            self.buttons.append((time.perf_counter(), element.button.label))

    def _hear_end(self, status: int) -> None:
        opened = self._done is not None and self._done.done()
        super()._hear_end(status)
        if opened and status == ForwardMsg.FINISHED_SUCCESSFULLY:
            self.rerun_at.append(time.perf_counter())


@dataclass
class Delays:
    """Seconds from the writer's answer; None: it did not appear."""

    instances: list[float | None] = field(default_factory=list)
    experiments: list[float | None] = field(default_factory=list)


@contextlib.contextmanager
def shared() -> Iterator[tuple[Path, dict[str, str], Any]]:
    """A home, settings that name a database and a Redis, and the membership that keeps Redis."""
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
def servers(home: Path, settings: dict[str, str], count: int) -> Iterator[list[Server]]:
    """Some servers, once they answer."""
    started = [Server(home, **settings, scheduler="off") for _ in range(count)]
    try:
        for server in started:
            server.wait_until(within_s=START_S)
        yield started
    finally:
        for server in started:
            server.stop()


def decide(server: Server, instance_id: str) -> int:
    """Ask a server to decide about an instance; the decision's id."""
    url = f"{server.url}/api/v1/instances/{instance_id}/evaluations"
    request = urllib.request.Request(url, data=b"{}", method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Sec-Fetch-Site", "same-origin")
    with urllib.request.urlopen(request, timeout=START_S) as answer:
        return int(json.load(answer)["experiment_id"])


def an_instance(server: Server) -> str:
    """Some instance of the fleet, once there is one."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{server.url}/api/v1/instances", timeout=START_S) as answer:
            items = json.load(answer)["items"]
        if items:
            return str(items[0]["instance_id"])
        time.sleep(0.3)
    raise RuntimeError("the fleet stays empty")


async def ready(screen: Screen, page: str) -> None:
    """Open a page until the first run is over and it shows itself."""
    for _ in range(120):
        await screen.open(page)
        if not any("SpotLab lists the fleet" in text for text in screen.texts):
            return
        await asyncio.sleep(0.5)
    raise RuntimeError("the first run does not end")


async def follow(reader: Server, write: Callable[[], object], decisions: int) -> Delays:
    """Delays of some decisions.

    Args:
        reader: whose screens are open.
        write: lets another process decide.
        decisions: how many.
    """
    delays = Delays()
    url = reader.url.replace("http", "ws", 1)
    async with Screen(url) as instances, Screen(url) as experiments:
        await ready(instances, "instances")
        await ready(experiments, "experiments")
        await asyncio.to_thread(write)
        await asyncio.sleep(PAUSE_S)
        for _ in range(decisions):
            instances.rerun_at.clear()
            experiments.buttons.clear()
            await asyncio.to_thread(write)
            answered = time.perf_counter()
            delays.instances.append(await appears(answered, lambda: instances.rerun_at[-1:]))
            delays.experiments.append(await appears(answered, experiments.named))
            await asyncio.sleep(PAUSE_S)
        errors = [*instances.tally.errors, *experiments.tally.errors]
        if errors:
            raise RuntimeError("; ".join(errors[:3]))
    return delays


async def appears(answered: float, seen: Any) -> float | None:
    """Seconds until something was seen; it may have been seen before the writer's answer."""
    while time.perf_counter() - answered < WITHIN_S:
        if found := seen():
            return max(0.0, float(found[0]) - answered)
        await asyncio.sleep(0.01)
    return None


def main(decisions: str = "30") -> None:
    """Print the delays with Redis, and without."""
    with (
        shared() as (home, settings, membership),
        servers(home, settings, 2) as (reader, writer),
    ):

        def write() -> None:
            decide(writer, an_instance(writer))

        told = asyncio.run(follow(reader, write, int(decisions)))
        report("with Redis", told)
        os.kill(membership.pid, signal.SIGTERM)
        alone = asyncio.run(follow(reader, write, int(decisions)))
        report("without", alone)


def report(title: str, delays: Delays) -> None:
    """One line a screen."""
    for name, found in (("Instances", delays.instances), ("Experiments", delays.experiments)):
        print(f"  {title:10}  {name:11}  {summary(found)}")


def summary(found: Sequence[float | None]) -> str:
    """Percentiles, and how many never came."""
    came = sorted(value for value in found if value is not None)
    if not came:
        return "nothing appeared"
    at = [came[min(len(came) - 1, int(share * len(came)))] for share in (0.5, 0.95, 1.0)]
    lost = f", {len(found) - len(came)} never" if len(came) < len(found) else ""
    return f"median {at[0]:.2f} s, p95 {at[1]:.2f} s, most {at[2]:.2f} s of {len(found)}{lost}"


if __name__ == "__main__":
    main(*sys.argv[1:2])
