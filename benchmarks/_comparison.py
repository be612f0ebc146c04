"""Rows of a benchmark: SpotLab beside a named peer on the same input in one run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

RUNS = 7


@dataclass(frozen=True)
class Row:
    """One comparison; `ratio` is peer_s / ours_s, and `target` the smallest that is wanted."""

    what: str
    ours_s: float
    peer: str
    peer_s: float
    ratio: float
    target: float | None
    reached: bool | None


def compare(
    what: str,
    ours: Callable[[], object],
    peer: str,
    theirs: Callable[[], object],
    target: float | None,
    runs: int = RUNS,
    clock: Callable[[], float] = time.perf_counter,
) -> Row:
    """Median seconds of both, measured alternately in both orders after a warm-up.

    A call that is much shorter than the other is interrupted by other processes less often: then
    only `time.process_time` as clock gives a ratio that does not depend on their load.
    """
    ours()
    theirs()
    mine, others = list[float](), list[float]()
    for number in range(runs):
        pairs = [(ours, mine), (theirs, others)]
        for run, times in pairs if number % 2 == 0 else reversed(pairs):
            started = clock()
            run()
            times.append(clock() - started)
    ours_s, peer_s = median(mine), median(others)
    ratio = peer_s / ours_s
    return Row(
        what, ours_s, peer, peer_s, ratio, target, None if target is None else ratio >= target
    )


def show(rows: Sequence[Row], as_json: bool) -> None:
    """Print the rows as a table, or as {"rows": [...]}."""
    if as_json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
        return
    for row in rows:
        answer = "yes" if row.reached else "no"
        wanted = "" if row.target is None else f" (wanted {row.target:g}: {answer})"
        print(
            f"{row.what:<50} {row.ours_s * 1e3:10.3f} ms  "
            f"{row.peer:<22} {row.peer_s * 1e3:10.3f} ms  {row.ratio:6.1f} x{wanted}"
        )
