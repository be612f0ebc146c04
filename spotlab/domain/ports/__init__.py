"""What the pipeline asks of the world: small protocols, each with several adapters.

bootstrap (runtime/) picks them.
"""

from spotlab.domain.ports.access import (
    ApiToken,
    AuditCheck,
    AuditEntry,
    AuditFilter,
    AuditLog,
    User,
    UserSession,
)
from spotlab.domain.ports.alerts import Alerts, Delivery, DeliveryState
from spotlab.domain.ports.bus import Bus, LocalBus, Topic
from spotlab.domain.ports.feeds import Archive, FeedSource, SnapshotInfo
from spotlab.domain.ports.health import Clock, ComponentState, HealthLog, Probe, ProbeLog, Work
from spotlab.domain.ports.jobs import JobRun, JobSetting, Lease, ProcessInfo, RunState
from spotlab.domain.ports.ledger import (
    Account,
    ExperimentFilter,
    ExperimentSummary,
    Fleet,
    InstanceSource,
    Ledger,
    Listing,
)
from spotlab.domain.ports.models import By, ModelEvent, ModelRecord, ModelRegistry, RiskModel
from spotlab.domain.ports.online import OnlineRow, OnlineStore, OnlineView
from spotlab.domain.ports.outcomes import (
    BucketModel,
    DriftLog,
    InterruptionLog,
    OutcomeLedger,
    ShadowLog,
)

__all__ = [
    "Account",
    "Alerts",
    "ApiToken",
    "Archive",
    "AuditCheck",
    "AuditEntry",
    "AuditFilter",
    "AuditLog",
    "BucketModel",
    "Bus",
    "By",
    "Clock",
    "ComponentState",
    "Delivery",
    "DeliveryState",
    "DriftLog",
    "ExperimentFilter",
    "ExperimentSummary",
    "FeedSource",
    "Fleet",
    "HealthLog",
    "InstanceSource",
    "InterruptionLog",
    "JobRun",
    "JobSetting",
    "Lease",
    "Ledger",
    "Listing",
    "LocalBus",
    "ModelEvent",
    "ModelRecord",
    "ModelRegistry",
    "OnlineRow",
    "OnlineStore",
    "OnlineView",
    "OutcomeLedger",
    "Probe",
    "ProbeLog",
    "ProcessInfo",
    "RiskModel",
    "RunState",
    "ShadowLog",
    "SnapshotInfo",
    "Topic",
    "User",
    "UserSession",
    "Work",
]
