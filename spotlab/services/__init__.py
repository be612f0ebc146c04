"""Services: what a user may do with the lab.

Screens, API and command line reach the lab only through this package. Each method first checks the
right with `Principal.require`, returns only what the user may see, and records changes in the audit
log. What a user may not see raises NotFound rather than Forbidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotlab.domain.access import Principal
from spotlab.telemetry.logs import add_context

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab
    from spotlab.services.accounts import AccountService
    from spotlab.services.alerts import AlertService
    from spotlab.services.api_tokens import ApiTokenService
    from spotlab.services.audit import AuditService
    from spotlab.services.backtests import BacktestService
    from spotlab.services.drills import DrillService
    from spotlab.services.experiments import ExperimentService
    from spotlab.services.explanations import ExplanationService
    from spotlab.services.health import HealthService
    from spotlab.services.instances import InstanceService
    from spotlab.services.interruptions import InterruptionService
    from spotlab.services.jobs import JobService
    from spotlab.services.logs import LogService
    from spotlab.services.maintenance import MaintenanceService
    from spotlab.services.market import MarketService
    from spotlab.services.model_comparison import ComparisonService
    from spotlab.services.model_performance import ModelPerformanceService
    from spotlab.services.models import ModelService
    from spotlab.services.onboarding import OnboardingService
    from spotlab.services.outcomes import OutcomeService
    from spotlab.services.own_account import OwnAccountService
    from spotlab.services.policies import PolicyService
    from spotlab.services.spot_events import SpotEventService
    from spotlab.services.switch_guards import SwitchGuardService
    from spotlab.services.switch_orphans import SwitchOrphanService
    from spotlab.services.switches import SwitchService
    from spotlab.services.throughputs import ThroughputService
    from spotlab.services.users import UserService
    from spotlab.services.what_if import WhatIfService
    from spotlab.services.workloads import WorkloadService

__all__ = ["Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """All services, for one user.

    Args:
        lab: the lab.
        who: the user.
    """

    lab: Lab
    principal: Principal

    def __post_init__(self) -> None:
        """Add the user to the log lines of this request."""
        add_context(user=self.principal.name)

    @property
    def accounts(self) -> AccountService:
        """AWS accounts."""
        from spotlab.services.accounts import AccountService

        return AccountService(self.lab, self.principal)

    @property
    def onboarding(self) -> OnboardingService:
        """Onboarding of AWS accounts."""
        from spotlab.services.onboarding import OnboardingService

        return OnboardingService(self.lab, self.principal)

    @property
    def instances(self) -> InstanceService:
        """Instances, their settings and evaluation."""
        from spotlab.services.instances import InstanceService

        return InstanceService(self.lab, self.principal)

    @property
    def experiments(self) -> ExperimentService:
        """Decisions, recorded as experiments."""
        from spotlab.services.experiments import ExperimentService

        return ExperimentService(self.lab, self.principal)

    @property
    def outcomes(self) -> OutcomeService:
        """Outcomes of predictions, and drift."""
        from spotlab.services.outcomes import OutcomeService

        return OutcomeService(self.lab, self.principal)

    @property
    def interruptions(self) -> InterruptionService:
        """Interruptions of own instances."""
        from spotlab.services.interruptions import InterruptionService

        return InterruptionService(self.lab, self.principal)

    @property
    def spot_events(self) -> SpotEventService:
        """Events from queues, and their set-up."""
        from spotlab.services.spot_events import SpotEventService

        return SpotEventService(self.lab, self.principal)

    @property
    def backtests(self) -> BacktestService:
        """Backtests of policies on recorded traces."""
        from spotlab.services.backtests import BacktestService

        return BacktestService(self.lab, self.principal)

    @property
    def market(self) -> MarketService:
        """Prices, candidates and component states."""
        from spotlab.services.market import MarketService

        return MarketService(self.lab, self.principal)

    @property
    def models(self) -> ModelService:
        """Model versions."""
        from spotlab.services.models import ModelService

        return ModelService(self.lab, self.principal)

    @property
    def comparisons(self) -> ComparisonService:
        """Head to head comparisons of two models."""
        from spotlab.services.model_comparison import ComparisonService

        return ComparisonService(self.lab, self.principal)

    @property
    def maintenance(self) -> MaintenanceService:
        """Retention and backups."""
        from spotlab.services.maintenance import MaintenanceService

        return MaintenanceService(self.lab, self.principal)

    @property
    def workloads(self) -> WorkloadService:
        """Workloads, and the instances they are assigned to."""
        from spotlab.services.workloads import WorkloadService

        return WorkloadService(self.lab, self.principal)

    @property
    def throughputs(self) -> ThroughputService:
        """Measured throughputs of instance types, and AWS's claims."""
        from spotlab.services.throughputs import ThroughputService

        return ThroughputService(self.lab, self.principal)

    @property
    def policies(self) -> PolicyService:
        """Policies, their states and previews."""
        from spotlab.services.policies import PolicyService

        return PolicyService(self.lab, self.principal)

    @property
    def what_if(self) -> WhatIfService:
        """Decisions under other parameters."""
        from spotlab.services.what_if import WhatIfService

        return WhatIfService(self.lab, self.principal)

    @property
    def users(self) -> UserService:
        """Users."""
        from spotlab.services.users import UserService

        return UserService(self.lab, self.principal)

    @property
    def api_tokens(self) -> ApiTokenService:
        """API tokens of all users."""
        from spotlab.services.api_tokens import ApiTokenService

        return ApiTokenService(self.lab, self.principal)

    @property
    def own_account(self) -> OwnAccountService:
        """The user's own password, sessions and API tokens."""
        from spotlab.services.own_account import OwnAccountService

        return OwnAccountService(self.lab, self.principal)

    @property
    def audit(self) -> AuditService:
        """The audit log."""
        from spotlab.services.audit import AuditService

        return AuditService(self.lab, self.principal)

    @property
    def logs(self) -> LogService:
        """Log lines of every process."""
        from spotlab.services.logs import LogService

        return LogService(self.lab, self.principal)

    @property
    def jobs(self) -> JobService:
        """Scheduled jobs, their runs, and the leader."""
        from spotlab.services.jobs import JobService

        return JobService(self.lab, self.principal)

    @property
    def explanations(self) -> ExplanationService:
        """Explanations of a pool's risk."""
        from spotlab.services.explanations import ExplanationService

        return ExplanationService(self.lab, self.principal)

    @property
    def model_performance(self) -> ModelPerformanceService:
        """Performance of models."""
        from spotlab.services.model_performance import ModelPerformanceService

        return ModelPerformanceService(self.lab, self.principal)

    @property
    def alerts(self) -> AlertService:
        """Alert rules and notifications."""
        from spotlab.services.alerts import AlertService

        return AlertService(self.lab, self.principal)

    @property
    def switches(self) -> SwitchService:
        """Switches: the execution of decisions."""
        from spotlab.services.switches import SwitchService

        return SwitchService(self.lab, self.principal)

    @property
    def drills(self) -> DrillService:
        """Drills in an emulated AWS."""
        from spotlab.services.drills import DrillService

        return DrillService(self.lab, self.principal)

    @property
    def switch_guards(self) -> SwitchGuardService:
        """Guards of switches, stops, and earned autonomy."""
        from spotlab.services.switch_guards import SwitchGuardService

        return SwitchGuardService(self.lab, self.principal)

    @property
    def switch_orphans(self) -> SwitchOrphanService:
        """What switches have left behind."""
        from spotlab.services.switch_orphans import SwitchOrphanService

        return SwitchOrphanService(self.lab, self.principal)

    @property
    def health(self) -> HealthService:
        """Health of the components."""
        from spotlab.services.health import HealthService

        return HealthService(self.lab, self.principal)
