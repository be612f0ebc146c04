"""Ports of the ledger and the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from spotlab.domain.decision import Decision, Experiment, Instance, PipelineMode, Requirements
from spotlab.domain.market import MarketName
from spotlab.domain.ports.models import By


@dataclass(frozen=True, slots=True)
class ExperimentFilter:
    """Which experiments to list. None: no demand; accounts: only instances of these; before: only
    what comes after this experiment (its created_at and id), newest first."""

    instance_id: str | None = None
    decision: Decision | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    shadow: bool | None = None
    degraded: bool | None = None
    failed: bool | None = None
    accounts: tuple[str, ...] | None = None
    before: tuple[datetime, int] | None = None


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

    def numbers(self, where: ExperimentFilter = ...) -> set[int]:
        """The ids of all of them."""
        ...

    def of(self, experiment_ids: Sequence[int]) -> Sequence[ExperimentSummary]:
        """These, newest first."""
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
        active: managed.
        from_settings: of the accounts file or the emulator; False: an administrator keeps it in
            the database.
    """

    name: str
    aws_account_id: str
    role_arn: str = ""
    external_id: str = field(default="", repr=False)
    regions: tuple[str, ...] = ()
    emulated: bool = False
    active: bool = True
    from_settings: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """When an account's instances were listed last.

    Args:
        at: aware UTC; None: never.
        error: why the last attempt failed, one sentence; "" where it did not.
    """

    at: datetime | None
    error: str


class Fleet(Protocol):
    """The accounts and instances SpotLab looks after, with what a user set on them."""

    def save_account(
        self, account: Account, by: By | None = None, expected: Account | None = None
    ) -> None:
        """Insert or update by name; by None: seen in the settings, not a person's change, which
        leaves it to a person whether it is active.

        Raises:
            ChangedMeanwhile: it is not as expected (None: however it is).
        """
        ...

    def note_listing(self, name: str, at: datetime, error: str = "") -> None:
        """Keep that an account was listed, or why it could not be."""
        ...

    def listings(self) -> dict[str, Listing]:
        """When each account was listed last, by name."""
        ...

    def add_account(self, account: Account, by: By) -> None:
        """Insert a new one. Raises Conflict: there is one of this name."""
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

    def set_shadow(
        self, instance_id: str, shadow: bool, by: By, expected: Instance | None = None
    ) -> None:
        """Shadow on: record only.

        Raises:
            NotFound: not in the fleet.
            ChangedMeanwhile: it is not as `expected`, which a change was made from.
        """
        ...

    def set_mode(
        self, instance_id: str, mode: PipelineMode, by: By, expected: Instance | None = None
    ) -> None:
        """Which pipeline evaluates it. Raises NotFound, ChangedMeanwhile."""
        ...

    def set_requirements(
        self,
        instance_id: str,
        requirements: Requirements | None,
        by: By,
        expected: Instance | None = None,
    ) -> None:
        """What a replacement must offer; None: derived from its own type.

        Raises:
            NotFound, ChangedMeanwhile: as in `set_shadow`.
        """
        ...
