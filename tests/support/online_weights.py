"""Weights of live forecasts as they are learnt, without learning them."""

from __future__ import annotations

from datetime import datetime, timedelta

from spotlab.domain.market import MarketName
from spotlab.domain.online_weights import (
    COMBINATION,
    ONLINE,
    ExpertStanding,
    Lag,
    OnlineWeights,
    Standing,
)
from spotlab.training.capacity.baselines import NAMES
from spotlab.training.evaluation_report import MODEL

POOL = "us-east-1:us-east-1a:m5.large:Linux"
EXPERTS = (MODEL, *NAMES)


def learnt(market: MarketName, at: datetime, *, behind: bool | None = True) -> OnlineWeights:
    """Weights of one pool; the champion is behind a rule, not behind, or it is unknown."""

    def standing(pool: str, horizon_h: float | None, rows: int) -> Standing:
        losses = (0.131, 0.18, 0.15, 0.14, 0.126, 0.112)
        experts = [
            ExpertStanding(name, 0.15, loss if rows else None)
            for name, loss in zip(EXPERTS, losses, strict=True)
        ]
        first = at - timedelta(days=20) if rows else None
        return Standing(
            pool,
            horizon_h,
            rows,
            first,
            at - timedelta(hours=1) if rows else None,
            0.23 if rows else None,
            (
                *experts,
                ExpertStanding(COMBINATION, 0.1, None),
                ExpertStanding(ONLINE, None, 0.11 if rows else None),
            ),
        )

    least = {True: 0.004, False: -0.004, None: None}[behind]
    since = at - timedelta(days=4) if behind else None
    lag = Lag("pool_rate", 0.131, 0.112, least, 3 if behind is None else 10, behind, since)
    standings = (
        standing("", None, 4259),
        standing("", 0.25, 0),
        standing("", 6.0, 2161),
        standing("", 24.0, 2098),
        standing(POOL, None, 4259),
    )
    return OnlineWeights(
        market,
        at,
        "capacity-lgbm@1.0.1",
        EXPERTS,
        (("us-east-1", "m5", POOL),),
        standings,
        lag,
    )
