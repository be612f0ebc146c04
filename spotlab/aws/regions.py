"""Regions and the location names that AWS's price lists use for them.

Source: "Regions and endpoints" and the `location` attribute of the AWS Price List. The price lists
still use "EU (…)" where the console uses "Europe (…)".
"""

from __future__ import annotations

import re
from typing import Final

from spotlab.errors import NotAvailable

_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+(-[a-z]+-\d+)?")

LOCATIONS: Final[dict[str, str]] = {
    "af-south-1": "Africa (Cape Town)",
    "ap-east-1": "Asia Pacific (Hong Kong)",
    "ap-east-2": "Asia Pacific (Taipei)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-northeast-3": "Asia Pacific (Osaka)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-south-2": "Asia Pacific (Hyderabad)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-southeast-3": "Asia Pacific (Jakarta)",
    "ap-southeast-4": "Asia Pacific (Melbourne)",
    "ap-southeast-5": "Asia Pacific (Malaysia)",
    "ap-southeast-6": "Asia Pacific (New Zealand)",
    "ap-southeast-7": "Asia Pacific (Thailand)",
    "ca-central-1": "Canada (Central)",
    "ca-west-1": "Canada West (Calgary)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-central-2": "Europe (Zurich)",
    "eu-north-1": "EU (Stockholm)",
    "eu-south-1": "EU (Milan)",
    "eu-south-2": "Europe (Spain)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-west-3": "EU (Paris)",
    "il-central-1": "Israel (Tel Aviv)",
    "me-central-1": "Middle East (UAE)",
    "me-south-1": "Middle East (Bahrain)",
    "mx-central-1": "Mexico (Central)",
    "sa-east-1": "South America (Sao Paulo)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-gov-east-1": "AWS GovCloud (US-East)",
    "us-gov-west-1": "AWS GovCloud (US-West)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
}
"""The AWS location name of each region."""


def is_region(name: str) -> bool:
    """Whether a name has the form of a region, or of a local zone in AWS's price feeds.

    >>> is_region("us-east-1"), is_region("us-west-2-lax-1"), is_region("Ireland")
    (True, True, False)
    """
    return _REGION.fullmatch(name) is not None


def same_location(left: str, right: str) -> bool:
    """Whether two location names mean the same location.

    >>> same_location("EU (Ireland)", "Europe (Ireland)")
    True
    """
    return left.replace("Europe (", "EU (") == right.replace("Europe (", "EU (")


def location_of(region: str) -> str:
    """The location name of a region in the price lists.

    Raises:
        NotAvailable: the region is not in LOCATIONS.
    """
    if region not in LOCATIONS:
        raise NotAvailable(
            f"No AWS location name is known for region {region!r}.",
            remedy="Its on-demand prices can be read from a file or from an AWS account.",
        )
    return LOCATIONS[region]
