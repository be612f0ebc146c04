"""Outcomes: joins predictions with observed interruptions, buckets and prices.

A prediction whose outcome could not be observed is censored, with a reason; nothing is guessed. An
outcome is recorded only after its horizon has passed: otherwise early interruptions would be
counted before the instances that ran through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

import numpy as np

from spotlab.domain.decision import Experiment, Lifecycle
from spotlab.domain.interruptions import INTERRUPTS, MAX_GAP, Exposure, InterruptionEvent
from spotlab.domain.market import MarketName
from spotlab.domain.outcomes import Outcome, OutcomeState, ShadowDecision, Target
from spotlab.domain.ports import BucketModel, ExperimentFilter, ExperimentSummary, RiskModel
from spotlab.errors import SpotlabError
from spotlab.pipeline.past_market import PastMarket
from spotlab.pipeline.replay import opened, performance_of, restored, with_features
from spotlab.pipeline.score import ScoredMarket
from spotlab.store import Store

T = TypeVar("T", InterruptionEvent, Exposure)

LOOK_BACK: Final = timedelta(days=180)
"""Age after which an experiment's outcomes can no longer become known."""
_ALL: Final = 10**9
PRICE_HORIZON: Final = timedelta(hours=24)
MONTH: Final = timedelta(days=30)
HIGH_BUCKET: Final = 3
LAST_PRICE: Final = "last-price@1"
"""The only price forecast: the price does not change."""


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """Counts of one run of `record_outcomes`.

    Args:
        new: outcomes that it recorded, by target.
        pending: predictions whose outcome is not known yet, by target.
    """

    new: Mapping[Target, int]
    pending: Mapping[Target, int]


@dataclass(slots=True)
class _Join:
    """Inputs that the joins share.

    Args:
        store: experiments, outcomes, interruptions and the archive.
        model: opens a model by "name@version".
        now: aware UTC.
        since: earlier experiments are ignored.
        shadows: shadow decisions by experiment id.
        pending: predictions whose outcome is not known yet, by target.
        market: the last market of a decision that was needed, by run and model.
    """

    store: Store
    model: Callable[[str], RiskModel]
    now: datetime
    since: datetime
    shadows: Mapping[int, Sequence[ShadowDecision]]
    pending: dict[Target, int] = field(default_factory=dict)
    market: dict[tuple[int, str], ScoredMarket] = field(default_factory=dict)

    def count_pending(self, target: Target) -> None:
        """Count a prediction whose outcome is not known yet."""
        self.pending[target] = self.pending.get(target, 0) + 1


def record_outcomes(
    store: Store, model: Callable[[str], RiskModel], now: datetime
) -> OutcomeCounts:
    """Record the outcome of every prediction whose outcome is known now; idempotent.

    Args:
        store: experiments, interruptions, shadow decisions and the archive; receives the outcomes.
        model: opens a model by "name@version"; without its files, its predictions have no outcome.
        now: aware UTC.
    Raises:
        DatabaseDown: no outcome of the current target was recorded.
    """
    since = now - LOOK_BACK
    shadows: dict[int, list[ShadowDecision]] = {}
    for decision in store.shadow_decisions.list(since=since, limit=_ALL):
        shadows.setdefault(decision.experiment_id, []).append(decision)
    join = _Join(store, model, now, since, shadows)
    experiments = [
        each
        for each in reversed(store.ledger.list(ExperimentFilter(since=join.since), limit=_ALL))
        if each.market is not MarketName.RECORDED  # a recorded market has no future
    ]
    joins = {
        Target.INTERRUPTION: _interruptions,
        Target.BUCKET: _buckets,
        Target.PRICE: _prices,
    }
    new = {
        target: store.outcomes.record(list(outcomes(join, experiments)))
        for target, outcomes in joins.items()
    }
    return OutcomeCounts(new, join.pending)


def _interruptions(join: _Join, experiments: Sequence[ExperimentSummary]) -> Iterator[Outcome]:
    store = join.store
    settled = store.outcomes.settled(Target.INTERRUPTION)
    emulated_accounts = {account.name: account.emulated for account in store.fleet.accounts()}
    on_spot = {
        each.instance_id
        for each in store.fleet.instances(active_only=False)
        if each.lifecycle is Lifecycle.SPOT
    }
    log = store.interruptions
    for emulated in (False, True):  # an emulated instance says nothing about a real market
        events = _by_instance(log.events(emulated=emulated, since=join.since))
        exposures = _by_instance(log.exposures(emulated=emulated, since=join.since))
        matching = [
            each
            for each in experiments
            if each.instance_id in on_spot
            and emulated_accounts.get(each.account) is emulated
            and emulated is (each.market is MarketName.SIMULATED)
        ]
        for each in matching:
            due_at = each.created_at + timedelta(hours=each.horizon_h)
            if due_at + MAX_GAP > join.now:
                join.count_pending(Target.INTERRUPTION)
                continue
            realised, reason = _interruption_outcome(
                each,
                due_at,
                events.get(each.instance_id, []),
                exposures.get(each.instance_id, []),
            )
            for model, risk, challenger in _risks(join, each, settled):
                yield _outcome(
                    each,
                    Target.INTERRUPTION,
                    model,
                    each.instance_id,
                    due_at,
                    risk,
                    realised,
                    reason,
                    challenger,
                )


def _risks(
    join: _Join, each: ExperimentSummary, settled: set[tuple[int, str]]
) -> Iterator[tuple[str, float, bool]]:
    """(model, risk of the current pool, is a challenger) of predictions without an outcome."""
    if each.risk is not None and (each.experiment_id, each.model) not in settled:
        yield each.model, each.risk, False
    for shadow in join.shadows.get(each.experiment_id, []):
        known = (each.experiment_id, shadow.model) in settled
        if shadow.current_risk is not None and not known:
            yield shadow.model, shadow.current_risk, True


def _interruption_outcome(
    each: ExperimentSummary,
    due_at: datetime,
    events: Sequence[InterruptionEvent],
    exposures: Sequence[Exposure],
) -> tuple[float | None, str]:
    in_pool = [exposure for exposure in exposures if exposure.pool.key == each.current_pool]
    for event in events:
        if event.kind in INTERRUPTS and each.created_at < event.at <= due_at:
            observed = any(
                exposure.started_at <= each.created_at and exposure.ended_at + MAX_GAP >= event.at
                for exposure in in_pool
            )
            # An unobserved survivor is censored, so an unobserved interruption must be as well:
            # otherwise predicted risks would look too low.
            return (
                (1.0, f"Interrupted ({event.source}).")
                if observed
                else (None, f"Interrupted ({event.source}), but not observed until then.")
            )
    if any(
        exposure.started_at <= each.created_at and exposure.ended_at >= due_at
        for exposure in in_pool
    ):
        return 0.0, "Observed running throughout the horizon."
    within = [
        exposure
        for exposure in in_pool
        if exposure.ended_at > each.created_at and exposure.started_at < due_at
    ]
    if not within:
        return None, "Not observed: SpotLab did not list the instance as running in that time."
    return None, (
        "Stopped, switched or no longer observed before the horizon ended; last observed running "
        f"{max(exposure.ended_at for exposure in within):%Y-%m-%d %H:%M} UTC."
    )


def _buckets(join: _Join, experiments: Sequence[ExperimentSummary]) -> Iterator[Outcome]:
    """The first prediction per pool, model and day."""
    settled = join.store.outcomes.settled(Target.BUCKET)
    past_market = PastMarket(join.store.archive)
    for each in _first_of_a_day(experiments):
        due_at = each.created_at + MONTH
        if due_at > join.now:
            join.count_pending(Target.BUCKET)
            continue
        models = [each.model, *(d.model for d in join.shadows.get(each.experiment_id, []))]
        unsettled = [name for name in models if (each.experiment_id, name) not in settled]
        if not unsettled:
            continue
        bucket, reason = past_market.bucket(each.market, each.current_pool, due_at, join.now)
        if not reason:
            join.count_pending(Target.BUCKET)
            continue
        experiment = _with_features(join, each.experiment_id)
        for name in unsettled:
            probability = _high_bucket_probability(join, name, experiment)
            if probability is not None:
                yield _outcome(
                    each,
                    Target.BUCKET,
                    name,
                    each.current_pool,
                    due_at,
                    probability,
                    None if bucket is None else float(bucket >= HIGH_BUCKET),
                    reason,
                    name != each.model,
                )


def _with_features(join: _Join, experiment_id: int) -> Experiment:
    """A decision with the features of its current pool, if they can still be derived."""
    experiment = join.store.ledger.get(experiment_id)
    if experiment.run is None:
        return experiment
    key = (experiment.run.run_id, experiment.model)
    if key not in join.market:
        try:
            scored = restored(join.store, experiment)
            join.market = {key: with_features(join.store, scored, experiment)}
        except SpotlabError:  # it was deleted, or features are computed in another way now
            return experiment
    scored = join.market[key]
    return opened(experiment, scored, performance_of(join.store, experiment, scored))


def _high_bucket_probability(join: _Join, name: str, experiment: Experiment) -> float | None:
    """The model's prediction from the stored features; None if it cannot be made."""
    current = experiment.verdict.current if experiment.verdict else None
    try:
        model = join.model(name)
    except SpotlabError:  # for example, its files were deleted
        return None
    if current is None or not isinstance(model, BucketModel):
        return None
    row = [current.features.get(feature, np.nan) for feature in model.feature_names]
    probability = float(model.high_bucket_probability(np.array([row], dtype=np.float64))[0])
    return probability if np.isfinite(probability) else None


def _prices(join: _Join, experiments: Sequence[ExperimentSummary]) -> Iterator[Outcome]:
    settled = join.store.outcomes.settled(Target.PRICE)
    past_market = PastMarket(join.store.archive)
    for each in experiments:
        price = each.spot_price_usd_per_hour
        if price is None or (each.experiment_id, LAST_PRICE) in settled:
            continue
        due_at = each.created_at + PRICE_HORIZON
        if due_at > join.now:
            join.count_pending(Target.PRICE)
            continue
        realised, reason = past_market.price(each.market, each.current_pool, due_at, join.now)
        if not reason:
            join.count_pending(Target.PRICE)
            continue
        yield _outcome(
            each,
            Target.PRICE,
            LAST_PRICE,
            each.current_pool,
            due_at,
            price,
            realised,
            reason,
            False,
        )


def _first_of_a_day(experiments: Sequence[ExperimentSummary]) -> list[ExperimentSummary]:
    first: dict[tuple[str, str, int], ExperimentSummary] = {}
    for each in experiments:
        if each.decision is not None:
            key = (each.current_pool, each.model, each.created_at.toordinal())
            first.setdefault(key, each)
    return list(first.values())


def _by_instance(items: Sequence[T]) -> dict[str, list[T]]:
    by_instance: dict[str, list[T]] = {}
    for item in items:
        by_instance.setdefault(item.instance_id, []).append(item)
    return by_instance


def _outcome(
    each: ExperimentSummary,
    target: Target,
    model: str,
    subject: str,
    due_at: datetime,
    predicted: float,
    realised: float | None,
    reason: str,
    challenger: bool,
) -> Outcome:
    return Outcome(
        experiment_id=each.experiment_id,
        target=target,
        model=model,
        subject=subject,
        market=each.market,
        predicted_at=each.created_at,
        due_at=due_at,
        horizon_h=(due_at - each.created_at) / timedelta(hours=1),
        predicted=predicted,
        realised=realised,
        state=OutcomeState.CENSORED if realised is None else OutcomeState.REALISED,
        reason=reason,
        challenger=challenger,
    )
