"""Outcomes of predictions about instances that a user sees."""

from __future__ import annotations

from collections import Counter

from spotlab.domain.access import Right
from spotlab.domain.online_weights import OnlineWeights
from spotlab.domain.outcomes import Target
from spotlab.pipeline.drift import DriftReport
from spotlab.pipeline.outcomes import OutcomeCounts
from spotlab.runtime.outcomes import OutcomesView, drift_report, outcomes_view, settle
from spotlab.services.base import Service


class OutcomeService(Service):
    """Outcomes, shadow decisions, drift, and weights of live forecasts."""

    __slots__ = ()

    def view(self) -> OutcomesView:
        """Scorecards and comparisons for the accounts that the user sees.

        Raises:
            Forbidden: the user may not read.
            NoMarketData: no market has been collected yet.
        """
        self.require(Right.READ)
        return outcomes_view(self.lab, self.principal.accounts)

    def settle(self) -> OutcomeCounts:
        """Record every outcome that is known now.

        Returns:
            New and pending outcomes. If the user does not see every account, only new outcomes in
            visible accounts are counted, and none are pending, since those have no account.
        Raises:
            Forbidden: the user may not evaluate.
        """
        self.require(Right.EVALUATE)
        before = self._known()
        settled = settle(self.lab)
        if new := {str(target): count for target, count in settled.new.items() if count}:
            self.lab.store.audit.add(self.by(), "outcomes.settle", "outcomes", None, new)
        if self.sees_all():
            return settled
        return OutcomeCounts(self._known() - before, {})

    def drift(self, model: str | None = None) -> DriftReport:
        """See `drift_report`; the report is the same for all users.

        Raises:
            Forbidden: the user may not read.
            NoMarketData, NotFound: as `drift_report`.
        """
        self.require(Right.READ)
        return drift_report(self.lab, model)

    def weights(self) -> OnlineWeights | None:
        """Weights and running losses of live capacity forecasts in the active market.

        None: nothing was learnt yet. A user who does not see every account sees no single pool.
        Raises Forbidden.
        """
        self.require(Right.READ)
        market = self.lab.store.archive.active_market()
        found = None if market is None else self.lab.store.online_weights.read(market)
        return found if found is None or self.sees_all() else found.without_pools()

    def _known(self) -> Counter[Target]:
        if self.sees_all():
            return Counter()
        outcomes = self.lab.store.outcomes.list(accounts=self.principal.accounts)
        return Counter(outcome.target for outcome in outcomes)
