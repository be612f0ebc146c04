"""Publishing the recorded market to the online store and reading it back, beside simpler clients.

    python -m benchmarks feed [--json] [--data=../shared/data]

The server is one of this home's own, on a unix socket. `redis-benchmark -P 100` only overwrites
strings of three bytes without TTL, and prepares nothing; its time is that of as many SETs. The
plain client sends one command a row in redis-py's pipeline and parses JSON. SpotLab also compares
event times, sets TTLs, maintains the index, and builds the rows from its tables; it reads the
packed tables of each view.
"""

from __future__ import annotations

import json as json_module
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median

import redis

from benchmarks._comparison import RUNS, Row, compare, show
from benchmarks._recorded import FILES
from spotlab.aws.feeds import FileFeed
from spotlab.domain.market import MarketData, MarketName
from spotlab.features import offline, online
from spotlab.features.embedded_valkey import join_server
from spotlab.features.online_codec import CODECS
from spotlab.features.redis_online import RedisOnlineStore, connect
from spotlab.features.views import SPOT_RISK
from spotlab.pipeline.collect import collect
from spotlab.store import open_store

MARKET = MarketName.RECORDED
HEAD = {"publication": "0" * 16}


class SystemClock:
    """The current time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)


def recorded_market(folder: Path, home: Path) -> MarketData:
    """The recorded feeds, collected and read back from an archive."""
    store, clock = open_store(None, home / "spotlab.db"), SystemClock()
    files = [FileFeed(folder / path, kind, clock=clock) for kind, path in FILES.items()]
    collect(files, MARKET, store.archive, store.health, clock)
    at = store.archive.newest(MARKET)[0].event_time
    data = offline.read_market(store.archive, MARKET, at)
    store.close()
    return data


def beside_sets(what: str, rows: int, ours: Callable[[], object], socket: str) -> Row | None:
    """Rows written by SpotLab beside as many SETs, alternately; None without redis-benchmark."""
    program = shutil.which("valkey-benchmark") or shutil.which("redis-benchmark")
    if program is None:
        return None
    ours()
    mine, others = list[float](), list[float]()
    for _ in range(RUNS):
        started = time.perf_counter()
        ours()
        mine.append(time.perf_counter() - started)
        others.append(rows * seconds_of_a_set(program, socket))
    ours_s, peer_s = median(mine), median(others)
    ratio = peer_s / ours_s
    return Row(what, ours_s, "redis-benchmark -P 100", peer_s, ratio, 0.4, ratio >= 0.4)


def seconds_of_a_set(program: str, socket: str) -> float:
    """Seconds of one SET, from 200,000 in pipelines of 100."""
    command = [program, "-s", socket, "-t", "set", "-n", "200000", "-P", "100", "--csv"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return 1.0 / float(output.splitlines()[-1].split(",")[1].strip('"'))


def read_plainly(client: redis.Redis, data: MarketData) -> Callable[[], object]:
    """Reads every row with one command each, in redis-py's pipeline."""
    names = [
        (codec.view.as_hash, ":".join((codec.view.name, *row.key)))
        for codec in CODECS
        for row in codec.encode(data, HEAD)
    ]

    def read() -> int:
        pipe = client.pipeline(transaction=False)
        for as_hash, name in names:
            pipe.hgetall(name) if as_hash else pipe.get(name)
        found = 0
        for (as_hash, _), reply in zip(names, pipe.execute(), strict=True):
            texts = [t for n, t in reply.items() if n != b"event_time"] if as_hash else [reply]
            found += all(json_module.loads(text) is not None for text in texts)
        return found

    return read


def measured(data: MarketData, client: redis.Redis, socket: str) -> list[Row]:
    """The comparisons."""
    store = RedisOnlineStore(client)
    risk = CODECS[0].encode(data, HEAD)
    total = online.publish(store, data)
    numbers = count()

    def all_views() -> int:
        # A cleared store has no publication, so every view is written.
        client.delete("market_origin:current")
        return online.publish(store, data)

    def unchanged() -> int:
        return online.publish(store, replace(data, degraded=(str(next(numbers)),)))

    def read_cold() -> object:
        # Another store object has an empty cache.
        read = online.read_market(RedisOnlineStore(client), data.market, data.as_of)
        assert read is not None
        return read

    def write_risk() -> int:
        return store.write(SPOT_RISK, risk)

    one_view = beside_sets(f"write {len(risk):,} rows of one view", len(risk), write_risk, socket)
    whole = beside_sets(f"publish {total:,} rows of all views", total, all_views, socket)
    assert unchanged() == 1, "only the origins"
    again = compare("publish again, unchanged", unchanged, "publish all views", all_views, 4.0)
    plain = read_plainly(client, data)
    assert plain() == total - 1, "without the row of origins"
    read = compare("read the market, cold", read_cold, "GET a row, pipelined", plain, 10.0)
    return [row for row in (one_view, whole, again, read) if row is not None]


def main(json: str = "", data: str = "") -> None:
    """Print the comparisons."""
    folder = Path(data or os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data"))
    if not all((folder / name).is_file() for name in FILES.values()):
        print(f"feed: skipped, the recorded feeds are not in {folder} (--data=FOLDER)")
        return
    with tempfile.TemporaryDirectory() as home:
        market = recorded_market(folder, Path(home))
        url, membership = join_server(Path(home), idle_s=0.1)
        with membership, connect(url) as client:
            show(measured(market, client, url.removeprefix("unix://")), json != "")


if __name__ == "__main__":
    main()
