"""One step of a what-if on a recorded market, compared with an evaluation of the same fleet.

    python -m benchmarks what_if [--data=../shared/data]

The market is that of the recorded feeds, and the fleet is the emulated one: 24 instances. Both
decide about every instance with the same changed parameters, and must come to the same decisions.
A service step also reads which instances the user sees, and decides with today's settings, as a
move of a slider does; a curve decides at each value of a slider. Ratios are comparable between
machines; milliseconds are not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks._recorded import recorded_folder, recorded_lab
from benchmarks._timing import best_s
from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.domain.policy import PolicyParams
from spotlab.domain.what_if import Changes
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.what_if import Outcome, prepare_fleet
from spotlab.runtime.lab import Lab
from spotlab.services import Services

RUNS = 20
CHANGES = Changes(
    risk_ceiling=0.0085, interruption_usd=5.0, min_saving_fraction=0.1, allow_older_generation=True
)
CURVE = tuple(0.001 * number for number in range(1, 21))


def main(data: str = "") -> None:
    """Print milliseconds and ratios."""
    folder = recorded_folder(data)
    if folder is not None:
        with recorded_lab(folder) as lab:
            lab.sync_fleet()
            _measure(lab)


def _measure(lab: Lab) -> None:
    scored, now, policy = lab.scored(), lab.clock.now(), PolicyParams()
    instances = [(each, scored, None, lab.workload_of(each)) for each in lab.evaluated_instances()]
    started = time.perf_counter()
    fleet = prepare_fleet(instances)
    prepare_s = time.perf_counter() - started
    print(
        f"a what-if about {len(instances)} instances on {len(scored.table):,} pools; prepared once "
        f"in {1e3 * prepare_s:.0f} ms"
    )

    def with_evaluation() -> list[tuple[object, object]]:
        found = []
        for instance, market, last_switch_at, applied in instances:
            changed = replace(applied, workload=CHANGES.workload(applied.workload))
            made = evaluate(
                instance, Evaluation(market, CHANGES.policy(policy)), last_switch_at, now, changed
            )
            verdict = made.experiment.verdict
            assert verdict is not None, made.experiment.error
            found.append((verdict.decision, verdict.chosen.pool if verdict.chosen else None))
        return found

    service = Services(lab, LOCAL_ADMINISTRATOR).what_if
    service.step(CHANGES)  # prepares
    _compare(fleet.step(policy, CHANGES, now), with_evaluation())
    step_ms = 1e3 * best_s(lambda: fleet.step(policy, CHANGES, now), RUNS)
    figures = (
        ("step", step_ms),
        ("service step", 1e3 * best_s(lambda: service.step(CHANGES), RUNS)),
        (
            f"curve of {len(CURVE)}",
            1e3 * best_s(lambda: service.sweep(CHANGES, "risk_ceiling", CURVE), RUNS),
        ),
        ("evaluate()", 1e3 * best_s(with_evaluation, 3)),
    )
    for name, figure_ms in figures:
        print(f"  {name:14} {figure_ms:8.1f} ms {figure_ms / step_ms:8.1f}")


def _compare(outcomes: Sequence[Outcome], evaluated: Sequence[tuple[object, object]]) -> None:
    for outcome, expected in zip(outcomes, evaluated, strict=True):
        assert outcome.target == expected, f"{outcome.instance.name}: {outcome.target}, {expected}"


if __name__ == "__main__":
    main(*sys.argv[1:2])
