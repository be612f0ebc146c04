"""Tables of accounts, instances, models, decisions, market snapshots, health and sweeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, UniqueConstraint, text, true
from sqlmodel import Field

from spotlab.store.tables.base import NULLABLE_JSON, Base
from spotlab.store.types import UtcDateTime


class AccountRow(Base, table=True):
    """A managed AWS account."""

    __tablename__ = "accounts"

    name: str = Field(primary_key=True)
    aws_account_id: str
    role_arn: str
    external_id: str
    regions: list[str] = Field(sa_type=JSON)
    emulated: bool
    active: bool
    from_settings: bool
    listed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    listing_error: str = ""
    pending_external_id: str = ""


class RegionListingRow(Base, table=True):
    """The last listing of an account's instances in one region."""

    __tablename__ = "region_listings"

    account: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    listed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = ""
    code: str = ""


class InstanceRow(Base, table=True):
    """An instance, with values that a user set (model, shadow, mode, requirements)."""

    __tablename__ = "instances"

    instance_id: str = Field(primary_key=True)
    account: str = Field(index=True)
    region: str
    availability_zone: str | None
    instance_type: str
    operating_system: str
    lifecycle: str
    name: str
    state: str
    model: str | None
    shadow: bool
    mode: str
    active: bool
    launched_at: datetime | None = Field(sa_type=UtcDateTime)
    requirements: dict[str, Any] | None = Field(sa_type=NULLABLE_JSON)
    last_evaluated_at: datetime | None = Field(sa_type=UtcDateTime)
    tags: dict[str, str] | None = Field(default=None, sa_type=NULLABLE_JSON)
    state_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    signal_kind: str | None = None
    signal_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    notice_ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ModelVersionRow(Base, table=True):
    """A registered model version."""

    __tablename__ = "model_versions"
    __table_args__ = (
        Index(
            "uq_model_versions_champion",
            "task",
            unique=True,
            sqlite_where=text("state = 'champion'"),
            postgresql_where=text("state = 'champion'"),
        ),
    )

    name: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    task: str
    digest: str
    path: str
    state: str
    registered_at: datetime = Field(sa_type=UtcDateTime)
    card: dict[str, Any] = Field(sa_type=JSON)
    enabled: bool = Field(sa_column_kwargs={"server_default": true()})


class ModelEventRow(Base, table=True):
    """One event of a model version. Rows are only added."""

    __tablename__ = "model_events"
    __table_args__ = (Index(None, "task", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    name: str = Field(index=True)
    version: str
    task: str
    action: str
    before: str
    after: str
    reason: str
    instance_id: str


class ExperimentRow(Base, table=True):
    """One experiment.

    Its inputs are in `document`, and its candidates are derived from the market run. Decisions that
    were recorded before market runs have no document: their inputs are in the JSON columns, and
    their candidates in `candidates`. Lists of experiments read none of these.
    """

    __tablename__ = "experiments"
    __table_args__ = (
        Index(None, "instance_id", "created_at"),
        Index(None, "model", "created_at"),
        Index(
            "ix_experiments_failed",
            "created_at",
            "id",
            sqlite_where=text("error != ''"),
            postgresql_where=text("error != ''"),
        ),
        Index(
            "ix_experiments_switches",
            "instance_id",
            "created_at",
            sqlite_where=text("decision = 'SWITCH' AND shadow = false"),
            postgresql_where=text("decision = 'SWITCH' AND shadow = false"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)
    instance_id: str
    account: str
    market: str
    model: str
    decision: str | None
    reason: str
    current_pool: str
    chosen_pool: str | None
    risk: float | None
    chosen_risk: float | None
    horizon_h: float
    spot_price_usd_per_hour: float | None
    chosen_price_usd_per_hour: float | None
    saving_usd_per_hour: float | None
    candidates_evaluated: int
    duration_ms: float
    shadow: bool
    is_degraded: bool
    degraded: list[str] = Field(sa_type=JSON)
    error: str
    instance: dict[str, Any] = Field(sa_type=JSON)
    policy: dict[str, float] = Field(sa_type=JSON)
    requirements: dict[str, Any] = Field(sa_type=JSON)
    dropped: dict[str, int] = Field(sa_type=JSON)
    feature_names: list[str] = Field(sa_type=JSON)
    stages: list[dict[str, Any]] = Field(sa_type=JSON)
    correlation_id: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    workload: dict[str, Any] | None = Field(default=None, sa_type=NULLABLE_JSON)
    policy_version: str = Field(
        default="default@1", sa_column_kwargs={"server_default": text("'default@1'")}
    )
    candidates: bytes = Field(sa_type=LargeBinary)
    market_run_id: int | None = Field(default=None, index=True)
    document: bytes | None = Field(default=None, sa_type=LargeBinary)


class ExperimentCountRow(Base, table=True):
    """Number of experiments with these values, changed in the transactions that change them.

    `decision` is "" for experiments that failed or have none.
    """

    __tablename__ = "experiment_counts"

    account: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    decision: str = Field(primary_key=True)
    shadow: bool = Field(primary_key=True)
    is_degraded: bool = Field(primary_key=True)
    failed: bool = Field(primary_key=True)
    experiments: int


class MarketSnapshotRow(Base, table=True):
    """One snapshot; `payload` holds its rows as Parquet."""

    __tablename__ = "market_snapshots"
    __table_args__ = (
        UniqueConstraint("kind", "market", "scope", "event_time", "digest"),
        Index(None, "market", "kind", "event_time", "scope", "records"),
        Index(None, "market", "fetched_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    market: str
    scope: str
    source: str
    event_time: datetime = Field(sa_type=UtcDateTime)
    fetched_at: datetime = Field(sa_type=UtcDateTime)
    digest: str
    validator: str
    records: int
    approximate: bool
    payload: bytes = Field(sa_type=LargeBinary)
    set_aside: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    set_aside_reasons: list[str] | None = Field(default=None, sa_type=NULLABLE_JSON)


class HealthRow(Base, table=True):
    """One outcome of one component."""

    __tablename__ = "health"
    __table_args__ = (Index(None, "component", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    component: str
    at: datetime = Field(sa_type=UtcDateTime)
    ok: bool
    latency_ms: float | None
    reason: str


class SweepRow(Base, table=True):
    """A backtest sweep."""

    __tablename__ = "sweeps"

    sweep_id: str = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    state: str
    config: dict[str, Any] = Field(sa_type=JSON)
    total: int
    error: str
    cancel_requested: bool


class SweepCellRow(Base, table=True):
    """A finished cell of a sweep."""

    __tablename__ = "sweep_cells"

    sweep_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    result: dict[str, Any] = Field(sa_type=JSON)


class HomeStateRow(Base, table=True):
    """A named value of this home, such as its active market."""

    __tablename__ = "home_state"

    key: str = Field(primary_key=True)
    value: str
