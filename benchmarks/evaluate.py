"""A decision on the recorded market: the market scored, one instance weighed in it, explained.

    python -m benchmarks evaluate [--data=../shared/data] [--json]

The peer of a ranking is the plain one that its property test uses: one pandas table, filtered and
sorted. That of an explanation is LightGBM's `pred_contrib` of the row alone. A budget is a number
of seconds of CPU time, and the ratio is how many times it could be spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

from benchmarks._comparison import Row, compare, show
from benchmarks._recorded import instances_on, recorded_folder, recorded_lab
from benchmarks.scoring import opened
from spotlab.domain.decision import Instance
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import NO_WORKLOAD
from spotlab.inference.explain import explain
from spotlab.inference.kernel_loader import KERNELS
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.filter import hardware_shortfalls, requirements_of
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.runtime.lab import Lab
from tests.pipeline.plain_ranking import plain_rank

SCORE_S, WEIGH_S, WEIGH_ALL_S = 0.05, 0.003, 0.015
REGION = "us-east-1"


def budget(what: str, run: Callable[[], object], budget_s: float, runs: int = 5) -> Row:
    """The fastest of some runs, in CPU time, beside the seconds it may take."""
    times = []
    for _ in range(runs + 1):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    ours_s = min(times[1:])
    return Row(what, ours_s, "budget", budget_s, budget_s / ours_s, 1.0, ours_s <= budget_s)


def measured(lab: Lab) -> list[Row]:
    """All rows."""
    KERNELS.load()
    data, model = lab.market(), lab.model()
    own = lab.own_record(data.market)
    scored = score_market(data, model, Tracer(), own)
    (instance,) = instances_on(data.pools(), 1, {REGION}, seed=5)
    everywhere = replace(instance, requirements=Requirements())
    pools = len(scored.table)
    rows = [
        budget(
            f"market of {pools:,} pools scored",
            lambda: score_market(data, model, Tracer(), own),
            SCORE_S,
        )
    ]
    policy, workload = PolicyParams(risk_ceiling=1.0), NO_WORKLOAD.workload
    performance = lab.performance(workload, scored)

    def ours(about: Instance) -> Callable[[], object]:
        evaluation = Evaluation(scored, policy)
        return lambda: evaluate(about, evaluation, None, data.as_of, performance=performance)

    def plain(about: Instance) -> Callable[[], object]:
        need = requirements_of(about, scored.pools, workload)
        worse = hardware_shortfalls(
            about.pool.instance_type, scored.hardware, workload.hardware, about.requirements
        )
        return lambda: plain_rank(
            scored,
            need,
            policy,
            workload,
            scored.on_demand_usd_per_hour(about.pool),
            worse,
            about.pool.instance_type,
            performance,
            {},
        )

    for what, about, budget_s in (
        ("one instance weighed", instance, WEIGH_S),
        ("one instance, every pool allowed", everywhere, WEIGH_ALL_S),
    ):
        rows.append(budget(what, ours(about), budget_s))
        rows.append(compare(what, ours(about), "pandas ranking", plain(about), 10.0, runs=3))
    rows.append(_explained(lab))
    return rows


def _explained(lab: Lab) -> Row:
    """Explanations of pools from the first to the last of the market."""
    scored, model = lab.scored(), lab.model()
    frame = scored.frame
    places = cycle((0, len(frame.pools) // 2, len(frame.pools) - 1))
    matrix = frame.select(model.feature_names)
    peer = opened()[2]

    def theirs() -> object:
        row = matrix[[next(places)]]
        return peer.predict(row, pred_contrib=True, num_threads=1)  # type: ignore[attr-defined]

    return compare(
        "one explanation",
        lambda: explain(model, frame, frame.pools[next(places)], 24.0),
        "LightGBM pred_contrib",
        theirs,
        1 / 1.2,
        runs=31,
    )


def main(data: str = "", json: str = "") -> None:
    """Print the rows."""
    folder = recorded_folder(data)
    if folder is not None:
        with recorded_lab(folder) as lab:
            show(measured(lab), json != "")
