"""Guards of switches: levels, limits, time windows, stops and earned autonomy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, RequestBody, View, field
from spotlab.domain.switch_guards import (
    ACCOUNT_LIMITS,
    INSTALLATION_LIMITS,
    MAX_WINDOWS,
    AccountGuards,
    InstallationGuards,
    Limit,
    SwitchingMode,
)

_ACCOUNT, _INSTALLATION = AccountGuards(), InstallationGuards()


def _value(limits: dict[str, Limit] | Any, name: str, default: object) -> Any:
    limit = limits[name]
    return field(f"{limit.meaning[:1].upper()}{limit.meaning[1:]}.", default, limit.unit)


def _change(limits: dict[str, Limit] | Any, name: str, default: object) -> Any:
    limit = limits[name]
    return Field(
        default=None,
        ge=limit.low,
        le=limit.high,
        description=f"{limit.meaning[:1].upper()}{limit.meaning[1:]}; omit it to keep the value.",
        examples=[default],
        json_schema_extra={"unit": limit.unit},
    )


class TimeWindowView(View):
    """Hours of some weekdays in which a switch may begin."""

    days: list[str] = field("Weekdays on which it begins: mon to sun.", ["mon", "tue"])
    start: str = field("Begin, HH:MM.", "22:00")
    end: str = field("End, HH:MM; not after the start: on the next day.", "04:00")
    time_zone: str = field("Time zone.", "Europe/Berlin")


class TimeWindowRequest(RequestBody):
    """Hours of some weekdays in which a switch may begin."""

    days: list[str] = Field(
        min_length=1,
        max_length=7,
        description="Weekdays on which it begins: mon to sun.",
        examples=[["mon", "tue"]],
    )
    start: str = Field(max_length=5, description="Begin, HH:MM.", examples=["22:00"])
    end: str = Field(
        max_length=5,
        description="End, HH:MM; not after the start: on the next day.",
        examples=["04:00"],
    )
    time_zone: str = Field(
        default="UTC",
        max_length=60,
        pattern=r"^[A-Za-z0-9_+/-]+$",
        description="Time zone of the IANA database.",
        examples=["Europe/Berlin"],
    )


class GuardsView(View):
    """One version of guards."""

    version: int = field("Version; 0: never set, the defaults.", 2)
    created_at: datetime | None = field("When it was stored; null for the defaults.", None)
    created_by: str = field("Who stored it; empty for the defaults.", "ana")
    reason: str = field("Reason for the change; may be empty.", "")


class InstallationGuardsView(GuardsView):
    """Guards of the whole installation."""

    four_eyes: bool = field("Whether a requester may not approve their own request.", True)
    approval_minutes: float = _value(
        INSTALLATION_LIMITS, "approval_minutes", _INSTALLATION.approval_minutes
    )
    max_price_change: float = _value(
        INSTALLATION_LIMITS, "max_price_change", _INSTALLATION.max_price_change
    )
    switches_per_hour: int = _value(
        INSTALLATION_LIMITS, "switches_per_hour", _INSTALLATION.switches_per_hour
    )
    autonomy_decisions: int = _value(
        INSTALLATION_LIMITS, "autonomy_decisions", _INSTALLATION.autonomy_decisions
    )
    autonomy_share: float = _value(
        INSTALLATION_LIMITS, "autonomy_share", _INSTALLATION.autonomy_share
    )


class AccountGuardsView(GuardsView):
    """Guards of an account."""

    account: str = field("Name of the account.", "acme")
    mode: str = field("How far its switches may go: off, dry-run or on.", "off")
    autonomy: bool = field("Whether SpotLab requests switches by itself.", False)
    switches_per_hour: int = _value(ACCOUNT_LIMITS, "switches_per_hour", _ACCOUNT.switches_per_hour)
    at_once: int = _value(ACCOUNT_LIMITS, "at_once", _ACCOUNT.at_once)
    at_once_per_group: int = _value(ACCOUNT_LIMITS, "at_once_per_group", _ACCOUNT.at_once_per_group)
    per_pool_per_hour: int = _value(ACCOUNT_LIMITS, "per_pool_per_hour", _ACCOUNT.per_pool_per_hour)
    min_saving_usd_per_hour: float = _value(
        ACCOUNT_LIMITS, "min_saving_usd_per_hour", _ACCOUNT.min_saving_usd_per_hour
    )
    cool_down_h: float = _value(ACCOUNT_LIMITS, "cool_down_h", _ACCOUNT.cool_down_h)
    windows: list[TimeWindowView] = Field(
        description="When a switch may begin; empty: at any time."
    )


class GuardsRequest(ChangeRequest):
    """A change of guards; omitted ones keep their value."""

    expected_version: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="Newest version when the change was prepared; null for any.",
        examples=[None],
    )

    def changes(self) -> dict[str, Any]:
        """The guards that the request names."""
        return self.model_dump(exclude={"reason", "expected_version"}, exclude_none=True)


class InstallationGuardsRequest(GuardsRequest):
    """A change of the guards of the installation."""

    four_eyes: bool | None = Field(
        default=None,
        description="Whether a requester may not approve their own request.",
        examples=[True],
    )
    approval_minutes: float | None = _change(INSTALLATION_LIMITS, "approval_minutes", 30.0)
    max_price_change: float | None = _change(INSTALLATION_LIMITS, "max_price_change", 0.1)
    switches_per_hour: int | None = _change(INSTALLATION_LIMITS, "switches_per_hour", 10)
    autonomy_decisions: int | None = _change(INSTALLATION_LIMITS, "autonomy_decisions", 50)
    autonomy_share: float | None = _change(INSTALLATION_LIMITS, "autonomy_share", 0.9)


class AccountGuardsRequest(GuardsRequest):
    """A change of the guards of an account."""

    mode: SwitchingMode | None = Field(
        default=None, description="How far its switches may go.", examples=["dry-run"]
    )
    autonomy: bool | None = Field(
        default=None,
        description="Whether SpotLab requests switches by itself.",
        examples=[False],
    )
    switches_per_hour: int | None = _change(ACCOUNT_LIMITS, "switches_per_hour", 4)
    at_once: int | None = _change(ACCOUNT_LIMITS, "at_once", 2)
    at_once_per_group: int | None = _change(ACCOUNT_LIMITS, "at_once_per_group", 1)
    per_pool_per_hour: int | None = _change(ACCOUNT_LIMITS, "per_pool_per_hour", 2)
    min_saving_usd_per_hour: float | None = _change(ACCOUNT_LIMITS, "min_saving_usd_per_hour", 0.0)
    cool_down_h: float | None = _change(ACCOUNT_LIMITS, "cool_down_h", 6.0)
    windows: list[TimeWindowRequest] | None = Field(
        default=None,
        max_length=MAX_WINDOWS,
        description="When a switch may begin; empty: at any time.",
        examples=[[]],
    )


class StopView(View):
    """A stop of all switches, until it is released."""

    scope: str = field("Name of the account; empty: everywhere.", "")
    at: datetime = field("Since when.", "2026-11-03T09:30:00Z")
    actor: str = field("Who stopped them.", "ana")
    reason: str = field("Why; may be empty.", "incident 7")
    sentence: str = field("The same for a person.", "ana stopped all switches.")


class StopsView(View):
    """Stops that are not released."""

    stops: list[StopView] = Field(description="Stops; empty: switches may go on.")


class AccountModeView(View):
    """How far switches of an account may go."""

    account: str = field("Name of the account.", "acme")
    mode: str = field("off, dry-run or on.", "off")


class StartView(View):
    """A switch that counts towards the limits."""

    switch_id: str = field("The switch.", "sw-5b0c2f8e4a91")
    account: str = field("Its account.", "acme")
    group: str = field("Group of its instance.", "acme: workload web")
    pool: str = field("Pool that it launches into.", "us-east-1:us-east-1a:m6a.large:Linux")
    at: datetime = field("When it began.", "2026-11-03T09:30:00Z")
    under_way: bool = field("Whether it is not finished.", True)


class SwitchingView(View):
    """How far switches may go now."""

    installation: str = field("By SPOTLAB_SWITCHING: off, dry-run or on.", "off")
    accounts: list[AccountModeView] = Field(description="Mode of each account.")
    instances: dict[str, int] = field("Number of instances by mode.", {"off": 4})
    stops: list[StopView] = Field(description="Stops; empty: switches may go on.")
    started: list[StartView] = Field(
        description="Switches that began within the last hour or are under way."
    )


class AutonomyView(View):
    """Outcomes of a policy's decisions about a workload in an account."""

    account: str = field("Name of the account.", "acme")
    policy: str = field("Policy.", "default@1")
    workload: str = field("Workload.", "web")
    good: int = field("Known outcomes that were good.", 47)
    bad: int = field("Known outcomes that were not good.", 1)
    unknown: int = field("Decisions whose outcome will never be known.", 0)
    pending: int = field("Decisions whose outcome is not known yet.", 3)
    wanted_decisions: int = field("Known outcomes that are required.", 50)
    wanted_share: float = field("Lower limit of the share of good ones.", 0.9, "share")
    share_low: float | None = field(
        "Lower end of the 95 % Wilson interval of the share; null without outcomes.", 0.89, "share"
    )
    earned: bool = field("Whether the policy may act alone.", False)
    sentence: str = field("The same for a person.", "default@1 does not act alone.")


class OrphanView(View):
    """A resource with SpotLab's tag that no open switch needs."""

    kind: str = field("instance, image, snapshot, volume or spot-instances-request.", "image")
    resource_id: str = field("Its id.", "ami-0a1b2c3d4e5f60718")
    account: str = field("Its account.", "acme")
    region: str = field("Its region.", "us-east-1")
    switch_id: str = field("Its switch, by the tag.", "sw-5b0c2f8e4a91")
    state: str = field("State of the switch; unknown: it is not in this database.", "done")
    why: str = field("Why it is left over.", "Its switch sw-5b0c2f8e4a91 is finished (done).")
    deletable: bool = field("Whether it may be deleted.", True)
    keep: bool = field("Whether only its tags are removed.", False)


class OrphanReportView(View):
    """What switches have left behind."""

    found: list[OrphanView] = Field(description="Resources, in the order of deletion.")
    deleted: list[str] = field("Ids that were deleted, or whose tags were removed.", [])
    errors: list[str] = field("What could not be read or deleted.", [])
