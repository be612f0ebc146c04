"""What came of predictions, for decisions about instances that somebody sees."""

from __future__ import annotations

from collections import Counter

from spotlab.domain.access import Right
from spotlab.domain.outcomes import Target
from spotlab.pipeline.drift import DriftReport
from spotlab.pipeline.outcomes import Settled
from spotlab.runtime.outcomes import OutcomesView, drift_report, outcomes_view, settle
from spotlab.services.base import DeskPart


class OutcomesDesk(DeskPart):
    """Outcomes, shadow decisions and drift."""

    __slots__ = ()

    def view(self) -> OutcomesView:
        """Scorecards and comparisons, of the accounts that they see.

        Raises:
            Forbidden, NoMarketData: there is nothing for them.
        """
        self.require(Right.READ)
        return outcomes_view(self.lab, self.who.accounts)

    def settle(self) -> Settled:
        """Record every outcome that can be known by now.

        Returns:
            What is new; for who does not see every account, in those that they see, and without
            what is pending, which is not known by account.
        Raises:
            Forbidden: they may not evaluate.
        """
        self.require(Right.EVALUATE)
        before = self._known()
        settled = settle(self.lab)
        if new := {str(target): count for target, count in settled.new.items() if count}:
            self.lab.store.audit.add(self.by(), "outcomes.settle", "outcomes", None, new)
        if self.sees_all():
            return settled
        return Settled(self._known() - before, {})

    def drift(self, model: str | None = None) -> DriftReport:
        """See `drift_report`: the market is everybody's.

        Raises:
            Forbidden, NoMarketData, NotFound: there is none for them.
        """
        self.require(Right.READ)
        return drift_report(self.lab, model)

    def _known(self) -> Counter[Target]:
        if self.sees_all():
            return Counter()
        listed = self.lab.store.outcomes.list(accounts=self.who.accounts)
        return Counter(outcome.target for outcome in listed)
