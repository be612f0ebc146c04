"""Update of the online weights of one market: outcomes in, weights of every pool out.

    python -m benchmarks online_weights [--pools=60000] [--json]

Weights are those of an `Aggregation` of the experts of `models evaluate capacity --online`, at the
task, 30 regions, 400 families in each, and every pool. The last rows are not part of it: a forecast
with every recalibration, and learning them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks._comparison import RUNS, Row, show
from spotlab.inference.online.aggregation import Aggregation
from spotlab.inference.online.forecaster import LEVEL_PRIOR, OnlineForecaster
from spotlab.inference.online.nodes import NodeTree, Place

EXPERTS = ("model", "base_rate", "persistence", "streak_only", "availability_24h", "pool_rate")
LIMIT_S = 0.2
HORIZON_H = 24.0


def measured(pools: int = 60_000) -> list[Row]:
    """The rows; the peer is the limit."""
    rng = np.random.default_rng(1)
    places = [Place(f"r{i % 30}", f"f{i // 30 % 400}", f"p{i}") for i in range(pools)]
    tree = NodeTree.of(places, [HORIZON_H])
    nodes = tree.rows(np.arange(pools), np.full(pools, HORIZON_H))
    experts = rng.random((pools, len(EXPERTS)))
    outcome = (rng.random(pools) < 0.1).astype(np.float64)
    share = np.full(pools, 1.0 / 24.0)
    of_one_horizon = nodes[:, nodes.shape[1] // 2 :]
    aggregation = Aggregation(tree.count, [1.0] * len(EXPERTS), LEVEL_PRIOR)
    forecast = aggregation.forecast(of_one_horizon, experts)

    def update() -> object:
        aggregation.learn(of_one_horizon, experts, forecast, outcome, share)
        return aggregation.weights(of_one_horizon)

    forecaster = OnlineForecaster(tree, EXPERTS, [name for name in EXPERTS if name != "base_rate"])
    made = forecaster.forecast(nodes, experts)
    return [
        _row(f"weights of {pools:,} pools updated with {pools:,} outcomes", update, LIMIT_S),
        _row(
            f"forecast of {pools:,} pools, recalibrated",
            lambda: forecaster.forecast(nodes, experts),
        ),
        _row(
            f"recalibrations and weights of {pools:,} pools updated",
            lambda: forecaster.learn(made, outcome, share),
        ),
    ]


def _row(what: str, run: Callable[[], object], limit_s: float | None = None) -> Row:
    run()
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    ours_s = median(times)
    peer_s = limit_s or ours_s
    ratio = peer_s / ours_s
    peer = "the limit, of processor time" if limit_s else "itself: no limit"
    return Row(
        what,
        ours_s,
        peer,
        peer_s,
        ratio,
        1.0 if limit_s else None,
        ratio >= 1.0 if limit_s else None,
    )


def main(pools: str = "60000", json: str = "") -> None:
    """Print the rows."""
    show(measured(int(pools)), bool(json))


if __name__ == "__main__":
    main()
