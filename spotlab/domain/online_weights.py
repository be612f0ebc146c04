"""What was learnt online about the experts of live capacity forecasts: weights and losses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from spotlab.domain.market import MarketName, Pool

ONLINE: Final = "online"
"""Name of the forecast that combines the experts."""
COMBINATION: Final = "all combined"
"""Name of the regression that combines the experts, which is one more of them."""


@dataclass(frozen=True, slots=True)
class ExpertStanding:
    """Weight and running loss of one expert.

    Args:
        name: MODEL (the champion), a simple rule, COMBINATION or ONLINE.
        weight: with its recalibrations, 0..1; the weights add up to 1. None for ONLINE.
        loss: mean squared error of its forecasts, 0..1; None: no row was judged, or the expert is
            COMBINATION, which has no forecast of its own that is kept.
    """

    name: str
    weight: float | None
    loss: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The experts for the task or a pool, at one horizon or all.

    Args:
        pool: its key; "": the whole task, which is what a pool in an unknown region follows.
        horizon_h: None: all horizons together.
        rows: number of forecasts that were judged.
        first_at, last_at: when the first and the last of them were made, aware UTC; None: none.
        base_rate: share of them whose pool lost capacity; None: none was judged.
        experts: the champion, the rules, COMBINATION and ONLINE.
    """

    pool: str
    horizon_h: float | None
    rows: int
    first_at: datetime | None
    last_at: datetime | None
    base_rate: float | None
    experts: tuple[ExpertStanding, ...]

    def of(self, name: str) -> ExpertStanding:
        """One expert. Raises KeyError: there is none of that name."""
        for each in self.experts:
            if each.name == name:
                return each
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Lag:
    """The champion compared with the simple rule that is best so far, on the same rows.

    Args:
        rule: the rule with the lowest running loss; "": there is none.
        champion_loss, rule_loss: mean squared errors; None: no row was judged.
        least: lower end of the one-sided 95 % interval of champion_loss - rule_loss, widened for
            the number of rules, by blocks; None: too few blocks.
        blocks: number of blocks of two days.
        behind: whether `least` is above 0; None: unknown.
        since: from when on it has been behind at the end of every block, aware UTC.
    """

    rule: str
    champion_loss: float | None
    rule_loss: float | None
    least: float | None
    blocks: int
    behind: bool | None
    since: datetime | None

    def words(self, champion: str) -> str:
        """One sentence with the numbers."""
        if self.champion_loss is None or self.rule_loss is None:
            return "No live forecast of capacity has been judged yet."
        numbers = (
            f"running loss {self.champion_loss:.4f}, that of the best rule "
            f"({self.rule.replace('_', ' ')}) {self.rule_loss:.4f}"
        )
        if self.behind is None:
            return (
                f"{champion}: {numbers}; whether that is more than chance is unknown with "
                f"{self.blocks} blocks of two days."
            )
        if not self.behind:
            return f"{champion}: {numbers}; not behind by more than chance."
        since = f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{champion} is behind{since}: {numbers}; behind by at least {self.least:.4f}."


@dataclass(frozen=True, slots=True)
class OnlineWeights:
    """What was learnt from the launches and probes of a market.

    Args:
        market: whose launches.
        at: when it was learnt, aware UTC.
        model: the champion, "name@version".
        experts: names of the forecasters that are combined, the champion first.
        places: region, family and key of each pool with weights of its own.
        standings: of the task first, at all horizons and each; then of each pool.
        lag: the champion compared with the best rule.
    """

    market: MarketName
    at: datetime
    model: str
    experts: tuple[str, ...]
    places: tuple[tuple[str, str, str], ...]
    standings: tuple[Standing, ...]
    lag: Lag

    @property
    def task(self) -> Standing:
        """The task at all horizons."""
        return self.standings[0]

    @property
    def pools(self) -> tuple[Standing, ...]:
        """Each pool at all horizons."""
        return tuple(each for each in self.standings if each.pool)

    def without_pools(self) -> OnlineWeights:
        """The task only, for a user who does not see every account."""
        standings = tuple(each for each in self.standings if not each.pool)
        return replace(self, places=(), standings=standings)


def pool_label(key: str) -> str:
    """A pool's key as people read it; "": the task."""
    return Pool.parse(key).label if key else "all pools"
