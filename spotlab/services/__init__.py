"""Services: what a user may do with the lab.

Screens, API and command line reach the lab only through this package. Each method first checks the
right with `Principal.require`, returns only what the user may see, and records changes in the audit
log. What a user may not see raises NotFound rather than Forbidden.
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
from spotlab.services.workloads import WorkloadsDesk
from spotlab.telemetry import logs

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True)
class Desk:
    """All services, for one user.

    Args:
        lab: the lab.
        who: the user.
    """

    lab: Lab
    who: Principal

    def __post_init__(self) -> None:
        """Add the user to the log lines of this request."""
        logs.note(user=self.who.name)

    @property
    def accounts(self) -> AccountsDesk:
        """AWS accounts."""
        return AccountsDesk(self.lab, self.who)

    @property
    def instances(self) -> InstancesDesk:
        """Instances, their settings and evaluation."""
        return InstancesDesk(self.lab, self.who)

    @property
    def decisions(self) -> DecisionsDesk:
        """Decisions, recorded as experiments."""
        return DecisionsDesk(self.lab, self.who)

    @property
    def outcomes(self) -> OutcomesDesk:
        """Outcomes of predictions, and drift."""
        return OutcomesDesk(self.lab, self.who)

    @property
    def events(self) -> EventsDesk:
        """Interruptions of own instances."""
        return EventsDesk(self.lab, self.who)

    @property
    def backtests(self) -> BacktestsDesk:
        """Backtests of policies on recorded traces."""
        return BacktestsDesk(self.lab, self.who)

    @property
    def market(self) -> MarketDesk:
        """Prices, candidates and component states."""
        return MarketDesk(self.lab, self.who)

    @property
    def models(self) -> ModelsDesk:
        """Model versions."""
        return ModelsDesk(self.lab, self.who)

    @property
    def comparisons(self) -> ComparisonDesk:
        """Head to head comparisons of two models."""
        return ComparisonDesk(self.lab, self.who)

    @property
    def keeping(self) -> KeepingDesk:
        """Retention and backups."""
        return KeepingDesk(self.lab, self.who)

    @property
    def workloads(self) -> WorkloadsDesk:
        """Workloads, and which instances they are assigned to."""
        return WorkloadsDesk(self.lab, self.who)

    @property
    def users(self) -> UsersDesk:
        """Users."""
        return UsersDesk(self.lab, self.who)

    @property
    def tokens(self) -> TokensDesk:
        """API tokens of all users."""
        return TokensDesk(self.lab, self.who)

    @property
    def mine(self) -> MyDesk:
        """The user's own password, sessions and API tokens."""
        return MyDesk(self.lab, self.who)

    @property
    def audit(self) -> AuditDesk:
        """The audit log."""
        return AuditDesk(self.lab, self.who)

    @property
    def logs(self) -> LogsDesk:
        """Log lines of every process."""
        return LogsDesk(self.lab, self.who)

    @property
    def jobs(self) -> JobsDesk:
        """Scheduled jobs, their runs, and the leader."""
        return JobsDesk(self.lab, self.who)

    @property
    def explaining(self) -> ExplainingDesk:
        """Explanations of a pool's risk."""
        return ExplainingDesk(self.lab, self.who)

    @property
    def performance(self) -> PerformanceDesk:
        """Performance of models."""
        return PerformanceDesk(self.lab, self.who)

    @property
    def alerts(self) -> AlertsDesk:
        """Alert rules and notifications."""
        return AlertsDesk(self.lab, self.who)

    @property
    def health(self) -> HealthDesk:
        """Health of the components."""
        return HealthDesk(self.lab, self.who)
