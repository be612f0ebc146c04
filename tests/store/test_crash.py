"""A process that is killed during a write leaves no partial data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from spotlab.domain.interruptions import OwnRecord
from spotlab.errors import NotFound
from tests.support import builders as make
from tests.support.databases import Database
from tests.support.market import market_data

ROOT = Path(__file__).resolve().parents[2]

STOP_BEFORE_COMMIT = """
import sys
from itertools import count
from sqlalchemy import event
from spotlab.domain.interruptions import OwnRecord
from tests.support import builders as make
from tests.support.databases import Database
from tests.support.market import market_data
from pathlib import Path

commits = count(1)
store = Database(sys.argv[1] or None, Path(sys.argv[2])).open()
store.ledger.record(make.experiment())

@event.listens_for(store.engine, "commit")
def wait_to_be_killed(connection):
    if next(commits) == int(sys.argv[3]):
        print("written, not committed", flush=True)
        sys.stdin.readline()

WRITE
"""

WRITES = {
    "record": "store.ledger.record(make.experiment(created_at=make.NOW.replace(year=2027)))",
    "save": "store.archive.save(make.snapshot())",
}


def kill_during(write: str, database: Database, commit: int = 1) -> None:
    """Kill a process that writes before its first, second … commit."""
    program = STOP_BEFORE_COMMIT.replace("WRITE", write)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program,
            database.url or "",
            str(database.sqlite_path),
            str(commit),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written, not committed\n"
        process.kill()
        process.communicate()
    assert process.returncode == -9


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_killed_write_never_happened(database: Database, write: str) -> None:
    with database.opened() as store:
        store.fleet.sync("production", [make.instance()])

        kill_during(write, database)

        assert store.ledger.count() == 1
        assert store.ledger.get(1).candidates == make.experiment().candidates
        assert store.archive.infos() == []
        assert [each.instance_id for each in store.fleet.instances()] == ["i-0a1"]
        assert store.fleet.instance("i-0a1").last_evaluated_at == make.NOW

        assert store.ledger.record(make.experiment()) > 1, "the next process can write immediately"
        assert store.ledger.count() == 2


SAVE_MARKET = (
    'store.market_runs.save(market_data({("m5.large", None): 0.03}), OwnRecord(), make.NOW)'
)


@pytest.mark.parametrize("commit", [1, 4, 11])
def test_a_market_whose_saving_was_killed_is_saved_again(database: Database, commit: int) -> None:
    """Each part is noted as used, or else written, in a transaction of its own; the run is last."""
    with database.opened() as store:
        kill_during(SAVE_MARKET, database, commit)

        with pytest.raises(NotFound):
            store.market_runs.read(1)
        data = market_data({("m5.large", None): 0.03})
        read, _ = store.market_runs.read(store.market_runs.save(data, OwnRecord(), make.NOW))
        assert_frame_equal(read.prices, data.prices)
