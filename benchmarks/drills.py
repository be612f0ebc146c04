"""Failure drills on real processes: `python -m benchmarks drills [--only=redis] [--seconds=60]`.

Redis or PostgreSQL fails, the disk is full, or the clock jumps, while a client writes and reads. In
each drill the app must stay up, report the problem, lose no accepted write, and recover on its own.
The exit code is 1 if a drill fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._http import Client
from benchmarks._people import prepare_home
from benchmarks._postgres import new_database
from benchmarks._proxy import Proxy
from benchmarks._server import ROOT, Server, free_port, get
from spotlab.store import open_store

ON_REQUEST = True
WRITE_EVERY_S = 0.7
MAX_RECOVERY_S = 90.0
"""Longest time for the recovery."""


@dataclass
class Observations:
    """Observations during a drill.

    Args:
        accepted_ids: of experiments whose write had the status 201.
        statuses: number of responses by status, for reads and writes; 0: no response.
        problems: reported by components, readiness and error responses.
        liveness: number of responses of /healthz by status.
    """

    accepted_ids: list[int] = field(default_factory=list)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    problems: set[str] = field(default_factory=set)
    liveness: Counter[int] = field(default_factory=Counter)


class Drill:
    """A server with a client that writes and reads continuously.

    Args:
        server: that is running.
        token: of the client.
        instances: ids of instances to decide about.
    """

    def __init__(self, server: Server, token: str, instances: list[str]) -> None:
        self.server, self.token, self.instances = server, token, instances
        self.observed = Observations()

    async def watch(self, phases: list[tuple[float, Callable[[], None]]]) -> float:
        """Write and read through all phases, then wait for the recovery.

        Args:
            phases: each with its seconds and the change that is made at its end.
        Returns:
            Seconds from the last change until the server was healthy; infinite if it never was.
        """
        stop = asyncio.Event()
        tasks = [
            asyncio.create_task(each(stop))
            for each in (self._write, self._read, self._watch_health)
        ]
        try:
            for seconds, change in phases:
                await asyncio.sleep(seconds)
                await asyncio.to_thread(change)
            began = time.monotonic()
            while time.monotonic() - began < MAX_RECOVERY_S:
                if await self._is_healthy():
                    return time.monotonic() - began
                await asyncio.sleep(0.5)
            return float("inf")
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    async def _request(
        self, kind: str, path: str, method: str = "GET", extra: str = ""
    ) -> tuple[int, Any]:
        client = Client(self.server.port, self.token)
        try:
            async with asyncio.timeout(40):
                status, content = await client.request(path, method, extra=extra)
            document = json.loads(content) if content[:1] in (b"{", b"[") else {}
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            status, document = 0, {}
        finally:
            client.close()
        self.observed.statuses.setdefault(kind, Counter())[status] += 1
        if status >= 500:
            self.observed.problems.add(
                f"{kind} {status}: {document.get('detail') or document}"[:220]
            )
        return status, document

    async def _write(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            instance = self.instances[number % len(self.instances)]
            number += 1
            key = f"Idempotency-Key: drill-{number}-{secrets.token_hex(4)}\r\n"
            path = f"/api/v1/instances/{instance}/evaluations"
            status, document = await self._request(
                "write", path, "POST", key + "Content-Length: 0\r\n"
            )
            if status == 201:
                self.observed.accepted_ids.append(int(document["experiment_id"]))
            await asyncio.sleep(WRITE_EVERY_S)

    async def _read(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._request("read", "/api/v1/experiments?limit=5")
            await asyncio.sleep(WRITE_EVERY_S)

    async def _watch_health(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            status, _ = await asyncio.to_thread(get, f"{self.server.url}/healthz", 10.0)
            self.observed.liveness[status] += 1
            status, text = await asyncio.to_thread(get, f"{self.server.url}/readyz", 10.0)
            if status == 503:
                self.observed.problems.add(f"/readyz: {json.loads(text)['reasons']}"[:220])
            for part in await self._components():
                if part["state"] in ("down", "degraded"):
                    self.observed.problems.add(
                        f"{part['name']} {part['state']}: {part['reason']}"[:220]
                    )
            await asyncio.sleep(1)

    async def _components(self) -> list[dict[str, Any]]:
        _, document = await self._request("components", "/api/v1/health/components")
        found = document.get("items", [])
        return found if isinstance(found, list) else []

    async def _is_healthy(self) -> bool:
        status, _ = await asyncio.to_thread(get, f"{self.server.url}/readyz", 10.0)
        parts = {part["name"]: part["state"] for part in await self._components()}
        needed = [state for name, state in parts.items() if name in ("database", "Redis cache")]
        written, _ = await self._request("read", "/api/v1/experiments?limit=1")
        return status == 200 == written and needed == ["healthy", "healthy"]


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """A new Redis server: its address, and functions that kill it and start it again."""
    port = free_port()
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    assert path is not None, "redis-server or valkey-server on PATH"
    words = [path, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))

    def kill() -> None:
        running[-1].kill()
        running[-1].wait()

    start()
    try:
        yield f"redis://127.0.0.1:{port}/0", kill, start
    finally:
        kill()


@contextmanager
def postgres_behind_proxy() -> Iterator[tuple[str, Proxy]]:
    """A new database behind a proxy that can be cut."""
    with new_database() as url:
        proxy = Proxy((url.host or "127.0.0.1", url.port or 5432))
        try:
            through = url.set(host="127.0.0.1", port=proxy.port)
            yield through.render_as_string(hide_password=False), proxy
        finally:
            proxy.close()


@contextmanager
def small_disk(folder: Path, megabytes: int = 96) -> Iterator[Path]:
    """A small file system; needs the right to mount."""
    folder.mkdir()
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def redis_down(folder: Path, seconds: float) -> bool:
    """Redis is killed and restarted."""
    with redis_server(folder) as (address, kill, start):
        token, instances, _ = prepare_home(folder / "home", redis_url=address)
        server = Server(folder / "home", auth="accounts", redis_url=address, **SETTINGS)
        return _run_drill(
            "Redis down", server, token, instances, [(8, kill), (seconds, start)], None
        )


def postgres_down(folder: Path, seconds: float) -> bool:
    """All connections to PostgreSQL are cut, and new ones are refused for a while."""
    with postgres_behind_proxy() as (url, proxy):
        token, instances, _ = prepare_home(folder / "home", database_url=url)
        server = Server(folder / "home", auth="accounts", database_url=url, **SETTINGS)
        phases = [(8.0, proxy.cut), (seconds, proxy.restore)]
        return _run_drill("PostgreSQL down", server, token, instances, phases, url)


def disk_full(folder: Path, seconds: float) -> bool:
    """The disk of the SQLite file is full, and then has space again."""
    with small_disk(folder / "disk") as disk:
        home = disk / "home"
        token, instances, _ = prepare_home(home)
        server = Server(home, auth="accounts", **SETTINGS)
        ballast = disk / "ballast"

        def fill() -> None:
            with ballast.open("wb", buffering=0) as out:
                for size in (2**20, 2**12):
                    try:
                        while out.write(bytes(size)) == size:
                            pass
                    except OSError:
                        continue

        phases = [(8.0, fill), (seconds, ballast.unlink)]
        return _run_drill("Disk full", server, token, instances, phases, None)


def clock_jumps(folder: Path, seconds: float) -> bool:
    """The clock is an hour fast, then an hour slow, then correct."""
    skew = folder / "skew"
    skew.write_text("0")
    os.environ |= {"SKEW": str(skew), "PYTHONPATH": str(ROOT / "benchmarks" / "_skewed")}
    try:
        token, instances, _ = prepare_home(folder / "home")
        server = Server(folder / "home", auth="accounts", **SETTINGS)
        half = seconds / 2
        phases: list[tuple[float, Callable[[], None]]] = [
            (8.0, lambda: _write_skew(skew, 3600)),
            (half, lambda: _write_skew(skew, -3600)),
            (half, lambda: _write_skew(skew, 0)),
        ]
        return _run_drill("Clock jumps", server, token, instances, phases, None)
    finally:
        del os.environ["SKEW"], os.environ["PYTHONPATH"]


def _write_skew(file: Path, seconds: float) -> None:
    file.write_text(str(seconds))


SETTINGS = {"api_writes_per_minute": "100000", "log_level": "WARNING"}
DRILLS = {
    "redis": redis_down,
    "postgres": postgres_down,
    "disk": disk_full,
    "clock": clock_jumps,
}


def _run_drill(
    title: str,
    server: Server,
    token: str,
    instances: list[str],
    phases: list[tuple[float, Callable[[], None]]],
    url: str | None,
) -> bool:
    """Run a drill and print its result."""
    drill = Drill(server, token, instances)
    code, took = -1, 0.0
    try:
        server.wait_until("/readyz")
        recovered_s = asyncio.run(drill.watch(phases))
        crashed = server.process.poll() is not None
    finally:
        code, took = server.stop()
    store = open_store(url, server.home / "spotlab.db")
    try:
        with store.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT id FROM experiments").scalars()
            recorded_ids = set(rows)
        chain = store.audit.check()
    finally:
        store.close()
    observed = drill.observed
    lost = sorted(set(observed.accepted_ids) - recorded_ids)
    checks = {
        "stays up": not crashed and set(observed.liveness) <= {200},
        "reports the problem": bool(observed.problems) or title.startswith("Clock"),
        "loses no accepted write": not lost
        and len(observed.accepted_ids) == len(set(observed.accepted_ids)),
        "recovers on its own": recovered_s < MAX_RECOVERY_S,
        "audit log's hash chain is intact": chain.broken_at is None,
        "ends with exit code 0": code == 0,
    }
    print(f"\n{title}: {'passed' if all(checks.values()) else 'FAILED'}")
    for what, passed in checks.items():
        print(f"  {'yes' if passed else 'NO ':<4}{what}")
    print(
        f"  {len(observed.accepted_ids)} writes accepted, {len(lost)} lost; well again after "
        f"{recovered_s:.1f} s; stopped in {took:.1f} s"
    )
    for kind, answers in observed.statuses.items():
        print(f"  {kind}: {dict(sorted(answers.items()))}")
    for problem in sorted(observed.problems)[:12]:
        print(f"  reported: {problem}")
    sys.stdout.flush()
    return all(checks.values())


def main(only: str = "", seconds: str = "60") -> None:
    """Run the named drills (separated by commas), or all of them."""
    failed = []
    for name in only.split(",") if only else DRILLS:
        with tempfile.TemporaryDirectory(prefix=f"spotlab-drill-{name}-") as folder:
            if not DRILLS[name](Path(folder), float(seconds)):
                failed.append(name)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")
