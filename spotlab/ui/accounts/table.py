"""The accounts as a sentence and as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from spotlab.services.accounts import AccountStanding
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

STATES = {"managed": "healthy", "not listed": "down", "not managed": "unknown"}


def headline(standings: Sequence[AccountStanding]) -> str:
    """How many accounts hold how much, and which could not be listed."""
    if not standings:
        return "0 accounts are known"
    after = [each for each in standings if state_of(each) != "not managed"]
    regions = {region for each in after for region in each.account.regions}
    held = sum(each.instances for each in after)
    told = (
        f"{formatting.count(len(after), 'account')} in {formatting.count(len(regions), 'region')} "
        f"hold{'s' if len(after) == 1 else ''} {formatting.count(held, 'instance')}"
    )
    failed = [each.account.name for each in after if each.listing.error]
    return f"{told}; {formatting.listed(failed)} could not be listed" if failed else told


def small_print(standings: Sequence[AccountStanding], now: datetime) -> str:
    """How old the lists are, and what is left out."""
    listed = [each.listing.at for each in standings if each.listing.at is not None]
    parts = [f"Oldest list {formatting.ago(min(listed), now)}" if listed else "None was listed yet"]
    left_out = sum(state_of(each) == "not managed" for each in standings)
    if left_out:
        parts.append(f"{left_out} not managed")
    return "; ".join(parts) + "."


def state_of(standing: AccountStanding) -> str:
    """Whether its instances are known, in a word or two."""
    if not standing.account.active or standing.looked_after is False:
        return "not managed"
    return "not listed" if standing.listing.error else "managed"


def rows(standings: Sequence[AccountStanding]) -> pd.DataFrame:
    """One row an account."""
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
                "kept": "settings" if each.account.from_settings else "here",
                "aws": "emulated" if each.account.emulated else "Amazon's",
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
    """How the accounts' columns are shown."""
    return {
        "name": Column("account"),
        "id": Column("AWS account id"),
        "state": Column(
            "state",
            help="Not listed: the last attempt failed; its last list is kept.",
            colour=lambda state: palette.of_state(STATES[str(state)]),
            width=125,
        ),
        "regions": Column("regions", width="medium"),
        "instances": Column("instances", "{:,}".format, number=True),
        "listed": Column("last listed", at(now, formatting.ago), "“—”: never."),
        "role": Column("role", help="That SpotLab assumes; none: its own credentials."),
        "external": Column("external id", help="Whether one is sent; it is never shown."),
        "kept": Column("kept in", help="The settings (accounts file, emulator), or here."),
        "aws": Column("AWS"),
    }
