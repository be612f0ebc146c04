"""Recorded decisions, opened with their candidates and made again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from spotlab.domain.decision import Experiment
from spotlab.domain.market import MarketData, MarketName
from spotlab.domain.policy import PolicyParams
from spotlab.domain.workload import AppliedWorkload
from spotlab.errors import NoMarketData, NotAvailable, NotFound
from spotlab.features import offline
from spotlab.pipeline import replay as replaying
from spotlab.pipeline.cost_since import CostSince, cost_since
from spotlab.pipeline.evaluate import Unrecorded
from spotlab.pipeline.replay import Difference
from spotlab.pipeline.score import ScoredMarket
from spotlab.runtime.lab import Lab

_MARKETS: Final = 3
"""Scored markets of past runs that a process keeps."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded decision, made again.

    Args:
        recorded: as it was recorded, without candidates.
        replayed: as it is made now, without candidates.
        differences: values that differ, bit for bit.
        changed: what was asked to be another than recorded: model, policy, workload.
        recorded_cost, replayed_cost: of each since, had it been carried out at once; None if
            nothing was changed.
    """

    recorded: Experiment
    replayed: Experiment
    differences: tuple[Difference, ...]
    changed: tuple[str, ...]
    recorded_cost: CostSince | None = None
    replayed_cost: CostSince | None = None

    @property
    def identical(self) -> bool:
        """Whether no value differs."""
        return not self.differences


@dataclass(slots=True)
class _PastMarkets:
    """The scored markets of past runs that were used last.

    Args:
        scored: by digest of the run, model, and whether with features.
    """

    scored: OrderedDict[tuple[str, str, bool], ScoredMarket] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: tuple[str, str, bool], build: Callable[[], ScoredMarket]) -> ScoredMarket:
        with self.lock:
            if key not in self.scored:
                self.scored[key] = build()
                while len(self.scored) > _MARKETS:
                    self.scored.popitem(last=False)
            self.scored.move_to_end(key)
            return self.scored[key]


def scored_then(lab: Lab, experiment: Experiment, features: bool = False) -> ScoredMarket:
    """The scored market of a decision.

    Args:
        lab: its store and its cache of past markets.
        experiment: as from the ledger.
        features: with the features of every pool.
    Raises:
        NotFound: the market of its run is no longer in the database.
        NotAvailable: its features cannot be computed as they were, or it was recorded before runs
            were, without what a replay needs.
    """
    if experiment.run is None:
        return replaying.restored(lab.store, experiment)
    markets = lab.process_state(_PastMarkets)
    key = (lab.store.market_runs.digest(experiment.run.run_id), experiment.model)
    scored = markets.get((*key, False), lambda: replaying.restored(lab.store, experiment))
    if not features:
        return scored
    return markets.get((*key, True), lambda: replaying.with_features(lab.store, scored, experiment))


def open_experiment(lab: Lab, experiment: Experiment) -> Experiment:
    """A recorded decision with its candidates; without them if its market was deleted."""
    if experiment.run is None:
        return experiment
    try:
        try:
            scored = scored_then(lab, experiment, features=True)
        except NotAvailable:  # the engine computes other features by now
            scored = scored_then(lab, experiment)
    except NotFound:
        return experiment
    performance = replaying.performance_of(lab.store, experiment, scored)
    return replaying.opened(experiment, scored, performance)


def decide_again(
    lab: Lab,
    experiment: Experiment,
    model: str | None = None,
    policy: PolicyParams | None = None,
    policy_version: str | None = None,
    applied: AppliedWorkload | None = None,
) -> tuple[Unrecorded, ScoredMarket]:
    """A recorded decision made again, and the scored market; see `replay_experiment`."""
    scored = scored_then(lab, experiment)
    if model is not None:
        scored = replaying.scored_by(lab.store, experiment, lab.model(model))
    if applied is None:
        performance = replaying.performance_of(lab.store, experiment, scored)
    else:
        performance = lab.performance(applied.workload, scored)
    again = replaying.replay(experiment, scored, performance, policy, policy_version, applied)
    return again, scored


def replay_experiment(
    lab: Lab,
    experiment: Experiment,
    model: str | None = None,
    policy: PolicyParams | None = None,
    policy_version: str | None = None,
    applied: AppliedWorkload | None = None,
) -> Replay:
    """Make a recorded decision again, as it was or with something else.

    Args:
        lab: its store, models and market.
        experiment: as from the ledger.
        model: another model, "name" or "name@version"; None: the recorded predictions.
        policy, policy_version: other parameters and their name; None: the recorded ones.
        applied: another workload; None: the recorded one.
    Raises:
        NotFound: its market is no longer in the database, or there is no such model.
        NotAvailable: it was recorded before runs were, without what this replay needs.
    """
    again, scored = decide_again(lab, experiment, model, policy, policy_version, applied)
    asked = {"model": model, "policy": policy, "workload": applied}
    changed = tuple(name for name, value in asked.items() if value is not None)
    result = Replay(experiment, again.experiment, replaying.differences(experiment, again), changed)
    if not changed:
        return result
    workload = (applied or experiment.workload).workload
    on_demand = scored.on_demand_usd_per_hour(experiment.instance.pool)
    market = _market_now(lab, experiment)
    return replace(
        result,
        recorded_cost=cost_since(experiment, workload, on_demand, market),
        replayed_cost=cost_since(again.experiment, workload, on_demand, market),
    )


def _market_now(lab: Lab, experiment: Experiment) -> MarketData | None:
    """The decision's market with its price history until now; None: it has none."""
    if experiment.market is MarketName.RECORDED:
        return None
    try:
        return offline.read_market(lab.store.archive, experiment.market, lab.clock.now())
    except NoMarketData:
        return None
