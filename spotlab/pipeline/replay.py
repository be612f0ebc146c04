"""Past decisions, opened and made again on the market of their run.

A decision refers to the market of its run and to the hazards that its model gave it (see
`store.market_runs`). With these, the same function that decided then decides again: bit for bit, or
with another model, policy or workload. Decisions that were recorded before runs were have their
candidates, features included, and are made again among these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np

from spotlab.domain.decision import Candidate, Experiment, Verdict
from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import Pool
from spotlab.domain.performance import EQUAL, PerformanceIndex
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import RiskModel
from spotlab.domain.workload import AppliedWorkload
from spotlab.errors import NotAvailable
from spotlab.features import engine
from spotlab.pipeline.evaluate import Evaluation, Unrecorded, evaluate
from spotlab.pipeline.recorded_before import check_workload, market_of
from spotlab.pipeline.recorded_candidates import recorded_candidates, reference_to
from spotlab.pipeline.score import ScoredMarket, score_market, with_hazard
from spotlab.pipeline.stage_trace import Tracer
from spotlab.store import Store
from spotlab.store.market_runs import RecordedScores

RANKED_TABLES: Final = ("advisor", "prices", "on_demand", "specs")
"""The tables that a ranking needs; the others are for features."""
_FROM_THE_MARKET: Final = frozenset({"reasons", "sources", "features"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of a decision that is another in the replay.

    Args:
        field: such as "saving_usd_per_hour" or "chosen.pool.instance_type".
        recorded: its value in the ledger.
        replayed: its value in the replay.
    """

    field: str
    recorded: Any
    replayed: Any


def scores_of(scored: ScoredMarket) -> RecordedScores:
    """What a run records of a market that a model scored."""
    return RecordedScores(
        scored.model, scored.model_hazard, scored.frame.names, _features_digest(scored.frame)
    )


def restored(store: Store, experiment: Experiment) -> ScoredMarket:
    """The scored market that a decision was made on, without features.

    Raises:
        NotFound: its market, or its model's prediction, is no longer in the database.
        NotAvailable: it was recorded before runs were, without what a replay needs.
    """
    if experiment.run is None:
        return market_of(experiment, store.archive)
    data, own = store.market_runs.read(experiment.run.run_id, RANKED_TABLES)
    scores = store.market_runs.scores(experiment.run.run_id, experiment.model)
    frame = FeatureFrame(data.as_of, (), (), np.empty((len(data.prices), 0)))
    return with_hazard(data, frame, experiment.model, scores.hazard_per_hour, own)


def with_features(store: Store, scored: ScoredMarket, experiment: Experiment) -> ScoredMarket:
    """The same market with the features of every pool, computed by today's engine.

    Raises:
        NotFound: its market is no longer in the database.
        NotAvailable: the engine computes other values than it did then.
    """
    if experiment.run is None:
        return scored
    data, _ = store.market_runs.read(experiment.run.run_id)
    scores = store.market_runs.scores(experiment.run.run_id, experiment.model)
    frame = engine.compute(data)
    known = [name for name in scores.feature_names if name in frame.names]
    frame = FeatureFrame(frame.as_of, frame.pools, tuple(known), frame.select(known))
    if _features_digest(frame) != scores.features_digest:
        raise NotAvailable(
            "The features of this decision were computed by another version of SpotLab, and this "
            "one computes other values.",
            remedy="The decision's own numbers are as recorded.",
        )
    return replace(scored, data=data, frame=frame)


def scored_by(store: Store, experiment: Experiment, model: RiskModel) -> ScoredMarket:
    """The market of a decision, scored by any model.

    Raises:
        NotFound: its market is no longer in the database.
        InvalidInput: the model uses a feature that is not computed.
        NotAvailable: it was recorded before runs were, without a feature that the model uses.
    """
    if experiment.run is not None:
        data, own = store.market_runs.read(experiment.run.run_id)
        return score_market(data, model, Tracer(), own)
    scored = market_of(experiment, store.archive)
    if missing := sorted(set(model.feature_names) - set(scored.frame.names)):
        raise NotAvailable(
            f"{model.name}@{model.version} uses features that were not recorded with decision "
            f"{experiment.experiment_id}: {', '.join(missing[:3])}.",
            remedy="Replay a later decision about the instance.",
        )
    hazard = np.array(model.hazard_per_hour(scored.frame.select(model.feature_names)))
    evidence = {
        row: replace(each, prior_hazard_per_hour=float(hazard[row]))
        for row, each in scored.evidence.items()
    }
    table = scored.table.assign(hazard_per_hour=hazard)
    for row, each in evidence.items():
        table.loc[row, "hazard_per_hour"] = each.hazard_per_hour
    return replace(scored, model=f"{model.name}@{model.version}", table=table, evidence=evidence)


def performance_of(store: Store, experiment: Experiment, scored: ScoredMarket) -> PerformanceIndex:
    """The performance index that a decision was made with. Raises NotFound: it is gone."""
    return store.throughputs.index_at(experiment.performance).with_sizes(scored.hardware)


def replay(
    experiment: Experiment,
    scored: ScoredMarket,
    performance: PerformanceIndex = EQUAL,
    policy: PolicyParams | None = None,
    policy_version: str | None = None,
    applied: AppliedWorkload | None = None,
) -> Unrecorded:
    """Make a decision again.

    Args:
        experiment: the recorded decision.
        scored: its market, as from `restored` or `scored_by`.
        performance: of types, as from `performance_of`.
        policy, policy_version: other parameters and their name; None: the recorded ones.
        applied: another workload; None: the recorded one.
    Raises:
        NotAvailable: another workload needs facts that were not recorded.
    """
    instance = experiment.instance
    if experiment.run is None:
        check_workload(experiment, applied)
        if experiment.verdict is not None:
            # Of the pools that did not meet them, nothing was recorded.
            instance = replace(instance, requirements=experiment.requirements)
    evaluation = Evaluation(
        scored.with_data(replace(scored.data, degraded=experiment.degraded)),
        policy or experiment.policy,
        policy_version=policy_version or experiment.policy_version,
    )
    again = evaluate(
        instance,
        evaluation,
        experiment.last_switch_at,
        experiment.created_at,
        applied or experiment.workload,
        experiment.unavailable,
        performance,
    )
    return Unrecorded(
        replace(
            again.experiment,
            experiment_id=experiment.experiment_id,
            instance=experiment.instance,
            shadow=experiment.shadow,
        ),
        again.ranking,
    )


def opened(
    experiment: Experiment, scored: ScoredMarket, performance: PerformanceIndex = EQUAL
) -> Experiment:
    """A recorded decision with its candidates and everything that follows from its market.

    The numbers of the verdict stay as they were recorded.

    Args:
        experiment: as from the ledger.
        scored: its market with features, as from `with_features`.
        performance: of types, as from `performance_of`.
    """
    if experiment.run is None:
        return experiment
    again = replay(experiment, scored, performance)
    if again.ranking is None:
        return replace(experiment, feature_names=scored.frame.names)
    verdict, found = experiment.verdict, again.experiment.verdict
    candidates = recorded_candidates(again.ranking, found)
    by_pool = {each.pool: each for each in candidates}
    if verdict is not None:
        verdict = replace(
            verdict,
            current=_with_derived(verdict.current, by_pool),
            chosen=_with_derived(verdict.chosen, by_pool),
        )
    return replace(
        experiment, verdict=verdict, candidates=candidates, feature_names=scored.frame.names
    )


def differences(experiment: Experiment, again: Unrecorded) -> tuple[Difference, ...]:
    """Every value that a replay does not share with the recorded decision, bit for bit."""
    recorded, replayed = _values(experiment), _values(again.experiment)
    if experiment.run is not None:
        run = reference_to(experiment.run.run_id, again.ranking, again.experiment.verdict)
        replayed |= {"candidates": run.candidates, "candidates_digest": run.digest}
        recorded |= {
            "candidates": experiment.run.candidates,
            "candidates_digest": experiment.run.digest,
        }
    else:
        recorded |= _candidate_values(experiment.candidates)
        replayed |= _candidate_values(again.with_candidates().candidates)
        # Values that decisions of that time do not have, or that need the pools filtered out.
        for name in [*recorded, *replayed]:
            if name not in recorded or name.startswith(("dropped.", "requirements.")):
                recorded.pop(name, None)
                replayed.pop(name, None)
    return tuple(
        Difference(name, recorded.get(name), replayed.get(name))
        for name in {**recorded, **replayed}
        if recorded.get(name) != replayed.get(name)
    )


def _values(experiment: Experiment) -> dict[str, Any]:
    values: dict[str, Any] = {"error": experiment.error}
    if experiment.verdict is not None:
        values |= _flat(_verdict_values(experiment.verdict))
    values |= _flat(msgspec.to_builtins(experiment.requirements), "requirements.")
    values |= _flat(dict(experiment.dropped), "dropped.")
    return values


def _verdict_values(verdict: Verdict) -> dict[str, Any]:
    return {
        name: _numbers_of(each) if isinstance(each, Candidate) else msgspec.to_builtins(each)
        for name in verdict.__dataclass_fields__
        if (each := getattr(verdict, name)) is not None
    }


def _numbers_of(candidate: Candidate) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(candidate)
    return {name: value for name, value in values.items() if name not in _FROM_THE_MARKET}


def _candidate_values(candidates: tuple[Candidate, ...]) -> dict[str, Any]:
    return {
        name: value
        for each in candidates
        for name, value in _flat(_numbers_of(each), f"candidates.{each.pool.key}.").items()
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted name; None counts as absent."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = value
    return flat


def _with_derived(
    recorded: Candidate | None, by_pool: Mapping[Pool, Candidate]
) -> Candidate | None:
    found = by_pool.get(recorded.pool) if recorded is not None else None
    if recorded is None or found is None:
        return recorded
    return replace(recorded, reasons=found.reasons, sources=found.sources, features=found.features)


def _features_digest(frame: FeatureFrame) -> str:
    values = np.ascontiguousarray(frame.values, dtype=np.float64)
    return hashlib.sha256(values.tobytes()).hexdigest()[:32]
