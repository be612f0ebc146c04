"""Tables of interruption events, exposure, shadow decisions, outcomes and drift."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class InterruptionEventRow(Base, table=True):
    """An interruption event of an own instance."""

    __tablename__ = "interruption_events"
    __table_args__ = (UniqueConstraint("instance_id", "kind", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    instance_id: str
    pool: str
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    kind: str
    source: str
    recorded_at: datetime = Field(sa_type=UtcDateTime)
    emulated: bool


class ExposureRow(Base, table=True):
    """Time in which an instance was observed running in a spot pool without a gap."""

    __tablename__ = "exposure_intervals"
    __table_args__ = (UniqueConstraint("instance_id", "pool", "started_at"),)

    id: int | None = Field(default=None, primary_key=True)
    instance_id: str
    pool: str
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime = Field(sa_type=UtcDateTime, index=True)
    emulated: bool


class ShadowDecisionRow(Base, table=True):
    """The decision of a challenger: a model, or a policy in shadow."""

    __tablename__ = "shadow_decisions"
    __table_args__ = (UniqueConstraint("experiment_id", "model", "policy"),)

    id: int | None = Field(default=None, primary_key=True)
    experiment_id: int
    model: str = Field(index=True)
    champion: str
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)
    instance_id: str
    decision: str | None
    champion_decision: str | None
    chosen_pool: str | None
    current_risk: float | None
    chosen_risk: float | None
    horizon_h: float
    saving_usd_per_hour: float | None
    cost_difference_usd_per_hour: float | None
    own_cost_difference_usd_per_hour: float | None
    agrees: bool
    error: str
    policy: str = Field(default="", sa_column_kwargs={"server_default": text("''")})


class OutcomeRow(Base, table=True):
    """One prediction with its outcome."""

    __tablename__ = "realised_outcomes"
    __table_args__ = (UniqueConstraint("experiment_id", "target", "model"),)

    id: int | None = Field(default=None, primary_key=True)
    experiment_id: int
    target: str
    model: str = Field(index=True)
    subject: str
    market: str
    predicted_at: datetime = Field(sa_type=UtcDateTime, index=True)
    due_at: datetime = Field(sa_type=UtcDateTime)
    horizon_h: float
    predicted: float
    realised: float | None
    state: str
    reason: str
    challenger: bool


class DriftRow(Base, table=True):
    """Summary of a scored market: quantiles of features and predictions, and importance."""

    __tablename__ = "drift_snapshots"
    __table_args__ = (UniqueConstraint("market", "model", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    market: str
    model: str
    at: datetime = Field(sa_type=UtcDateTime)
    pools: int
    sketches: dict[str, Any] = Field(sa_type=JSON)


class OnlineWeightsRow(Base, table=True):
    """What was learnt online from the launches and probes of a market: one row a market."""

    __tablename__ = "online_weights"

    market: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    model: str
    document: dict[str, Any] = Field(sa_type=JSON)
    state: bytes = Field(sa_type=LargeBinary)
