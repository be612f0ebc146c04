"""Interruption events, outcomes, scorecards and drift of a lab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from spotlab.aws.events import read_events
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.ports import By
from spotlab.errors import FeedRefused, InvalidInput, NotFound
from spotlab.pipeline.drift import DriftReport, drift
from spotlab.pipeline.outcomes import OutcomeCounts, record_outcomes
from spotlab.pipeline.scorecards import PriceCard, Scorecard, price_card, scorecards
from spotlab.pipeline.shadow import Comparison, compare
from spotlab.runtime.lab import Lab

BY_HAND: Final = "entered by hand"
CLOCK_SLACK: Final = timedelta(minutes=5)
"""How far the clock of the sender may be ahead of this one."""


@dataclass(frozen=True, slots=True)
class OutcomesView:
    """Outcomes of the predictions in the active market.

    Args:
        market: the active market.
        cards: one card per target and model.
        price: card of the price forecast; None if it has no outcome yet.
        comparisons: challengers compared with the models that decided.
    """

    market: MarketName
    cards: tuple[Scorecard, ...]
    price: PriceCard | None
    comparisons: tuple[Comparison, ...]


def settle(lab: Lab) -> OutcomeCounts:
    """Record every outcome that is known now."""
    return record_outcomes(lab.store, lab.model, lab.clock.now())


def outcomes_view(lab: Lab, accounts: Sequence[str] | None = None) -> OutcomesView:
    """Scorecards and comparisons of the active market, from recorded outcomes.

    Args:
        lab: its store is read.
        accounts: only decisions about instances of these accounts count; None: all.
    Raises:
        NoMarketData: no market has been collected yet.
    """
    market = lab.reader.active()
    known = lab.store.outcomes.list(market=market, accounts=accounts)
    return OutcomesView(
        market,
        tuple(scorecards(known)),
        price_card(known),
        tuple(compare(lab.store.shadow_decisions.list(accounts=accounts))),
    )


def drift_report(lab: Lab, model: str | None = None) -> DriftReport:
    """Drift of a model (None: the champion) in the active market.

    Raises:
        NoMarketData: no market has been collected yet.
        NotFound: no such model.
    """
    market, chosen = lab.reader.active(), lab.model(model)
    name = f"{chosen.name}@{chosen.version}"
    return drift(market, name, lab.store.drift.list(market, name))


def add_event(
    lab: Lab,
    instance_id: str,
    kind: InterruptionKind,
    at: datetime,
    pool: Pool | None = None,
    source: str = BY_HAND,
    by: By | None = None,
) -> bool:
    """Record an interruption event of an own instance.

    Args:
        lab: its store receives the event.
        instance_id: the instance.
        kind: kind of the event.
        at: time of the event, aware UTC.
        pool: where the instance ran; None: its pool in the fleet.
        source: source of the event.
        by: user, for the audit log.
    Returns:
        True if the event is new.
    Raises:
        NotFound: the instance is not in the fleet, and no pool is given.
        InvalidInput: the time is in the future.
    """
    event = _event(lab, instance_id, kind, at, pool, source)
    return lab.store.interruptions.add([event], by) == 1


def read_event_file(lab: Lab, path: Path) -> list[InterruptionEvent]:
    """The events of a file of EventBridge documents, all of them or none.

    Raises:
        FeedRefused: a document is not valid; says which and why.
        NotFound: an instance is not in the fleet.
        InvalidInput: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InvalidInput(f"{path} cannot be read: {exc.strerror}.") from exc
    try:
        documents = read_events(content)
    except FeedRefused as exc:
        raise FeedRefused(f"{path}: {exc.message}", remedy=exc.remedy) from exc
    return [
        _event(lab, found.instance_id, found.kind, found.at, None, f"EventBridge ({path.name})")
        for found in documents
    ]


def _event(
    lab: Lab,
    instance_id: str,
    kind: InterruptionKind,
    at: datetime,
    pool: Pool | None,
    source: str,
) -> InterruptionEvent:
    now = lab.clock.now()
    if at > now + CLOCK_SLACK:
        raise InvalidInput(
            f"{at:%Y-%m-%d %H:%M} UTC is in the future.", remedy="Enter the time of the event."
        )
    emulated = {account.name: account.emulated for account in lab.store.fleet.accounts()}
    try:
        known = lab.store.fleet.instance(instance_id)
    except NotFound:
        if pool is None:
            raise NotFound(
                f"Instance {instance_id!r} is not in the fleet, so its pool is unknown.",
                remedy="Enter the pool: region:zone:type:Linux.",
            ) from None
        return InterruptionEvent(instance_id, pool, at, kind, source, now)
    return InterruptionEvent(
        instance_id,
        pool or known.pool,
        at,
        kind,
        source,
        now,
        emulated=emulated.get(known.account, False),
    )
