"""Why a region refuses an account: whether the account has enabled it.

Source: Amazon EC2 API Reference, DescribeRegions; "Enable or disable AWS Regions in your account".
"""

from __future__ import annotations

from typing import Final

from spotlab.aws.failures import translated
from spotlab.aws.regions import partition_of
from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account
from spotlab.errors import AwsError, RegionNotEnabled

UNCLEAR: Final = frozenset({"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"})
"""A region that is not enabled answers these, and so do wrong credentials."""
_NOT_ENABLED: Final = "not-opted-in"


def explained(
    sessions: Sessions, account: Account, region: str, refusal: AwsError, answering: str = ""
) -> AwsError:
    """The reason why a region refused the account's credentials.

    Args:
        sessions: clients by account and region.
        account: the account.
        region: that refused.
        refusal: its error.
        answering: a region that answers the account; "": the partition's default region.
    Returns:
        RegionNotEnabled if the account has not enabled the region, else the refusal.
    """
    other = answering or partition_of(region).default_region
    if refusal.code not in UNCLEAR or region == other:
        return refusal
    try:
        status = opt_in_status(sessions, account, region, other)
    except AwsError:
        return refusal
    if status != _NOT_ENABLED:
        return refusal
    return RegionNotEnabled(
        f"Region {region} is not enabled in account {account.name!r}.",
        remedy="Enable it in the AWS account, or remove it from the account's regions here.",
        code=refusal.code,
    )


def opt_in_status(sessions: Sessions, account: Account, region: str, answering: str) -> str:
    """Whether an account has enabled a region: opt-in-not-required, opted-in or not-opted-in.

    Args:
        sessions, account: who asks.
        region: the region in question.
        answering: a region that answers the account.
    Returns:
        AWS's word; "": AWS does not know the region.
    Raises:
        AwsError: the other region did not answer.
    """
    ec2 = sessions.client("ec2", account, answering)
    with translated(
        f"Asking whether account {account.name!r} has enabled {region}",
        account.external_id,
        account.pending_external_id,
    ):
        regions = ec2.describe_regions(
            AllRegions=True, Filters=[{"Name": "region-name", "Values": [region]}]
        )["Regions"]
    return next((each["OptInStatus"] for each in regions if each["RegionName"] == region), "")
