"""Time until another worker becomes the leader after the leader was killed.

    python -m benchmarks failover [--kills=10] [--ttl-s=2]

Real `spotlab worker` processes use a new database, in SQLite and (if there is a server) PostgreSQL.
Two processes compete, the leader is killed with kill -9, and the time until the other one holds the
lease is measured; then a third one joins. The time depends on the TTL, not on the machine: 1.0 to
1.4 TTL.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks._postgres import new_database
from spotlab.domain.ports import Lease, RunState
from spotlab.store import Store, open_store

ON_REQUEST = True
LEASE = "scheduler"
TIMEOUT_S = 180.0


def main(**options: str) -> None:
    """Measure takeovers, and print one row per database."""
    kills, ttl_s = int(options.get("kills", 10)), float(options.get("ttl-s", 2))
    print(f"takeover after kill -9, TTL {ttl_s:g} s, {kills} kills each")
    print(
        f"{'':<12}{'median s':>10}{'p95 s':>8}{'worst s':>9}{'in TTL':>8}{'lost runs':>11}  twice"
    )
    with tempfile.TemporaryDirectory() as home:
        _measure("SQLite", None, Path(home), kills, ttl_s)
    try:
        with new_database() as url, tempfile.TemporaryDirectory() as home:
            address = url.render_as_string(hide_password=False)
            _measure("PostgreSQL", address, Path(home), kills, ttl_s)
    except psycopg.OperationalError as exc:
        print(f"PostgreSQL  not measured: {str(exc).splitlines()[0]}")


def _measure(name: str, url: str | None, home: Path, kills: int, ttl_s: float) -> None:
    store = open_store(url, home / "spotlab.db")
    workers: dict[int, subprocess.Popen[bytes]] = {}
    takeovers_s: list[float] = []
    try:
        for _ in range(kills):
            while len(workers) < 2:
                started = _start(url, home, ttl_s)
                workers[started.pid] = started
                _wait_for(lambda: set(workers) <= {each.pid for each in store.processes.list()})
            lease = _lease_of(store, workers)
            time.sleep(ttl_s)  # so that a process that just joined has seen a heartbeat
            leader = workers.pop(_pid(lease))
            leader.kill()
            killed_at = time.monotonic()
            _wait_for(lambda before=lease: (store.leases.get(LEASE) or before).token > before.token)
            takeovers_s.append(time.monotonic() - killed_at)
            leader.wait()
        runs = store.jobs.runs(limit=100_000)
        started_at = [(run.job, run.due_at) for run in runs if run.started_at]
        lost = sum(run.state is RunState.LOST for run in runs)
        worst, median = max(takeovers_s), statistics.median(takeovers_s)
        p95 = sorted(takeovers_s)[min(len(takeovers_s) - 1, int(0.95 * len(takeovers_s)))]
        print(
            f"{name:<12}{median:>10.2f}{p95:>8.2f}{worst:>9.2f}{worst / ttl_s:>8.2f}{lost:>6}"
            f"  {len(started_at) - len(set(started_at))} of {len(started_at)}"
        )
    finally:
        for each in workers.values():
            each.terminate()
        for each in workers.values():
            each.wait(30)
        store.close()


def _start(url: str | None, home: Path, ttl_s: float) -> subprocess.Popen[bytes]:
    settings = {
        "SPOTLAB_HOME": str(home),
        "SPOTLAB_DATABASE_URL": url or "",
        "SPOTLAB_LEASE_TTL_S": str(ttl_s),
        "SPOTLAB_MARKET": "simulated",
    }
    with (home / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("spotlab")), "worker"],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )


def _lease_of(store: Store, workers: dict[int, subprocess.Popen[bytes]]) -> Lease:
    """The lease, once one of these workers holds it."""

    def find_lease() -> Lease | None:
        lease = store.leases.get(LEASE)
        return lease if lease and not lease.released and _pid(lease) in workers else None

    _wait_for(find_lease)
    found = find_lease()
    assert found is not None
    return found


def _pid(lease: Lease) -> int:
    return int(lease.holder.rsplit("-", 2)[1])


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"Timed out after {TIMEOUT_S:g} s.")
        time.sleep(0.005)
