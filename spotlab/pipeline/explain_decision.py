"""Why a decision was made: its margin in words, its runner-up, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Experiment, Lifecycle, Verdict
from spotlab.domain.decision_explanation import DecisionExplanation, Flip, FlipKind
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.market import MarketName
from spotlab.domain.performance import EQUAL, PerformanceIndex
from spotlab.domain.performance_claims import CLAIMS_VERSION
from spotlab.domain.policy_parameters import PARAMETERS, Unit
from spotlab.domain.ports import RiskModel
from spotlab.domain.workload import MAX_MEMORY_TOLERANCE, Workload
from spotlab.errors import InvalidInput
from spotlab.inference.explanation_text import feature_label
from spotlab.pipeline.decision_case import Changed, DecisionCase
from spotlab.pipeline.decision_words import changes, reasons
from spotlab.pipeline.evaluate import Evaluation, current_and_best, evaluate, rank_for
from spotlab.pipeline.filter import requirements_of
from spotlab.pipeline.flips import best_other, policy_flips, price_flips, searched, workload_flips
from spotlab.pipeline.rank import Ranking
from spotlab.pipeline.score import price_read_at

MAX_VALUES: Final = 200
"""Values of a feature that are tried, spread over those seen in the market."""
_BISECTIONS: Final = 40
_HARDWARE: Final[Mapping[str, str]] = {
    "allow_weaker_gpu": "a weaker GPU may replace it",
    "allow_older_generation": "an older CPU generation may replace it",
    "allow_burstable": "a burstable or flex CPU may replace it",
    "same_cpu_maker": "the CPU maker must be the same",
    "uses_local_storage": "it uses local storage",
    "keeps_bandwidth": "it needs its network and EBS bandwidth",
    "use_claims": "what AWS claims about performance counts",
}


@dataclass(frozen=True, slots=True)
class DecidedWith:
    """What a decision was made with.

    Args:
        evaluation: the scored market and the policy.
        last_switch_at: when the instance's last switch was decided, or None.
        model: the model that scored the market.
        performance: of types, for the workload.
    """

    evaluation: Evaluation
    last_switch_at: datetime | None
    model: RiskModel
    performance: PerformanceIndex = EQUAL


def explain_decision(experiment: Experiment, decided: DecidedWith) -> DecisionExplanation:
    """Explain a decision.

    Args:
        experiment: the decision.
        decided: what it was made with; it is decided again with that, so that its margin and
            runner-up belong to the flips.
    Raises:
        InvalidInput: no decision was made.
    """
    again = evaluate(
        experiment.instance,
        decided.evaluation,
        decided.last_switch_at,
        experiment.created_at,
        experiment.workload,
        experiment.unavailable,
        decided.performance,
    )
    ranking, verdict = again.ranking, again.experiment.verdict
    if ranking is None or verdict is None:
        raise InvalidInput(
            f"Decision #{experiment.experiment_id} was not made: {experiment.error}",
            remedy="Explain another decision.",
        )
    same = replace(again.experiment, experiment_id=experiment.experiment_id)
    case = _case(same, ranking, decided)
    if case.verdict().decision is not verdict.decision:
        raise AssertionError("the arrays of a case decide otherwise than the pipeline")
    flips = [
        *price_flips(case),
        *policy_flips(case),
        *workload_flips(case),
        *_age_flips(same, case, decided),
        *_hardware_flips(same, case, decided),
        *_spread_flips(same, case, decided),
        *_feature_flips(case, decided),
    ]
    flips.sort(key=lambda flip: flip.relative_change)
    return DecisionExplanation(
        same, tuple(flips), (*_otherwise(experiment, same), *reasons(same)), changes(flips)
    )


def _otherwise(recorded: Experiment, again: Experiment) -> tuple[str, ...]:
    """Says so if deciding again gave another decision than was recorded."""
    before, after = recorded.verdict, again.verdict
    assert after is not None, "it was decided again"
    if before is None or (before.decision, before.reason) == (after.decision, after.reason):
        return ()
    return (
        f"Recorded as {before.decision}; this is {after.decision}, decided again with what is "
        "known today, because not everything that it was made with was kept.",
    )


def _case(experiment: Experiment, ranking: Ranking, decided: DecidedWith) -> DecisionCase:
    current, *_ = current_and_best(experiment.instance, ranking)
    return DecisionCase(
        experiment.instance, ranking, current, decided.last_switch_at, experiment.created_at
    )


def _with_workload(
    experiment: Experiment, workload: Workload, decided: DecidedWith
) -> DecisionCase:
    """The case with another workload, its hardware rule and regions included."""
    scored = decided.evaluation.scored
    claims = CLAIMS_VERSION if workload.hardware.use_claims else 0
    performance = replace(decided.performance, claims_version=claims)
    ranking = rank_for(
        experiment.instance,
        requirements_of(experiment.instance, scored.pools, workload),
        scored,
        decided.evaluation.policy,
        workload,
        experiment.unavailable,
        performance,
    )
    return _case(experiment, ranking, decided)


def _hardware_flips(
    experiment: Experiment, case: DecisionCase, decided: DecidedWith
) -> Iterator[Flip]:
    """For each flag of the hardware rule, and the memory tolerance."""
    base, workload = case.verdict(), case.workload
    rule = workload.hardware
    for field in fields(HardwareRule):
        if field.name not in _HARDWARE:
            continue
        before = bool(getattr(rule, field.name))
        toggled: dict[str, Any] = {field.name: not before}
        verdict = _with_workload(
            experiment, replace(workload, hardware=replace(rule, **toggled)), decided
        ).verdict()
        flips = verdict.decision is not base.decision
        yield Flip(
            FlipKind.HARDWARE,
            f"hardware.{field.name}",
            _HARDWARE[field.name],
            "",
            _yes(before),
            _yes(not before) if flips else None,
            verdict.decision if flips else None,
            verdict.chosen.pool if flips and verdict.chosen else None,
        )
    yield _memory_flip(experiment, case, decided)


def _memory_flip(experiment: Experiment, case: DecisionCase, decided: DecidedWith) -> Flip:
    """The decision only changes where the tolerance admits or excludes another size of memory."""
    base, workload = case.verdict(), case.workload
    before = workload.hardware.memory_tolerance
    table = decided.evaluation.scored.table
    same_type = table["instance_type"] == experiment.instance.pool.instance_type
    own = table.loc[same_type, "memory_gb"].dropna()
    after, found = None, None
    if len(own):
        lacking = 1.0 - np.unique(table["memory_gb"].dropna()) / float(own.iloc[0])
        # Just enough for the rounding of (1 - tolerance) × memory not to exclude the size itself.
        admitted = [float(np.nextafter(each, 1.0)) for each in lacking if each > before]
        excluded = [float(np.nextafter(each, -1.0)) for each in lacking if 0 < each <= before]
        steps = [each for each in (*admitted, *excluded) if 0 <= each <= MAX_MEMORY_TOLERANCE]
        for value in sorted(steps, key=lambda each: abs(each - before)):
            other = replace(workload.hardware, memory_tolerance=value)
            verdict = _with_workload(
                experiment, replace(workload, hardware=other), decided
            ).verdict()
            if verdict.decision is not base.decision:
                after, found = value, verdict
                break
    return Flip(
        FlipKind.HARDWARE,
        "hardware.memory_tolerance",
        "share of its memory that a replacement may lack",
        Unit.SHARE,
        before,
        after,
        found.decision if found else None,
        found.chosen.pool if found and found.chosen else None,
        0.0,
        MAX_MEMORY_TOLERANCE,
    )


def _age_flips(experiment: Experiment, case: DecisionCase, decided: DecidedWith) -> Iterator[Flip]:
    """The decision only changes where the limit passes the age of the prices."""
    scored, policy = decided.evaluation.scored, decided.evaluation.policy
    after, verdict = None, None
    if scored.data.market is not MarketName.RECORDED:
        age_h = (scored.data.as_of - price_read_at(scored.data)).total_seconds() / 3600
        value = age_h if age_h > policy.max_price_age_h else float(np.nextafter(age_h, -1.0))
        if value >= 0.0:
            other = replace(policy, max_price_age_h=value)
            evaluation = replace(decided.evaluation, policy=other)
            found = _with_workload(
                experiment, case.workload, replace(decided, evaluation=evaluation)
            ).verdict()
            if found.decision is not case.verdict().decision:
                after, verdict = value, found
    yield Flip(
        FlipKind.POLICY,
        "policy.max_price_age_h",
        PARAMETERS["max_price_age_h"].label.lower(),
        Unit.HOURS,
        policy.max_price_age_h,
        after,
        verdict.decision if verdict else None,
        verdict.chosen.pool if verdict and verdict.chosen else None,
        0.0,
    )


def _spread_flips(
    experiment: Experiment, case: DecisionCase, decided: DecidedWith
) -> Iterator[Flip]:
    """Without the other instances of the run."""
    if not experiment.unavailable:
        return
    free = replace(experiment, unavailable={})
    verdict = _with_workload(free, case.workload, decided).verdict()
    flips = verdict.decision is not case.verdict().decision
    yield Flip(
        FlipKind.FLEET,
        "fleet.unavailable",
        "pools left to other instances",
        "",
        str(len(experiment.unavailable)),
        "0" if flips else None,
        verdict.decision if flips else None,
        verdict.chosen.pool if flips and verdict.chosen else None,
    )


def _feature_flips(case: DecisionCase, decided: DecidedWith) -> Iterator[Flip]:
    """For each feature of the own pool and of the chosen or best one, in the data's range.

    The hazard is predicted for values of the feature that occur in the market; the nearest with
    another decision is then approached by bisection, unless the feature has whole values only.
    """
    base = case.verdict()
    rows = case.ranking.rows
    own = case.ranking.position_of(case.instance.pool)
    if own is not None and case.current is not None and not _pays_on_demand(case):
        yield from _of_pool(case, base, decided, "current", int(rows[own]), None)
    best = best_other(case, base)
    if best is not None:
        row = int(rows[int(case.positions[best])])
        yield from _of_pool(case, base, decided, "chosen" if base.chosen else "best", row, best)


def _pays_on_demand(case: DecisionCase) -> bool:
    return case.instance.lifecycle is Lifecycle.ON_DEMAND


def _of_pool(
    case: DecisionCase,
    base: Verdict,
    decided: DecidedWith,
    role: str,
    row: int,
    other: int | None,
) -> Iterator[Flip]:
    """The flips by each feature of one pool; `other` is its position in the case, None: the own."""
    scored, model = decided.evaluation.scored, decided.model
    matrix = scored.frame.select(model.feature_names)
    evidence = case.ranking.scored.evidence.get(row)
    pool = scored.frame.pools[row]

    def changed_by(column: int, values: NDArray[np.float64]) -> list[Changed | None]:
        """What each value changes; None: the model refuses it."""
        rows = np.repeat(matrix[row : row + 1], len(values), axis=0)
        rows[:, column] = values
        hazards = np.asarray(model.hazard_per_hour(rows), dtype=np.float64)
        if evidence is not None:
            hazards = np.array(
                [replace(evidence, prior_hazard_per_hour=each).hazard_per_hour for each in hazards]
            ) * evidence.multiple(case.workload.horizon_h)
        return [
            None
            if not np.isfinite(hazard)
            else Changed(own_hazard=float(hazard))
            if other is None
            else Changed(other=other, other_hazard=float(hazard))
            for hazard in hazards
        ]

    units = {each["name"]: str(each["unit"]) for each in model.card.get("features", ())}
    for column, name in enumerate(model.feature_names):
        before = float(matrix[row, column])
        seen = np.unique(matrix[:, column])
        seen = seen[np.isfinite(seen)]
        if not np.isfinite(before) or len(seen) == 0:
            continue
        if len(seen) > MAX_VALUES:
            seen = seen[np.unique(np.linspace(0, len(seen) - 1, MAX_VALUES).astype(int))]
        tried = changed_by(column, seen)
        accepted = [index for index, each in enumerate(tried) if each is not None]
        values = [float(seen[index]) for index in accepted]
        found = searched(case, base, before, values, [each for each in tried if each is not None])
        after, verdict = None, None
        if found is not None:
            after = values[found]
            if not np.all(seen == np.round(seen)):
                after = _approached(case, base, before, after, partial(changed_by, column))
            (change,) = changed_by(column, np.array([after]))
            verdict = case.verdict(change) if change is not None else None
        yield Flip(
            FlipKind.FEATURE,
            f"feature.{role}.{name}",
            f"{feature_label(name)} of {pool.label}",
            units.get(name, ""),
            before,
            after,
            verdict.decision if verdict else None,
            verdict.chosen.pool if verdict and verdict.chosen else None,
            float(seen.min()),
            float(seen.max()),
        )


def _approached(
    case: DecisionCase,
    base: Verdict,
    same: float,
    other: float,
    changed_by: Callable[[NDArray[np.float64]], list[Changed | None]],
) -> float:
    """A value nearer to `same` than `other` that still gives another decision."""
    for _ in range(_BISECTIONS):
        middle = 0.5 * (same + other)
        (change,) = changed_by(np.array([middle]))
        if middle in (same, other) or change is None:
            break
        if case.verdict(change).decision is base.decision:
            same = middle
        else:
            other = middle
    return other


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
