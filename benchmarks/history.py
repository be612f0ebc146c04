"""Reading 90 days of spot prices of 1,241 recorded pools, page by page, with interruptions.

    python -m benchmarks history [--json] [--kills=3] [--seed=1] [--data=../shared/data]

The emulated AWS serves the recorded history in pages, in this process; other processes read it,
each with a database of its own. One reads without interruption. Another is killed (SIGKILL) at
random pages and started again, until it is complete. `resumed_identical`: both archived the same
rows. `second_run_pages`: pages of a further reading at the same time, which fetches each pool's
price at the start of its short window and what is newer. `peak_mb`: resident memory of the
uninterrupted process, of which `imports_mb` before it reads; `seconds` are those of its reading.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from spotlab.demo.application import Application
from spotlab.demo.recorded_history import RecordedHistory
from spotlab.demo.server import serve_in_thread
from spotlab.domain.market import FeedKind
from spotlab.recorded.price_history import read_price_history
from spotlab.store import open_store
from tests.support import price_reading

ON_REQUEST = True
ARCHIVE = "evaluation-only/az-prices/us-east-1-2021-03-02--2021-05-31.tar.gz"


class Requests:
    """Counts the requests to the emulated AWS, and kills the reading process at one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.victim: subprocess.Popen[str] | None = None
        self.kill_at = 0
        self.after_answer = False

    def note(self, *, answered: bool) -> None:
        """Count a request, once, and kill the victim if it is due."""
        self.count += not answered
        if self.victim and self.count == self.kill_at and answered == self.after_answer:
            os.kill(self.victim.pid, signal.SIGKILL)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note every request to applications of this process."""
        respond = Application.__call__

        def noting(application: Application, environ: Any, start_response: Any) -> Any:
            self.note(answered=False)
            response = list(respond(application, environ, start_response))
            self.note(answered=True)
            return response

        with patch.object(Application, "__call__", noting):
            yield


def main(
    json: str | None = None,
    kills: str = "3",
    seed: str = "1",
    data: str = os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data"),
) -> None:
    """Print the figures, as text or as JSON."""
    figures = measure(Path(data) / ARCHIVE, int(kills), random.Random(int(seed)))
    if json is not None:
        print(as_json(figures))
        return
    print("price history, {pools:,} pools, {rows:,} rows".format(**figures))
    for name, value in figures.items():
        print(f"  {name:20} {value}")


def measure(archive: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """The figures of the module's docstring, by name."""
    recorded = RecordedHistory.read(archive)
    at, days = recorded.newest, (recorded.newest - recorded.oldest).total_seconds() / 86400
    requests = Requests()
    with (
        tempfile.TemporaryDirectory(prefix="spotlab-history-") as folder,
        requests.noted(),
        serve_in_thread(7, at=at, recorded=recorded) as served,
    ):
        endpoint, whole, killed = served.endpoint_url, Path(folder) / "a.db", Path(folder) / "b.db"
        first = read(endpoint, whole, at, days)
        pages = requests.count
        archived = rows_of(whole)
        second = read(endpoint, whole, at, days)
        second_pages = requests.count - pages
        read_again = kill_at_random_pages(requests, endpoint, killed, at, days, kills, pages, rng)
        resumed = rows_of(killed)
    return {
        "pools": archived.groupby(["availability_zone", "instance_type"]).ngroups,
        "rows": first["records"],
        "change_points": first["rows"],
        "pages": pages,
        "complete": archived.equals(read_price_history(archive).rows),
        "kills": kills,
        "resumed_identical": resumed.equals(archived),
        "pages_read_again": read_again,
        "second_run_pages": second_pages,
        "second_run_seconds": round(second["seconds"], 2),
        "peak_mb": round(first["peak_mb"], 1),
        "imports_mb": round(first["started_mb"], 1),
        "seconds": round(first["seconds"], 2),
    }


def read(endpoint: str, path: Path, at: datetime, days: float) -> dict[str, Any]:
    """Read in another process."""
    process = price_reading.start(endpoint, None, path, at, days)
    output = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"the reading process ended with {process.returncode}")
    return dict(json.loads(output))


def kill_at_random_pages(
    requests: Requests,
    endpoint: str,
    path: Path,
    at: datetime,
    days: float,
    kills: int,
    pages: int,
    rng: random.Random,
) -> int:
    """Kill a process several times and let the last one finish; returns the pages read twice."""
    start = requests.count
    for page in sorted(rng.sample(range(1, pages), kills)):
        requests.kill_at, requests.after_answer = start + page, rng.random() < 0.5
        process = price_reading.start(endpoint, None, path, at, days)
        requests.victim = process
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was killed"
    requests.victim = None
    read(endpoint, path, at, days)
    return requests.count - start - pages


def rows_of(path: Path) -> pd.DataFrame:
    """The rows of the newest archived snapshot."""
    store = open_store(None, path)
    region = price_reading.REGION
    snapshot = store.archive.latest(FeedKind.PRICE_HISTORY, price_reading.MARKET, region)
    store.close()
    assert snapshot is not None, "it is archived"
    return snapshot.rows


def as_json(figures: dict[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(figures)
