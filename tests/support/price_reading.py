"""A process that reads a price history from an endpoint, which tests and benchmarks may kill.

    python -m tests.support.price_reading ENDPOINT DATABASE_URL SQLITE_PATH ISO_TIME DAYS

It prints a line of JSON with the rows, their digest, seconds, and peak memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from spotlab.aws.prices import SpotPriceHistory
from spotlab.aws.session import Sessions
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.domain.market import MarketName
from spotlab.domain.ports import Account
from spotlab.store import Store, open_store
from tests.support.feeds import Clock

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
MARKET = MarketName.ACCOUNT


def source(endpoint_url: str, store: Store, at: datetime, days: float) -> SpotPriceHistory:
    """The reader of an endpoint's us-east-1, at a fixed time."""
    clock = Clock(at)
    sessions = Sessions(
        clock=clock,
        endpoint_url=endpoint_url,
        access_key_id=BASE_KEY,
        secret_access_key=BASE_SECRET,
    )
    ec2 = sessions.client("ec2", Account("own", "111111111111"), REGION)
    return SpotPriceHistory(
        ec2, REGION, MARKET, clock, store.price_readings, store.archive, days=days
    )


def start(
    endpoint_url: str, url: str | None, sqlite_path: Path, at: datetime, days: float
) -> subprocess.Popen[str]:
    """Start the process."""
    module = "tests.support.price_reading"
    arguments = [endpoint_url, url or "", str(sqlite_path), at.isoformat(), str(days)]
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def main(endpoint_url: str, url: str, sqlite_path: str, at: str, days: str) -> None:
    """Read and archive once."""
    store = open_store(url or None, Path(sqlite_path))
    started_mb = _peak_mb()
    started = time.perf_counter()
    reader = source(endpoint_url, store, datetime.fromisoformat(at), float(days))
    (snapshot,) = reader.fetch({})
    new = store.archive.save(snapshot)
    reader.archived()
    result = {
        "rows": len(snapshot.rows),
        "records": known.records if (known := store.price_readings.get(MARKET, REGION)) else 0,
        "digest": snapshot.digest,
        "new": new,
        "set_aside": len(snapshot.set_aside),
        "seconds": time.perf_counter() - started,
        "started_mb": started_mb,
        "peak_mb": _peak_mb(),
    }
    store.close()
    print(json.dumps(result))


def _peak_mb() -> float:
    """Peak resident memory since the process was started; ru_maxrss includes its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
