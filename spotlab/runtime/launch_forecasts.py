"""Forecasts of the capacity of pools that own launches and probes know well enough."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from spotlab.domain.hazard_curve import CapacityForecast
from spotlab.domain.interruptions import LAUNCHES, OwnRecord
from spotlab.domain.market import MarketName, Pool
from spotlab.errors import SpotlabError
from spotlab.inference.predictor import Predictor
from spotlab.pipeline.capacity import HISTORY, launch_forecasts
from spotlab.store import Store

log = logging.getLogger("spotlab.runtime.launch_forecasts")
CAPACITY_TASK: Final = "capacity"


def own_record(store: Store, predictor: Predictor, market: MarketName, now: datetime) -> OwnRecord:
    """The own record that applies to a market, with the capacity champion's forecasts.

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
    emulated = market is MarketName.SIMULATED
    events = store.interruptions.events(emulated=emulated, since=now - HISTORY)
    if not any(each.kind in LAUNCHES for each in events):
        return {}
    champion = store.registry.champion(CAPACITY_TASK)
    if champion is None:
        return {}
    try:
        return launch_forecasts(events, predictor.capacity(champion.reference), now)
    except SpotlabError as exc:
        log.warning("the capacity model %s made no forecasts: %s", champion.reference, exc)
        return {}
