"""Ports of the ledger of decisions and of the fleet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle, PipelineMode
from spotlab.domain.market import MarketName
from spotlab.domain.policy import DEFAULT_POLICY
from spotlab.domain.ports.models import By
from spotlab.domain.requirements import Requirements


@dataclass(frozen=True, slots=True)
class ExperimentFilter:
    """Which experiments to list; None: no restriction.

    Args:
        accounts: only instances of these accounts.
        before: only experiments after this one (created_at, id) in the order newest first.
    """

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
    """One row of the history: an experiment without its candidates.

    Args:
        saving_usd_per_hour: what the decision saves: 0 for a STAY, negative if it costs more.
        risk, spot_price_usd_per_hour: of its pool; None if unknown, and for an on-demand instance,
            which is not interrupted.
        alternative_saving_usd_per_hour: what the best alternative to a STAY would save.
        lifecycle: of the instance at that time.
    """

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
    policy_version: str = DEFAULT_POLICY.reference
    alternative_saving_usd_per_hour: float | None = None
    lifecycle: Lifecycle = Lifecycle.SPOT


class Ledger(Protocol):
    """All decisions with their inputs."""

    def record(self, experiment: Experiment) -> int:
        """Store one experiment; see `record_all`."""
        ...

    def record_all(self, experiments: Sequence[Experiment]) -> Sequence[int]:
        """Store experiments and mark their instances as evaluated, in one transaction.

        Returns:
            The experiment_id of each.
        Raises:
            DatabaseDown, InvalidInput: nothing was stored.
        """
        ...

    def get(self, experiment_id: int) -> Experiment:
        """One decision with all its inputs, as it was recorded: its candidates are not derived.

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
        """Number of matching experiments."""
        ...

    def of(self, experiment_ids: Sequence[int]) -> Sequence[ExperimentSummary]:
        """The experiments with these ids, newest first."""
        ...

    def latest_per_instance(self) -> dict[str, ExperimentSummary]:
        """The newest experiment of each instance, by instance_id."""
        ...

    def last_switch_at(self, instance_id: str) -> datetime | None:
        """Time of the last SWITCH decision outside shadow mode; None: none."""
        ...

    def last_switches(self, instance_ids: Collection[str]) -> Mapping[str, datetime]:
        """`last_switch_at` of each of these instances that has one."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account and the role SpotLab assumes in it.

    Args:
        name: unique, for a person.
        aws_account_id: 12 digits.
        role_arn: role to assume; "": the process's own credentials.
        external_id: sent with AssumeRole. AWS does not treat it as a secret, but it is masked in
            reprs and on screens.
        regions: in which instances are managed.
        emulated: part of the emulated AWS.
        active: whether it is managed.
        from_settings: from the accounts file or the emulator; False: added by an administrator,
            and stored in the database.
        pending_external_id: the next external id while it is being rotated; the role is assumed
            with it when AWS no longer accepts external_id. "": none.
    """

    name: str
    aws_account_id: str
    role_arn: str = ""
    external_id: str = field(default="", repr=False)
    regions: tuple[str, ...] = ()
    emulated: bool = False
    active: bool = True
    from_settings: bool = True
    pending_external_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RegionListing:
    """The last listing of an account's instances in one region.

    Args:
        region: such as "us-east-1".
        at: when it last succeeded, aware UTC; None: never.
        error: why the last attempt failed, one sentence; "" if it succeeded.
        code: AWS's error code, such as "OptInRequired"; "": none.
    """

    region: str
    at: datetime | None
    error: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The last listing of an account's instances.

    Args:
        at: when at least one region was last listed, aware UTC; None: never.
        error: why the last attempt failed, or failed in some regions; "" if it succeeded.
        regions: of each region, sorted by name; empty before the first listing.
    """

    at: datetime | None
    error: str
    regions: tuple[RegionListing, ...] = ()

    @property
    def failed_regions(self) -> tuple[RegionListing, ...]:
        """The regions whose last attempt failed."""
        return tuple(each for each in self.regions if each.error)


class Fleet(Protocol):
    """The managed accounts and instances, with the users' settings."""

    def save_account(
        self, account: Account, by: By | None = None, expected: Account | None = None
    ) -> None:
        """Insert or update an account by name.

        Args:
            account: the new values.
            by: the user; None: read from the settings, which does not change `active`.
            expected: the values that the change was based on; None: any.
        Raises:
            ChangedMeanwhile: the stored account is not as expected.
        """
        ...

    def note_listing(
        self, name: str, at: datetime, error: str = "", regions: Sequence[RegionListing] = ()
    ) -> None:
        """Record that an account was listed, or why that failed.

        Args:
            name: of the account.
            at: time of the listing.
            error: why it failed, or failed in some regions; "": it succeeded.
            regions: of each region; those that failed keep the time of their last success.
                Other regions are removed. Empty: nothing is known by region.
        """
        ...

    def listings(self) -> dict[str, Listing]:
        """The last listing of each account, by name."""
        ...

    def add_account(self, account: Account, by: By) -> None:
        """Insert a new account. Raises Conflict if the name exists."""
        ...

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        ...

    def sync(
        self, account: str, instances: Sequence[Instance], unlisted: Collection[str] = ()
    ) -> None:
        """Set the account's active instances; other instances of it become inactive. The users'
        settings (model, shadow, mode, requirements) are preserved.

        Args:
            account: name of the account.
            instances: as listed.
            unlisted: regions that could not be listed; their instances stay as they are.
        """
        ...

    def instances(self, *, active_only: bool = True) -> list[Instance]:
        """Instances by account, then name, then id."""
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
        """Switch shadow mode on or off.

        Raises:
            NotFound: not in the fleet.
            ChangedMeanwhile: it is not as `expected`, on which the change was based.
        """
        ...

    def set_mode(
        self, instance_id: str, mode: PipelineMode, by: By, expected: Instance | None = None
    ) -> None:
        """Set the pipeline that evaluates it. Raises NotFound, ChangedMeanwhile."""
        ...

    def set_requirements(
        self,
        instance_id: str,
        requirements: Requirements | None,
        by: By,
        expected: Instance | None = None,
    ) -> None:
        """Set the requirements of a replacement; None: derived from its own type.

        Raises:
            NotFound, ChangedMeanwhile: as in `set_shadow`.
        """
        ...
