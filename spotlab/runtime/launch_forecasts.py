"""Forecasts of the capacity of pools that own launches and probes know well enough.

The capacity champion and the simple rules of its card are combined by weights that are learnt
online. Learning is a job of its own, which reads all of LEARNING_HISTORY each time: what it keeps
can always be computed again. See docs/adr/0041-forecasts-never-far-behind-a-simple-rule.md.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.hazard_curve import CapacityForecast
from spotlab.domain.interruptions import LAUNCHES, InterruptionEvent, OwnRecord
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.online_weights import OnlineWeights
from spotlab.domain.ports import ModelRecord
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.online.nodes import Place
from spotlab.inference.predictor import Predictor
from spotlab.pipeline.capacity import (
    HISTORY,
    LIVE_HORIZONS_H,
    TICK,
    at_present,
    forecasts_of,
    launch_panel,
    live_risks,
)
from spotlab.store import Store

log = logging.getLogger("spotlab.runtime.launch_forecasts")
CAPACITY_TASK: Final = "capacity"
LEARNING_HISTORY: Final = timedelta(days=28)
"""Launches and probes of this time are learnt from."""
MOST_LEARNT: Final = 40_000
"""Launches and probes that are learnt from, at most; about 300,000 forecasts and 0.2 GB."""
FloatArray = NDArray[np.float64]


def own_record(store: Store, predictor: Predictor, market: MarketName, now: datetime) -> OwnRecord:
    """The own record that applies to a market, with forecasts of capacity.

    Without a history or a champion, there is none. A model that fails is logged, and takes no part:
    the long-run hazard and the other evidence remain.
    """
    own = store.interruptions.own_record(market, now)
    if market is MarketName.RECORDED:
        return own
    forecasts = _forecasts(store, predictor, market, now)
    return replace(own, forecasts=forecasts) if forecasts else own


def _forecasts(
    store: Store, predictor: Predictor, market: MarketName, now: datetime
) -> Mapping[Pool, CapacityForecast]:
    events = _events(store, market, now - HISTORY)
    panel = launch_panel(events, now)
    if panel is None:
        return {}
    champion = store.registry.champion(CAPACITY_TASK)
    if champion is None:
        return {}
    try:
        model = predictor.capacity(champion.reference)
        risks = live_risks(panel, model)
    except SpotlabError as exc:
        log.warning("the capacity model %s made no forecasts: %s", champion.reference, exc)
        return {}
    name = champion.reference
    try:
        found = store.online_weights.read_with_state(market)
        if found is not None:
            history = _events(store, market, now - LEARNING_HISTORY)
            risks = combined(panel, history, now, risks, champion, *found)
            name = f"{name} combined online with {_rules(len(found[0].experts) - 1)}"
    except (SpotlabError, LookupError, TypeError, ValueError) as exc:
        # A card may come from an upload: whatever its rules contain, the frozen model remains.
        log.warning("%s forecasts capacity without online weights: %s", champion.reference, exc)
    return forecasts_of(panel, risks, name)


def _events(store: Store, market: MarketName, since: datetime) -> list[InterruptionEvent]:
    return store.interruptions.events(emulated=market is MarketName.SIMULATED, since=since)


def _rules(count: int) -> str:
    return f"{count} {'rule' if count == 1 else 'rules'}"


def combined(
    panel: TracePanel,
    events: Sequence[InterruptionEvent],
    now: datetime,
    risks: Mapping[float, FloatArray],
    champion: ModelRecord,
    weights: OnlineWeights,
    state: bytes,
) -> dict[float, FloatArray]:
    """The champion's forecasts and those of the rules, combined by weights that were learnt.

    Args:
        panel: of launches, p pools.
        events: of LEARNING_HISTORY.
        now: the end of the panel, aware UTC.
        risks: (p,) the champion's forecasts by horizon.
        champion: its card has the rules' parameters.
        weights, state: as learnt.
    Returns:
        (p,) probabilities by horizon; NaN where a pool has no capacity.
    Raises:
        InvalidInput: the weights cannot be read, or are of another model.
    """
    from spotlab.training.capacity.baselines import rule_parameters
    from spotlab.training.capacity.online import forecast_at_end, new_forecaster

    if weights.model != champion.reference:
        raise InvalidInput(
            f"They are of {weights.model}.", remedy="They are learnt again within the hour."
        )
    places = [Place(*each) for each in weights.places]
    learnt = new_forecaster(places, weights.experts, LIVE_HORIZONS_H)
    learnt.restore(state)
    history = launch_panel(events, now, LEARNING_HISTORY)
    assert history is not None, "it contains the panel's pools"
    columns = [history.names.index(name) for name in panel.names]
    present = at_present(history.select(columns))
    return forecast_at_end(present, risks, rule_parameters(champion.card), learnt)


def learn_weights(
    store: Store, predictor: Predictor, market: MarketName, now: datetime
) -> OnlineWeights | None:
    """Learn the weights of a market's experts from all of LEARNING_HISTORY, and keep them.

    Returns:
        What was learnt; None: there is no champion, or no forecast that could be judged.
    Raises:
        SpotlabError: the champion cannot be opened, or rejects the history.
    """
    champion = store.registry.champion(CAPACITY_TASK)
    if champion is None or market is MarketName.RECORDED:
        return None
    events = _events(store, market, now - LEARNING_HISTORY)
    if not any(each.kind in LAUNCHES for each in events):
        return None
    learnt = learn(events, predictor.capacity(champion.reference), champion, market, now)
    if learnt is not None:
        store.online_weights.save(*learnt)
        return learnt[0]
    return None


def learn(
    events: Sequence[InterruptionEvent],
    model: CapacityModel,
    champion: ModelRecord,
    market: MarketName,
    now: datetime,
) -> tuple[OnlineWeights, bytes] | None:
    """Weights of the experts, and the state to continue from; None: nothing could be judged.

    Args:
        events: of any kind; those after `now` do not count.
        model: the champion, opened.
        champion: its record; its card has the rules' parameters.
        market: whose launches these are.
        now: aware UTC.
    """
    from spotlab.training.capacity.baselines import rule_parameters
    from spotlab.training.capacity.evaluation import forecaster
    from spotlab.training.capacity.online import online_forecasts, places_of
    from spotlab.training.capacity.rows import probed_rows
    from spotlab.training.capacity.standings import lag, standings

    span = learning_span(events, now)
    panel = launch_panel(events, now, span, newest_within=span)
    if panel is None:
        return None
    every = [probed_rows(panel, horizon_h) for horizon_h in LIVE_HORIZONS_H]
    parts = [rows for rows in every if len(rows)]
    if not parts:
        return None
    made = online_forecasts(
        panel,
        parts,
        forecaster(model),
        rule_parameters(champion.card),
        LIVE_HORIZONS_H,
        until_h=float(panel.elapsed_h[-1]),
    )
    assert panel.started_at is not None, "a panel of launches has a time"
    first_end = panel.started_at + TICK
    weights = OnlineWeights(
        market=market,
        at=now,
        model=champion.reference,
        experts=made.names,
        places=tuple((each.region, each.family, each.pool) for each in places_of(panel)),
        standings=standings(made, panel.names, first_end),
        lag=lag(made, first_end),
    )
    return weights, made.forecaster.to_bytes()


def learning_span(events: Sequence[InterruptionEvent], now: datetime) -> timedelta:
    """LEARNING_HISTORY; less, but at least HISTORY, if that has more than MOST_LEARNT events.

    Args:
        events: of any kind and age.
        now: aware UTC.
    """
    newest = sorted((each.at for each in events if each.at <= now), reverse=True)
    if len(newest) <= MOST_LEARNT:
        return LEARNING_HISTORY
    return min(LEARNING_HISTORY, max(HISTORY, now - newest[MOST_LEARNT]))
