"""The desk: what one person may ask of the lab.

Screens, API and command line go through here, and nowhere else: each verb first asks
`Principal.require`, shows only what the person may see, and leaves its change in the audit log.
What somebody may not see is not there for them: it is not found, rather than forbidden.
"""

from __future__ import annotations

from dataclasses import dataclass

from spotlab.domain.access import Principal
from spotlab.runtime.lab import Lab
from spotlab.services.accounts import AccountsDesk
from spotlab.services.alerts import AlertsDesk
from spotlab.services.api_tokens import TokensDesk
from spotlab.services.audit import AuditDesk
from spotlab.services.backtests import BacktestsDesk
from spotlab.services.experiments import DecisionsDesk
from spotlab.services.explanations import ExplainingDesk
from spotlab.services.health import HealthDesk
from spotlab.services.instances import InstancesDesk
from spotlab.services.interruptions import EventsDesk
from spotlab.services.jobs import JobsDesk
from spotlab.services.logs import LogsDesk
from spotlab.services.maintenance import KeepingDesk
from spotlab.services.market import MarketDesk
from spotlab.services.model_comparison import ComparisonDesk
from spotlab.services.model_performance import PerformanceDesk
from spotlab.services.models import ModelsDesk
from spotlab.services.outcomes import OutcomesDesk
from spotlab.services.own_account import MyDesk
from spotlab.services.users import UsersDesk
from spotlab.telemetry import logs

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True)
class Desk:
    """The lab, as far as somebody may use it.

    Args:
        lab: everything there is.
        who: asks.
    """

    lab: Lab
    who: Principal

    def __post_init__(self) -> None:
        """Say on the log lines of what is asked for who asks."""
        logs.note(user=self.who.name)

    @property
    def accounts(self) -> AccountsDesk:
        """AWS accounts."""
        return AccountsDesk(self.lab, self.who)

    @property
    def instances(self) -> InstancesDesk:
        """Instances, what is set on them, and evaluating them."""
        return InstancesDesk(self.lab, self.who)

    @property
    def decisions(self) -> DecisionsDesk:
        """Experiments."""
        return DecisionsDesk(self.lab, self.who)

    @property
    def outcomes(self) -> OutcomesDesk:
        """What came of predictions, and drift."""
        return OutcomesDesk(self.lab, self.who)

    @property
    def events(self) -> EventsDesk:
        """Interruptions of own instances."""
        return EventsDesk(self.lab, self.who)

    @property
    def backtests(self) -> BacktestsDesk:
        """Sweeps of policies over recorded traces."""
        return BacktestsDesk(self.lab, self.who)

    @property
    def market(self) -> MarketDesk:
        """Prices, candidates and health."""
        return MarketDesk(self.lab, self.who)

    @property
    def models(self) -> ModelsDesk:
        """Model versions."""
        return ModelsDesk(self.lab, self.who)

    @property
    def comparisons(self) -> ComparisonDesk:
        """Head to heads of two models."""
        return ComparisonDesk(self.lab, self.who)

    @property
    def keeping(self) -> KeepingDesk:
        """Old data and backups."""
        return KeepingDesk(self.lab, self.who)

    @property
    def users(self) -> UsersDesk:
        """Who may sign in."""
        return UsersDesk(self.lab, self.who)

    @property
    def tokens(self) -> TokensDesk:
        """Everybody's API tokens."""
        return TokensDesk(self.lab, self.who)

    @property
    def mine(self) -> MyDesk:
        """Their own password, sessions and API tokens."""
        return MyDesk(self.lab, self.who)

    @property
    def audit(self) -> AuditDesk:
        """Every change there was."""
        return AuditDesk(self.lab, self.who)

    @property
    def logs(self) -> LogsDesk:
        """Log lines of every process."""
        return LogsDesk(self.lab, self.who)

    @property
    def jobs(self) -> JobsDesk:
        """Scheduled jobs, their runs, and who runs them."""
        return JobsDesk(self.lab, self.who)

    @property
    def explaining(self) -> ExplainingDesk:
        """Why a pool's risk is what it is."""
        return ExplainingDesk(self.lab, self.who)

    @property
    def performance(self) -> PerformanceDesk:
        """How models did."""
        return PerformanceDesk(self.lab, self.who)

    @property
    def alerts(self) -> AlertsDesk:
        """Alert rules and what was told."""
        return AlertsDesk(self.lab, self.who)

    @property
    def health(self) -> HealthDesk:
        """The components' health."""
        return HealthDesk(self.lab, self.who)
