"""Headline and table of the AWS accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from spotlab.services.accounts import AccountStatus
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

STATES = {
    "managed": "healthy",
    "partly listed": "degraded",
    "not listed": "down",
    "not managed": "unknown",
}


def headline(standings: Sequence[AccountStatus]) -> str:
    """How many accounts, regions and instances are managed, and which could not be listed."""
    if not standings:
        return "0 accounts: there are no instances to evaluate"
    managed = [each for each in standings if state_of(each) != "not managed"]
    regions = {region for each in managed for region in each.account.regions}
    instances = sum(each.instances for each in managed)
    sentence = (
        f"{formatting.count(len(managed), 'managed account')} in "
        f"{formatting.count(len(regions), 'region')} with "
        f"{formatting.count(instances, 'instance')}"
    )
    failed = [each.account.name for each in managed if state_of(each) == "not listed"]
    partly = [
        f"{region.region} of {each.account.name}"
        for each in managed
        if state_of(each) == "partly listed"
        for region in each.listing.failed_regions
    ]
    unlisted = formatting.listed([*failed, *partly])
    return f"{sentence}; {unlisted} could not be listed" if unlisted else sentence


def small_print(standings: Sequence[AccountStatus], now: datetime) -> str:
    """How old the oldest listing is, and how many accounts are not managed."""
    times = [each.listing.at for each in standings if each.listing.at is not None]
    oldest = f"Oldest listing {formatting.ago(min(times), now)}" if times else "Not listed yet"
    unmanaged = sum(state_of(each) == "not managed" for each in standings)
    return f"{oldest}; {unmanaged} not managed." if unmanaged else f"{oldest}."


def state_of(standing: AccountStatus) -> str:
    """The state of an account, one of STATES."""
    if not standing.account.active or standing.managed is False:
        return "not managed"
    if not standing.listing.error:
        return "managed"
    return "partly listed" if _listed_regions(standing) else "not listed"


def _listed_regions(standing: AccountStatus) -> list[str]:
    """The regions that the last listing read."""
    return [each.region for each in standing.listing.regions if not each.error]


def failure_title(standing: AccountStatus) -> str:
    """Which part of the last listing failed."""
    failed = [each.region for each in standing.listing.failed_regions]
    if not failed or not _listed_regions(standing):
        return "The last listing failed"
    return f"The last listing failed in {formatting.listed(failed)}"


def region_rows(standing: AccountStatus) -> pd.DataFrame:
    """One row per region, those that failed first."""
    found = sorted(standing.listing.regions, key=lambda each: (not each.error, each.region))
    return pd.DataFrame(
        [
            {
                "region": each.region,
                "state": "not listed" if each.error else "managed",
                "listed": each.at,
                "code": each.code or None,
            }
            for each in found
        ],
        columns=["region", "state", "listed", "code"],
    )


def region_columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table of regions."""
    return {
        "region": Column("region"),
        "state": Column(
            "state",
            lambda state: "listed" if state == "managed" else str(state),
            "Not listed: the instances of the region are shown as they were last listed.",
            colour=lambda state: palette.of_state(STATES[str(state)]),
            width=125,
        ),
        "listed": Column("last listed", at(now, formatting.ago), "“—”: never."),
        "code": Column("AWS's error code", help="“—”: none."),
    }


def rows(standings: Sequence[AccountStatus]) -> pd.DataFrame:
    """One row per account."""
    return pd.DataFrame(
        [
            {
                "name": each.account.name,
                "id": each.account.aws_account_id,
                "state": state_of(each),
                "regions": ", ".join(each.account.regions),
                "instances": each.instances,
                "listed": each.listing.at,
                "role": each.account.role_arn.rpartition("/")[2] or "none",
                "external": "yes" if each.account.external_id else "no",
                "kept": "settings" if each.account.from_settings else "SpotLab",
                "aws": "emulated" if each.account.emulated else "real",
            }
            for each in standings
        ],
        columns=[*COLUMN_NAMES],
    )


COLUMN_NAMES = (
    "name",
    "id",
    "state",
    "regions",
    "instances",
    "listed",
    "role",
    "external",
    "kept",
    "aws",
)


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table."""
    return {
        "name": Column("account"),
        "id": Column("AWS account id"),
        "state": Column(
            "state",
            help="Not listed: the last attempt failed, so the previous list is shown; partly: in "
            "some regions.",
            colour=lambda state: palette.of_state(STATES[str(state)]),
            width=125,
        ),
        "regions": Column("regions", width="medium"),
        "instances": Column("instances", "{:,}".format, number=True),
        "listed": Column("last listed", at(now, formatting.ago), "“—”: never."),
        "role": Column("role", help="The role that SpotLab assumes; none: its own credentials."),
        "external": Column("external id", help="Whether one is sent; it is never shown."),
        "kept": Column("defined in", help="Settings: accounts file, emulator. SpotLab: this page."),
        "aws": Column("AWS"),
    }
