"""Writing and reading the market's rows: SpotLab's store compared with simpler clients.

    python -m benchmarks.online_store [rows]

Every peer writes the same rows to the same server, reads all of them, and must return equal rows.
The time is the best of three runs after a warm-up. Only SpotLab's store rejects older rows and
maintains indexes; the peers overwrite. Ratios are comparable between machines; seconds are not.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import redis

from benchmarks._timing import best_s
from spotlab.domain.ports import OnlineRow
from spotlab.features.embedded_valkey import join_server
from spotlab.features.redis_online import RedisOnlineStore, connect
from spotlab.features.views import POOL, SPOT_RISK

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Peer = tuple[str, Callable[[Sequence[OnlineRow]], object], Callable[[Sequence[OnlineRow]], object]]


class Stored(msgspec.Struct):
    """Value that the simpler clients store under a key."""

    event_time: datetime
    value: dict[str, Any]


def synthetic_rows(count: int) -> list[OnlineRow]:
    """Advisor rows over 33 regions, as a full public feed has them."""
    return [
        OnlineRow(
            (f"region-{number % 33}", f"family{number // 330}.size{number % 330}"),
            NOON,
            {"bucket": number % 5, "savings_percent": 70.0, "past": [[number, 1, 65.0]]},
        )
        for number in range(count)
    ]


def key_name(row: OnlineRow) -> str:
    """The name of the row's key."""
    return ":".join((SPOT_RISK.name, *row.key))


def encode(row: OnlineRow) -> bytes:
    """The row as JSON."""
    return msgspec.json.encode(Stored(row.event_time, dict(row.value)))


def decode(rows: Sequence[OnlineRow], texts: Sequence[Any]) -> list[OnlineRow]:
    """The rows from their JSON texts."""
    stored = [msgspec.json.decode(text, type=Stored) for text in texts]
    return [
        OnlineRow(row.key, each.event_time, each.value)
        for row, each in zip(rows, stored, strict=True)
    ]


def peers(client: redis.Redis) -> list[Peer]:
    """SpotLab's store first, then the simpler clients."""
    store = RedisOnlineStore(client)

    def write_pipelined(rows: Sequence[OnlineRow]) -> None:
        pipe = client.pipeline(transaction=False)
        for row in rows:
            pipe.set(key_name(row), encode(row), ex=SPOT_RISK.ttl_s)
        pipe.execute()

    def write_singly(rows: Sequence[OnlineRow]) -> None:
        for row in rows:
            client.set(key_name(row), encode(row), ex=SPOT_RISK.ttl_s)

    def read_pipelined(rows: Sequence[OnlineRow]) -> object:
        pipe = client.pipeline(transaction=False)
        for row in rows:
            pipe.get(key_name(row))
        return decode(rows, pipe.execute())

    def read_singly(rows: Sequence[OnlineRow]) -> object:
        return decode(rows, [client.get(key_name(row)) for row in rows])

    def spotlab_peer(view: Any) -> Peer:
        label = "spotlab (hashes)" if view.as_hash else "spotlab"
        return (
            label,
            lambda rows: store.write(view, rows),
            lambda rows: store.read(view, [row.key for row in rows]),
        )

    hashes = replace(POOL, entity=SPOT_RISK.entity)
    return [
        spotlab_peer(SPOT_RISK),
        spotlab_peer(hashes),
        ("pipe.set", write_pipelined, read_pipelined),
        ("one key per call", write_singly, read_singly),
    ]


def main(count: int = 15_000) -> None:
    """Print seconds and ratios."""
    rows = synthetic_rows(count)
    with tempfile.TemporaryDirectory() as home:
        url, membership = join_server(Path(home), idle_s=0.1)
        with membership, connect(url) as client:
            server = RedisOnlineStore(client).info()
            print(f"online store, {count:,} rows, {server['server']} {server['version']}")
            report(client, rows)


def report(client: redis.Redis, rows: Sequence[OnlineRow]) -> None:
    """Print one line per peer; ratios are relative to SpotLab's store with strings."""
    print(f"  {'':16}  {'write':>9}  ratio  {'read':>9}  ratio")
    ours = None
    for label, write, read in peers(client):
        seconds = best_s(partial(write, rows)), best_s(partial(read, rows))
        assert read(rows) == rows, label
        ours = ours or seconds
        (wrote, took), (our_write, our_read) = seconds, ours
        print(
            f"  {label:16}  {wrote:7.3f} s  {wrote / our_write:5.1f}"
            f"  {took:7.3f} s  {took / our_read:5.1f}"
        )
    store = RedisOnlineStore(client)
    scan_all_s = best_s(lambda: store.scan(SPOT_RISK))
    scan_region_s = best_s(lambda: store.scan(SPOT_RISK, ("region-1",)))
    older = [row._replace(event_time=row.event_time - timedelta(seconds=1)) for row in rows]
    reject_older_s = best_s(lambda: store.write(SPOT_RISK, older))
    print(f"  scan all rows {scan_all_s:.3f} s, of one region {scan_region_s:.4f} s; ", end="")
    print(f"reject as many older rows {reject_older_s:.3f} s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
