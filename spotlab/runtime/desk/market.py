"""The market, its candidates and the components: the same for everybody. Runtime floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spotlab.domain.access import Right
from spotlab.domain.decision import PolicyParams, Requirements
from spotlab.domain.market import MarketData
from spotlab.domain.ports import ComponentState
from spotlab.pipeline.assess import ScoredMarket
from spotlab.pipeline.collect import CollectReport, Progress
from spotlab.pipeline.rank import Ranking
from spotlab.runtime.desk.base import DeskPart


class MarketDesk(DeskPart):
    """Prices, candidates and components."""

    __slots__ = ()

    def may_read(self) -> None:
        """Nothing, if they may; for what was read already. Raises Forbidden."""
        self.require(Right.READ)

    def read(self) -> MarketData:
        """The active market now. Raises Forbidden, NoMarketData."""
        self.require(Right.READ)
        return self.lab.market()

    def scored(self, model: str | None = None) -> ScoredMarket:
        """The active market scored by a model; see `Lab.scored`. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.scored(model)

    def rank(
        self,
        requirements: Requirements,
        policy: PolicyParams | None = None,
        model: str | None = None,
    ) -> Ranking:
        """The pools that meet requirements, by expected cost. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.rank(requirements, policy, model)

    def collect(
        self,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> CollectReport:
        """Collect the live market; see `Lab.collect`. Raises Forbidden."""
        self.require(Right.COLLECT)
        report = self.lab.collect(progress, cancelled)
        self.lab.store.audit.add(self.by(), "market.collect", str(report.market))
        return report

    def components(self) -> Sequence[ComponentState]:
        """Each component's state, probed now. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.health()
