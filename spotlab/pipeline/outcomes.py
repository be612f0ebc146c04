"""Joins predictions with what happened.

What is not known to have happened is censored, with its reason; nothing is guessed. An outcome is
settled only once its horizon has passed, so that early interruptions are not counted before those
who ran through.
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
from spotlab.pipeline.hindsight import LaterMarket
from spotlab.store import Store

T = TypeVar("T", InterruptionEvent, Exposure)

LOOK_BACK: Final = timedelta(days=180)
"""Older experiments are settled or never will be."""
_ALL: Final = 10**9
PRICE_HORIZON: Final = timedelta(hours=24)
MONTH: Final = timedelta(days=30)
HIGH_BUCKET: Final = 3
LAST_PRICE: Final = "last-price@1"
"""The price forecast there is: a price stays as it was."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one run of `realise` did.

    Args:
        new: outcomes recorded now, by target.
        pending: predictions whose time has not come, by target.
    """

    new: Mapping[Target, int]
    pending: Mapping[Target, int]


@dataclass(slots=True)
class _Join:
    """What the joins share.

    Args:
        store: everything recorded.
        model: gives a model by "name@version".
        now: aware UTC.
        since: experiments before are left alone.
        beside: shadow decisions by experiment.
    """

    store: Store
    model: Callable[[str], RiskModel]
    now: datetime
    since: datetime
    beside: Mapping[int, Sequence[ShadowDecision]]
    pending: dict[Target, int] = field(default_factory=dict)

    def wait(self, target: Target) -> None:
        """One more prediction whose time has not come."""
        self.pending[target] = self.pending.get(target, 0) + 1


def realise(store: Store, model: Callable[[str], RiskModel], now: datetime) -> Settled:
    """Settle every prediction that can be settled now; safe to run again and again.

    Args:
        store: experiments, interruptions, shadows and the archive; outcomes are recorded in it.
        model: gives a model by "name@version"; one that is gone settles nothing.
        now: aware UTC.
    Raises:
        DatabaseDown: nothing of the target at hand was recorded.
    """
    since = now - LOOK_BACK
    beside: dict[int, list[ShadowDecision]] = {}
    for decision in store.shadows.list(since=since, limit=_ALL):
        beside.setdefault(decision.experiment_id, []).append(decision)
    join = _Join(store, model, now, since, beside)
    made = [
        each
        for each in reversed(store.ledger.list(ExperimentFilter(since=join.since), limit=_ALL))
        if each.market is not MarketName.RECORDED  # past: nothing can happen to it any more
    ]
    joins = {
        Target.INTERRUPTION: _interruptions,
        Target.BUCKET: _buckets,
        Target.PRICE: _prices,
    }
    new = {target: store.outcomes.record(list(of(join, made))) for target, of in joins.items()}
    return Settled(new, join.pending)


def _interruptions(join: _Join, made: Sequence[ExperimentSummary]) -> Iterator[Outcome]:
    store = join.store
    settled = store.outcomes.settled(Target.INTERRUPTION)
    emulated = {account.name: account.emulated for account in store.fleet.accounts()}
    on_spot = {
        each.instance_id
        for each in store.fleet.instances(active_only=False)
        if each.lifecycle is Lifecycle.SPOT
    }
    log = store.interruptions
    for side in (False, True):  # an emulated instance says nothing about a real market
        events = _by_instance(log.events(emulated=side, since=join.since))
        exposures = _by_instance(log.exposures(emulated=side, since=join.since))
        theirs = [
            each
            for each in made
            if each.instance_id in on_spot
            and emulated.get(each.account) is side is (each.market is MarketName.SIMULATED)
        ]
        for each in theirs:
            due_at = each.created_at + timedelta(hours=each.horizon_h)
            if due_at + MAX_GAP > join.now:
                join.wait(Target.INTERRUPTION)
                continue
            realised, reason = _what_befell(
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
    """Who said which risk of the current pool, as far as it is not settled."""
    if each.risk is not None and (each.experiment_id, each.model) not in settled:
        yield each.model, each.risk, False
    for beside in join.beside.get(each.experiment_id, []):
        known = (each.experiment_id, beside.model) in settled
        if beside.current_risk is not None and not known:
            yield beside.model, beside.current_risk, True


def _what_befell(
    each: ExperimentSummary,
    due_at: datetime,
    events: Sequence[InterruptionEvent],
    exposures: Sequence[Exposure],
) -> tuple[float | None, str]:
    ran = [seen for seen in exposures if seen.pool.key == each.current_pool]
    for event in events:
        if event.kind in INTERRUPTS and each.created_at < event.at <= due_at:
            watched = any(
                seen.started_at <= each.created_at and seen.ended_at + MAX_GAP >= event.at
                for seen in ran
            )
            # A survivor that nobody watched is censored: so is this one, or risks would look low.
            return (
                (1.0, f"Interrupted ({event.source}).")
                if watched
                else (None, f"Interrupted ({event.source}), but not watched until then.")
            )
    if any(seen.started_at <= each.created_at and seen.ended_at >= due_at for seen in ran):
        return 0.0, "Seen running through the horizon."
    within = [seen for seen in ran if seen.ended_at > each.created_at and seen.started_at < due_at]
    if not within:
        return None, "Not observed: SpotLab listed no such instance running in that time."
    return None, (
        "Stopped, moved or out of sight before the horizon ended; last seen running "
        f"{max(seen.ended_at for seen in within):%Y-%m-%d %H:%M} UTC."
    )


def _buckets(join: _Join, made: Sequence[ExperimentSummary]) -> Iterator[Outcome]:
    """One prediction a pool, model and day: the first."""
    settled = join.store.outcomes.settled(Target.BUCKET)
    later = LaterMarket(join.store.archive)
    first = _first_of_a_day(made)
    for each in first:
        due_at = each.created_at + MONTH
        if due_at > join.now:
            join.wait(Target.BUCKET)
            continue
        models = [each.model, *(d.model for d in join.beside.get(each.experiment_id, []))]
        open_models = [name for name in models if (each.experiment_id, name) not in settled]
        if not open_models:
            continue
        bucket, reason = later.bucket(each.market, each.current_pool, due_at, join.now)
        if not reason:
            join.wait(Target.BUCKET)
            continue
        experiment = join.store.ledger.get(each.experiment_id)
        for name in open_models:
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


def _high_bucket_probability(join: _Join, name: str, experiment: Experiment) -> float | None:
    """From the features that were stored, so it is what the model would have said then."""
    current = experiment.verdict.current if experiment.verdict else None
    try:
        model = join.model(name)
    except SpotlabError:  # its files are gone: nothing can be said
        return None
    if current is None or not isinstance(model, BucketModel):
        return None
    row = [current.features.get(feature, np.nan) for feature in model.feature_names]
    probability = float(model.high_bucket_probability(np.array([row], dtype=np.float64))[0])
    return probability if np.isfinite(probability) else None


def _prices(join: _Join, made: Sequence[ExperimentSummary]) -> Iterator[Outcome]:
    settled = join.store.outcomes.settled(Target.PRICE)
    later = LaterMarket(join.store.archive)
    for each in made:
        price = each.spot_price_usd_per_hour
        if price is None or (each.experiment_id, LAST_PRICE) in settled:
            continue
        due_at = each.created_at + PRICE_HORIZON
        if due_at > join.now:
            join.wait(Target.PRICE)
            continue
        found, reason = later.price(each.market, each.current_pool, due_at, join.now)
        if not reason:
            join.wait(Target.PRICE)
            continue
        yield _outcome(
            each, Target.PRICE, LAST_PRICE, each.current_pool, due_at, price, found, reason, False
        )


def _first_of_a_day(made: Sequence[ExperimentSummary]) -> list[ExperimentSummary]:
    first: dict[tuple[str, str, int], ExperimentSummary] = {}
    for each in made:
        if each.decision is not None:
            key = (each.current_pool, each.model, each.created_at.toordinal())
            first.setdefault(key, each)
    return list(first.values())


def _by_instance(items: Sequence[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for item in items:
        found.setdefault(item.instance_id, []).append(item)
    return found


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
