"""Protocols that adapters implement, and the records that stores return.

bootstrap (runtime/) chooses the adapters.
"""

from spotlab.domain.ports.access import (
    ApiToken,
    AuditCheck,
    AuditEntry,
    AuditFilter,
    User,
    UserSession,
)
from spotlab.domain.ports.alerts import Delivery, DeliveryState
from spotlab.domain.ports.bus import Bus, LocalBus, Topic
from spotlab.domain.ports.events import EventQueue, QueuedMessage
from spotlab.domain.ports.feeds import Archive, FeedSource, SnapshotInfo
from spotlab.domain.ports.health import Clock, ComponentState, HealthLog, Probe, Work
from spotlab.domain.ports.jobs import JobRun, JobSetting, Lease, ProcessInfo, RunState
from spotlab.domain.ports.ledger import (
    Account,
    ExperimentFilter,
    ExperimentSummary,
    Fleet,
    Ledger,
    Listing,
)
from spotlab.domain.ports.models import (
    BucketModel,
    By,
    ModelEvent,
    ModelRecord,
    ModelRegistry,
    RiskModel,
)
from spotlab.domain.ports.online import OnlineRow, OnlineStore, OnlineView

__all__ = [
    "Account",
    "ApiToken",
    "Archive",
    "AuditCheck",
    "AuditEntry",
    "AuditFilter",
    "BucketModel",
    "Bus",
    "By",
    "Clock",
    "ComponentState",
    "Delivery",
    "DeliveryState",
    "EventQueue",
    "ExperimentFilter",
    "ExperimentSummary",
    "FeedSource",
    "Fleet",
    "HealthLog",
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
    "Probe",
    "ProcessInfo",
    "QueuedMessage",
    "RiskModel",
    "RunState",
    "SnapshotInfo",
    "Topic",
    "User",
    "UserSession",
    "Work",
]
