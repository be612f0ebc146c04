"""Storing and reading one decision's scored pools: the ledger's format compared with simpler ones.

    python -m benchmarks ledger [--pools=900]

Every peer stores the same candidates, with forty features each. Ratios are comparable between
machines; milliseconds are not.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial

import msgspec
import pandas as pd

from benchmarks._timing import best_s
from spotlab.domain.decision import Candidate
from spotlab.domain.market import Pool, Provenance
from spotlab.store import candidate_codec

RUNS = 5
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FEATURES = tuple(f"feature_{number}" for number in range(40))


def synthetic_candidates(pools: int) -> tuple[Candidate, ...]:
    """Pools whose features are half continuous, half counts and rounded numbers."""
    draw = random.Random(7)
    first = Candidate(
        pool=Pool("eu-west-1", "eu-west-1a", "m5.large", "Linux/UNIX"),
        spot_price_usd_per_hour=0.05,
        on_demand_price_usd_per_hour=0.1,
        risk=0.01,
        horizon_h=24.0,
        hazard_per_hour=4e-4,
        expected_cost_usd_per_hour=0.051,
        rank=0,
        dropped=None,
        reasons=("cheapest",),
        features={},
        sources=(Provenance("advisor", NOON, NOON),),
    )
    return tuple(
        replace(
            first,
            pool=replace(first.pool, instance_type=f"m{rank % 9}.{rank}xlarge"),
            rank=rank,
            risk=draw.random(),
            features={
                name: draw.random() if place % 2 else float(draw.randrange(5))
                for place, name in enumerate(FEATURES)
            },
        )
        for rank in range(pools)
    )


def to_parquet(rows: tuple[Candidate, ...]) -> bytes:
    """The rows as Parquet, written by pandas."""
    frame = pd.DataFrame([asdict(row) | row.features for row in rows])
    for name in ("pool", "sources", "reasons", "features", "evidence"):
        frame[name] = [json.dumps(value, default=str) for value in frame[name]]
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def main(pools: str = "900") -> None:
    """Print milliseconds, bytes and ratios."""
    rows = synthetic_candidates(int(pools))
    decoder = msgspec.json.Decoder(tuple[Candidate, ...])
    peers: tuple[tuple[str, Callable[[], bytes], Callable[[bytes], object]], ...] = (
        (
            "spotlab",
            lambda: candidate_codec.pack(rows, None, FEATURES),
            lambda stored: candidate_codec.unpack(stored).candidates,
        ),
        ("msgspec JSON", lambda: msgspec.json.encode(rows), decoder.decode),
        ("json", lambda: json.dumps([asdict(r) for r in rows], default=str).encode(), json.loads),
        ("pandas Parquet", lambda: to_parquet(rows), lambda b: pd.read_parquet(io.BytesIO(b))),
    )
    print(f"one decision over {len(rows):,} pools with {len(FEATURES)} features")
    base: list[float] = []
    for name, store, read in peers:
        stored = store()
        if name in ("spotlab", "msgspec JSON"):
            assert read(stored) == rows, f"{name} returns other candidates"
        figures = [
            1e3 * best_s(store, RUNS),
            1e3 * best_s(partial(read, stored), RUNS),
            len(stored) / 1024,
        ]
        base = base or figures
        print(
            f"  {name:15s} store {figures[0]:6.1f} ms {figures[0] / base[0]:5.1f}"
            f"   open {figures[1]:6.1f} ms {figures[1] / base[1]:5.1f}"
            f"   {figures[2]:7.0f} KiB {figures[2] / base[2]:5.1f}"
        )


if __name__ == "__main__":
    main()
