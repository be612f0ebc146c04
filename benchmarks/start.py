"""Start of the app on a new home: until it answers, and until the whole fleet is decided.

    python -m benchmarks start [--runs=3] [--json]

The fastest run counts. The peer is the time that is wanted.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks._comparison import show
from benchmarks._server import START_S, Server
from benchmarks.cli import against

ANSWERS_S, DECIDED_S = 2.0, 6.0
QUERY = "SELECT count(*), count(last_evaluated_at) FROM instances WHERE active AND mode != 'off'"


def main(runs: str = "3", json: str = "") -> None:
    """Print a row for each of both."""
    measured = [_start() for _ in range(int(runs))]
    rows = [
        against("the app answers", min(answers for answers, _ in measured), ANSWERS_S),
        against("the fleet is decided", min(decided for _, decided in measured), DECIDED_S),
    ]
    show(rows, as_json=bool(json))


def _start() -> tuple[float, float]:
    """Seconds from the command to the first answer, and to the last first decision."""
    with tempfile.TemporaryDirectory(prefix="spotlab-start-") as folder:
        started = time.perf_counter()
        server = Server(Path(folder) / "home")
        try:
            server.wait_until(every_s=0.02)
            answers = time.perf_counter() - started
            wait_until_decided(server)
            return answers, time.perf_counter() - started
        finally:
            server.stop()


def wait_until_decided(server: Server) -> None:
    """Wait until each instance whose pipeline is on has a decision."""
    deadline = time.monotonic() + 2 * START_S
    while time.monotonic() < deadline:
        instances, decided = _counts(server.home / "spotlab.db")
        if instances and instances == decided:
            return
        time.sleep(0.1)
    raise RuntimeError(f"The fleet was not decided:\n{server.log.read_text()[-3000:]}")


def _counts(database: Path) -> tuple[int, int]:
    """Instances whose pipeline is on, and those of them with a decision."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            instances, decided = db.execute(QUERY).fetchone()
            return int(instances), int(decided)
    except sqlite3.OperationalError:  # not created or migrated yet
        return 0, 0
