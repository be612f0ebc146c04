"""Regions, zones and instance types of the simulated market.

Specifications are computed from rules of these families (memory per vCPU, vCPU per size), prices
from the published us-east-1 price of a vCPU and a GPU and a mark-up per region. Source: the EC2
instance types guide and the EC2 on-demand pricing page.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final
from zlib import crc32

from spotlab.domain.instance_types import parse_type


@dataclass(frozen=True, slots=True)
class Region:
    """One region.

    Args:
        name: such as "us-east-1".
        location: its name in the price lists.
        zone_prefix: start of its zone ids, such as "use1".
        zone_letters: one letter per zone.
        mark_up: its on-demand prices relative to us-east-1.
    """

    name: str
    location: str
    zone_prefix: str
    zone_letters: str
    mark_up: float

    @property
    def zones(self) -> tuple[str, ...]:
        """Zone names, such as "us-east-1a"."""
        return tuple(self.name + letter for letter in self.zone_letters)

    def zone_id(self, zone: str) -> str:
        """The zone's id, which is the same in every account, such as "use1-az1"."""
        return f"{self.zone_prefix}-az{self.zones.index(zone) + 1}"


REGIONS: Final = (
    Region("us-east-1", "US East (N. Virginia)", "use1", "abcd", 1.0),
    Region("us-west-2", "US West (Oregon)", "usw2", "abcd", 1.0),
    Region("eu-west-1", "EU (Ireland)", "euw1", "abc", 1.117),
)


@dataclass(frozen=True, slots=True)
class Family:
    """One family of instance types.

    Args:
        name: such as "m6i".
        sizes: the sizes on offer.
        gib_per_vcpu: memory per vCPU, GiB.
        usd_per_vcpu: on-demand, us-east-1, Linux, USD per hour.
        mean_bucket: mean advisor bucket of the family in these regions, 2024 and 2025.
        usd_per_gpu: USD per hour; 0 without a GPU.
        windows_usd_per_vcpu: licence, USD per hour; None: Windows is not offered.
    """

    name: str
    sizes: tuple[str, ...]
    gib_per_vcpu: float
    usd_per_vcpu: float
    mean_bucket: float
    usd_per_gpu: float = 0.0
    windows_usd_per_vcpu: float | None = 0.046

    @property
    def category(self) -> str:
        """AWS's category of the family."""
        categories = {"c": "Compute optimized", "r": "Memory optimized", "g": "GPU instance"}
        return categories.get(self.name[0], "General purpose")


_SMALL: Final = ("large", "xlarge", "2xlarge", "4xlarge")
_MIDDLE: Final = ("xlarge", "2xlarge", "4xlarge")
_GPU: Final = ("xlarge", "2xlarge", "4xlarge", "12xlarge")

FAMILIES: Final = (
    Family("m5", _SMALL, 4, 0.048, 2.5),
    Family("m6i", _SMALL, 4, 0.048, 2.5),
    Family("m6a", ("xlarge", "2xlarge"), 4, 0.0432, 2.9),
    Family("m6g", _SMALL, 4, 0.0385, 1.0, windows_usd_per_vcpu=None),
    Family("m7i", _MIDDLE, 4, 0.0504, 2.1),
    Family("m7g", ("large", "xlarge", "2xlarge"), 4, 0.0408, 0.6, windows_usd_per_vcpu=None),
    Family("c5", _SMALL, 2, 0.0425, 1.0),
    Family("c6i", _SMALL, 2, 0.0425, 1.7),
    Family("c6g", _MIDDLE, 2, 0.034, 0.8, windows_usd_per_vcpu=None),
    Family("c7g", ("large", "xlarge", "2xlarge"), 2, 0.03625, 0.4, windows_usd_per_vcpu=None),
    Family("r5", _SMALL, 8, 0.063, 2.2),
    Family("r6i", _SMALL, 8, 0.063, 3.2),
    Family("r6g", ("large", "xlarge", "2xlarge"), 8, 0.0504, 3.0, windows_usd_per_vcpu=None),
    Family("t3", ("medium", "large", "xlarge"), 4, 0.0416, 0.4, windows_usd_per_vcpu=0.0138),
    Family("g4dn", _GPU, 4, 0.0565, 2.9, usd_per_gpu=0.3),
    Family("g5", _GPU, 4, 0.0515, 2.7, usd_per_gpu=0.8),
    Family("g6", ("xlarge", "2xlarge"), 4, 0.0432, 3.6, usd_per_gpu=0.632),
)


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """One instance type.

    Args:
        name: such as "m6i.xlarge".
        family: its family.
        vcpu: virtual CPUs.
        memory_gib: GiB.
        gpus: GPUs.
        usd_per_hour: on-demand, us-east-1, Linux.
    """

    name: str
    family: Family
    vcpu: int
    memory_gib: float
    gpus: int
    usd_per_hour: float

    def on_demand_usd_per_hour(self, region: Region, *, windows: bool = False) -> float:
        """On-demand price in a region, USD per hour, rounded as AWS does."""
        return round(self.usd_per_hour * region.mark_up + self.licence(windows=windows), 4)

    def licence(self, *, windows: bool) -> float:
        """Price of the Windows licence, USD per hour, for spot and on-demand; 0 for Linux."""
        return self.vcpu * (self.family.windows_usd_per_vcpu or 0.0) if windows else 0.0


def _spec(family: Family, size: str) -> TypeSpec:
    factor = parse_type(f"{family.name}.{size}").size_factor or 0.0
    vcpu = max(2, round(2 * factor))
    # t3.medium has two vCPU like t3.large, with half its memory and price
    share = min(1.0, factor)
    gpus = 0 if not family.usd_per_gpu else 4 if size == "12xlarge" else 1
    usd = vcpu * share * family.usd_per_vcpu + gpus * family.usd_per_gpu
    return TypeSpec(
        f"{family.name}.{size}", family, vcpu, vcpu * share * family.gib_per_vcpu, gpus, usd
    )


TYPES: Final = tuple(_spec(family, size) for family in FAMILIES for size in family.sizes)


@cache
def type_named(name: str) -> TypeSpec:
    """The type with this name.

    Raises:
        KeyError: the simulated market does not offer it.
    """
    return {spec.name: spec for spec in TYPES}[name]


@cache
def region_named(name: str) -> Region:
    """The region with this name.

    Raises:
        KeyError: the simulated market has no such region.
    """
    return {region.name: region for region in REGIONS}[name]


@cache
def is_offered(zone: str, family: str) -> bool:
    """Whether a zone offers a family: as in AWS, about one in thirteen does not."""
    return crc32(f"{zone}/{family}".encode()) % 13 != 0


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """One simulated pool and its indexes in the market's arrays.

    Args:
        region, zone, spec: region, zone and instance type.
        group: index of its region × family.
        offer: index of its region × type.
    """

    region: Region
    zone: str
    spec: TypeSpec
    group: int
    offer: int


GROUPS: Final = tuple((region, family) for region in REGIONS for family in FAMILIES)
"""All pairs of region and family."""
OFFERS: Final = tuple((region, spec) for region in REGIONS for spec in TYPES)
"""All pairs of region and instance type."""
POOLS: Final = tuple(
    PoolSpec(region, zone, spec, GROUPS.index((region, spec.family)), offer)
    for offer, (region, spec) in enumerate(OFFERS)
    for zone in region.zones
    if is_offered(zone, spec.family.name)
)
"""All combinations of region, zone and instance type on offer."""
