"""What the pipeline asks of the world: small protocols, each with several adapters.

Domain floor: knows none of the adapters. bootstrap (runtime/) picks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Decision, Experiment, Instance, PipelineMode
from spotlab.domain.features import Matrix
from spotlab.domain.market import FeedKind, MarketName, Snapshot


class Clock(Protocol):
    """The only way to ask the time; tests pass one that stands still."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


# ---------------------------------------------------------------- market feeds


class FeedSource(Protocol):
    """One place that market snapshots come from."""

    @property
    def name(self) -> str:
        """A person's name for it."""
        ...

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        """Read the source once.

        Args:
            validators: of the newest archived snapshots, for a conditional fetch.
        Returns:
            The snapshots; empty when the source says nothing changed.
        Raises:
            FeedRefused: truncated, changed or out of range; nothing of it may be used.
            NotAvailable, AwsError: it could not be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot without its rows, as the archive lists it."""

    kind: FeedKind
    market: MarketName
    scope: str
    source: str
    event_time: datetime
    fetched_at: datetime
    digest: str
    validator: str
    records: int
    approximate: bool = False


class Archive(Protocol):
    """Every snapshot ever accepted, in SQL. What is older is kept; nothing is overwritten."""

    def save(self, snapshot: Snapshot) -> bool:
        """Store it, unless the newest of its kind, market and scope has the same digest.

        An unchanged snapshot only moves that one's `fetched_at` (and validator) forward.

        Returns:
            True when it is new.
        """
        ...

    def latest(
        self,
        kind: FeedKind,
        market: MarketName,
        scope: str = "",
        at: datetime | None = None,
    ) -> Snapshot | None:
        """The snapshot with the newest event_time not later than `at`, or None."""
        ...

    def history(
        self, kind: FeedKind, market: MarketName, since: datetime, until: datetime
    ) -> list[Snapshot]:
        """Snapshots of every scope with since < event_time <= until, oldest first."""
        ...

    def scopes(self, kind: FeedKind, market: MarketName) -> list[str]:
        """The scopes there are snapshots of, sorted."""
        ...

    def infos(self, market: MarketName | None = None) -> list[SnapshotInfo]:
        """Every snapshot without its rows, newest event_time first."""
        ...

    def active_market(self) -> MarketName | None:
        """The market that decisions are made in; None before the first collect."""
        ...

    def set_active_market(self, market: MarketName) -> None:
        """Make decisions in this market from now on."""
        ...


# ---------------------------------------------------------------- online store


@dataclass(frozen=True, slots=True)
class OnlineView:
    """One kind of row in the online store.

    Args:
        name: first part of every key, such as "spot_risk".
        entity: names of the key's other parts, such as ("region", "instance_type").
        ttl_s: a row older than this (since written) is gone.
    """

    name: str
    entity: tuple[str, ...]
    ttl_s: int


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """A value with its key and the time it was true.

    Args:
        key: one text a part of the view's entity.
        event_time: aware UTC; an older one never overwrites a newer one.
        value: JSON-like: str, int, float, bool, None, lists and dicts of them.
    """

    key: tuple[str, ...]
    event_time: datetime
    value: Mapping[str, Any]


class OnlineStore(Protocol):
    """The newest value a key, with its age; rows go when their TTL ends."""

    def ping(self) -> float:
        """Round trip in seconds, without retries.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        """Write in bulk; a row lands only if its event_time is newer than or equal to the stored
        one's (equal refreshes value and TTL).

        Returns:
            How many rows landed.
        Raises:
            OnlineStoreDown: no answer; some rows may have landed, each whole.
        """
        ...

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        """Rows in the order and the length of `keys`; None where there is none.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def keys(self, view: OnlineView, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """Keys of a view that hold a row now, sorted, optionally with these first parts.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def clear(self) -> None:
        """Remove every row that this store wrote (used when the active market changes).

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def info(self) -> Mapping[str, str | int | float]:
        """What doctor and Health show: server, version, address without password, keys, memory.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...


# ---------------------------------------------------------------- models


@runtime_checkable
class RiskModel(Protocol):
    """A model that gives a pool's interruption hazard."""

    @property
    def name(self) -> str:
        """Such as "advisor-lgbm"."""
        ...

    @property
    def version(self) -> str:
        """Such as "1.0.0"."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrix it wants, in order."""
        ...

    @property
    def card(self) -> Mapping[str, Any]:
        """Its model card, as in card.json."""
        ...

    def hazard_per_hour(self, matrix: Matrix) -> NDArray[np.float64]:
        """Hazard of each row.

        Args:
            matrix: (n, f) float64, columns as feature_names, NaN is unknown.
        Returns:
            (n,) hazard per hour; NaN for a row the model refuses (a value out of range, or a
            missing one that the card does not allow).
        Raises:
            InvalidInput: the matrix has not f columns or is not float64.
        """
        ...

    def contributions(self, matrix: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
        """SHAP values in the model's own raw units (log-odds), which add up to its raw score.

        Returns:
            (n, f) contributions and the (n,) base values.
        Raises:
            InvalidInput: as above, or the model has no explanation.
        """
        ...


# ---------------------------------------------------------------- ledger and fleet


@dataclass(frozen=True, slots=True)
class ExperimentFilter:
    """Which experiments to list. None: no demand."""

    instance_id: str | None = None
    decision: Decision | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    shadow: bool | None = None
    degraded: bool | None = None
    failed: bool | None = None


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """One row of the history: an experiment without its candidates."""

    experiment_id: int
    created_at: datetime
    instance_id: str
    account: str
    market: MarketName
    decision: Decision | None
    reason: str
    model: str
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
    degraded: tuple[str, ...]
    error: str


class Ledger(Protocol):
    """Every decision, whole."""

    def record(self, experiment: Experiment) -> int:
        """Store it and mark the instance as evaluated, in one transaction.

        Returns:
            Its experiment_id.
        Raises:
            DatabaseDown: nothing was stored.
        """
        ...

    def get(self, experiment_id: int) -> Experiment:
        """One decision, opened whole, equal to what was recorded.

        Raises:
            NotFound: no such experiment.
        """
        ...

    def list(
        self, where: ExperimentFilter = ..., *, limit: int = 100, offset: int = 0
    ) -> list[ExperimentSummary]:
        """Newest first."""
        ...

    def count(self, where: ExperimentFilter = ...) -> int:
        """How many there are."""
        ...

    def latest_per_instance(self) -> dict[str, ExperimentSummary]:
        """The newest experiment of each instance, by instance_id."""
        ...

    def last_switch_at(self, instance_id: str) -> datetime | None:
        """When the last SWITCH was decided outside shadow mode; None: never."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account and the role SpotLab assumes in it.

    Args:
        name: unique, a person's name for it.
        aws_account_id: 12 digits.
        role_arn: role to assume; "" uses the process's own credentials.
        external_id: sent with AssumeRole. AWS does not treat it as a secret, yet it is masked
            in reprs and on screens.
        regions: to look after.
        emulated: lives in the emulated AWS.
        active: looked after.
    """

    name: str
    aws_account_id: str
    role_arn: str = ""
    external_id: str = field(default="", repr=False)
    regions: tuple[str, ...] = ()
    emulated: bool = False
    active: bool = True


class InstanceSource(Protocol):
    """Where the instances of one account are listed."""

    def instances(self, account: Account) -> list[Instance]:
        """Running spot and on-demand instances in the account's regions.

        Raises:
            AwsError: the account could not be read.
        """
        ...


class Fleet(Protocol):
    """The accounts and instances SpotLab looks after, with what a user set on them."""

    def save_account(self, account: Account) -> None:
        """Insert or update by name."""
        ...

    def accounts(self) -> list[Account]:
        """By name."""
        ...

    def sync(self, account: str, instances: Sequence[Instance]) -> None:
        """Make the account's active instances these; what a user set (model, shadow, mode,
        requirements) stays, those gone become inactive."""
        ...

    def instances(self, *, active_only: bool = True) -> list[Instance]:
        """By account, then name, then id."""
        ...

    def instance(self, instance_id: str) -> Instance:
        """One instance.

        Raises:
            NotFound: not in the fleet.
        """
        ...

    def assign_model(self, instance_id: str, model: str | None) -> None:
        """Assign a model ("name" or "name@version"); None: the champion. Raises NotFound."""
        ...

    def set_shadow(self, instance_id: str, shadow: bool) -> None:
        """Shadow on: record only. Raises NotFound."""
        ...

    def set_mode(self, instance_id: str, mode: PipelineMode) -> None:
        """Which pipeline evaluates it. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A registered model version.

    Args:
        name, version: as in its card.
        task: such as "advisor".
        digest: SHA-256 over the artefact's checksums file.
        path: folder under models/, relative.
        state: candidate, graduated, champion, rejected or archived.
        registered_at: aware UTC.
        card: card.json.
    """

    name: str
    version: str
    task: str
    digest: str
    path: str
    state: str
    registered_at: datetime
    card: Mapping[str, Any]


class ModelRegistry(Protocol):
    """Which model versions there are, and which is the champion."""

    def register(self, record: ModelRecord) -> bool:
        """Insert by (name, version); True when new.

        Raises:
            InvalidInput: the version exists with another digest.
        """
        ...

    def records(self) -> list[ModelRecord]:
        """By name, then newest version first."""
        ...

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task."""
        ...

    def set_champion(self, name: str, version: str) -> None:
        """Make it the champion of its task; the former one becomes graduated. Raises NotFound."""
        ...


# ---------------------------------------------------------------- component health


@dataclass(frozen=True, slots=True)
class ComponentState:
    """What is known of a component's health.

    Args:
        name: advisor scraper, price scraper, database, Redis cache, ML inference, …
        state: healthy, degraded, down or unknown.
        reason: in words.
        last_success_at: aware UTC, or None when it never succeeded.
        latency_ms: of the last probe, or None.
        checked_at: aware UTC.
    """

    name: str
    state: str
    reason: str
    last_success_at: datetime | None
    latency_ms: float | None
    checked_at: datetime


class HealthLog(Protocol):
    """Successes and failures of components, kept in SQL."""

    def note(
        self, component: str, *, ok: bool, at: datetime, latency_ms: float | None, reason: str
    ) -> None:
        """Write one outcome down."""
        ...

    def last(self, component: str, *, ok: bool | None = None) -> ComponentState | None:
        """The newest outcome (or newest success with ok=True), or None."""
        ...

    def recent(self, component: str, since: datetime) -> Iterator[tuple[datetime, bool]]:
        """Outcomes since then, oldest first."""
        ...
