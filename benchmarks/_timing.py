"""Timing of calls, and latencies as text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np


def best_s(run: Callable[[], object], runs: int = 3) -> float:
    """Seconds of the fastest of some runs, after a warm-up."""
    run()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def latency_line(name: str, latencies_s: Sequence[float]) -> str:
    """Number and percentiles of latencies, as one line."""
    if not latencies_s:
        return f"{name:<16} none"
    count = len(latencies_s)
    p50, p95, p99 = np.percentile(np.array(latencies_s) * 1e3, [50, 95, 99])
    return f"{name:<16} {count:>6}   p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   p99 {p99:7.1f} ms"
