"""Regions, their partitions, and the location names that AWS's price lists use for them.

Source: "Regions and endpoints", "Partitions" and "Enable or disable AWS Regions in your account" of
the AWS documentation, and the `location` attribute of the AWS Price List. The price lists still use
"EU (…)" where the console uses "Europe (…)".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from spotlab.errors import NotAvailable

_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+(-[a-z]+-\d+)?")


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of AWS with its own accounts, identities and endpoints.

    Args:
        name: as in ARNs.
        default_region: answers for the partition; enabled in every account.
        dns_suffix: of the names of its endpoints, and of the service principal of EC2.
        prefix: start of the names of its regions; "": those of no other partition.
    """

    name: str
    default_region: str
    dns_suffix: str
    prefix: str

    @property
    def ec2_principal(self) -> str:
        """The service that an instance's role is passed to."""
        return f"ec2.{self.dns_suffix}"


AWS: Final = Partition("aws", "us-east-1", "amazonaws.com", "")
AWS_CHINA: Final = Partition("aws-cn", "cn-north-1", "amazonaws.com.cn", "cn-")
AWS_GOVCLOUD: Final = Partition("aws-us-gov", "us-gov-west-1", "amazonaws.com", "us-gov-")
PARTITIONS: Final = (AWS, AWS_CHINA, AWS_GOVCLOUD)

ENABLED_BY_DEFAULT: Final = frozenset(
    {
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "cn-north-1",
        "cn-northwest-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-gov-east-1",
        "us-gov-west-1",
        "us-west-1",
        "us-west-2",
    }
)
"""The regions that every account has; regions introduced since March 2019 must be enabled first."""


def partition_of(region: str) -> Partition:
    """The partition of a region.

    >>> partition_of("cn-north-1").name, partition_of("us-gov-east-1").name
    ('aws-cn', 'aws-us-gov')
    """
    special = (each for each in PARTITIONS if each.prefix and region.startswith(each.prefix))
    return next(special, AWS)


def price_list_region(region: str) -> str | None:
    """The region whose Price List API answers for a region; None: AWS GovCloud has none.

    >>> price_list_region("eu-west-1"), price_list_region("cn-north-1")
    ('us-east-1', 'cn-northwest-1')
    """
    answering = {AWS: "us-east-1", AWS_CHINA: "cn-northwest-1"}
    return answering.get(partition_of(region))


def sts_region(regions: Sequence[str]) -> str:
    """The region whose STS endpoint gives credentials for all of these regions.

    Credentials of a regional endpoint are valid in every region of the partition; those of the
    global endpoint are not valid in regions that an account must enable.

    Args:
        regions: of one account.
    Returns:
        The first that is enabled in every account, else the default region of the partition.
    """
    partition = partition_of(regions[0]) if regions else AWS
    return next((each for each in regions if each in ENABLED_BY_DEFAULT), partition.default_region)


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
    "cn-north-1": "China (Beijing)",
    "cn-northwest-1": "China (Ningxia)",
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
