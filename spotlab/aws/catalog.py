"""Instance types, their zones and on-demand prices, from EC2 and the Price List API.

Source: Amazon EC2 API Reference, DescribeInstanceTypes and DescribeInstanceTypeOfferings; AWS Price
List API Reference, GetProducts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from spotlab.aws.failures import translated
from spotlab.aws.feed_checks import check_region, check_type, price_of, reject
from spotlab.aws.region_source import RegionSource
from spotlab.domain.instance_types import Architecture
from spotlab.domain.market import LINUX, FeedKind, Snapshot
from spotlab.domain.odd_records import SetAside

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeInfoTypeDef
    from mypy_boto3_pricing import PricingClient

_NETWORK: Final = re.compile(r"(?:(?P<cards>\d+)x )?(?P<speed>[\d.]+) (?P<unit>Giga|Mega)bit")
_MIB_PER_GIB: Final = 1024.0
_UNKNOWN: Final = float("nan")


class InstanceTypes(RegionSource):
    """Specifications of the types a region offers (DescribeInstanceTypes).

    Args:
        client: of EC2.
        region, market, clock: as for `RegionSource`.
    """

    _kind = FeedKind.SPECS
    _title = "instance types"
    _client: EC2Client

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:  # noqa: ARG002
        """As `FeedSource.fetch`; the API has no conditional requests."""
        with translated(f"Reading the {self.name}"):
            pages = self._client.get_paginator("describe_instance_types").paginate()
            listed = [info for page in pages for info in page["InstanceTypes"]]
        odd = SetAside()
        rows: dict[str, tuple[str | float | None, ...]] = {}
        for info in listed:
            with odd.record():
                rows[info["InstanceType"]] = self._spec(info)
        set_aside = odd.reasons(len(listed))
        return self._snapshot(sorted(rows.values(), key=str), set_aside=set_aside)

    def _spec(self, info: InstanceTypeInfoTypeDef) -> tuple[str | float | None, ...]:
        name = info["InstanceType"]
        check_type(self.name, name)
        vcpu = info.get("VCpuInfo", {}).get("DefaultVCpus", 0)
        memory_mib = info.get("MemoryInfo", {}).get("SizeInMiB", 0)
        if vcpu <= 0 or memory_mib <= 0:
            reject(self.name, f"{name} has {vcpu} vCPU and {memory_mib} MiB", "both above 0")
        processor = info.get("ProcessorInfo", {})
        return (
            name,
            float(vcpu),
            memory_mib / _MIB_PER_GIB,
            _architecture(processor.get("SupportedArchitectures", [])),
            _count(info.get("GpuInfo", {}).get("Gpus", [])),
            max(
                _count(info.get("InferenceAcceleratorInfo", {}).get("Accelerators", [])),
                _count(info.get("NeuronInfo", {}).get("NeuronDevices", [])),
            ),
            _network_mbps(info.get("NetworkInfo", {})),
            float(
                info.get("EbsInfo", {})
                .get("EbsOptimizedInfo", {})
                .get("MaximumBandwidthInMbps", _UNKNOWN)
            ),
            processor.get("SustainedClockSpeedInGhz", _UNKNOWN) * 1000.0,
            _nvme_gb(info.get("InstanceStorageInfo", {})),
            *_gpu(info.get("GpuInfo", {}).get("Gpus", [])),
            _accelerator(info),
            _CPU_MAKERS.get(processor.get("Manufacturer", "")),
        )


def _architecture(supported: Sequence[str]) -> str | None:
    """The first known architecture: x86_64 for small types that also support i386."""
    return next(
        (wanted.value for wanted in Architecture for name in supported if name.startswith(wanted)),
        None,
    )


_CPU_MAKERS: Final = {"Intel": "intel", "AMD": "amd", "AWS": "aws"}


def _gpu(gpus: Sequence[Mapping[str, Any]]) -> tuple[str | None, float]:
    """Model, as `hardware.GPUS` names it, and GiB of each GPU."""
    if not gpus:
        return None, _UNKNOWN
    model = str(gpus[0].get("Name", "")).strip().lower().replace(" ", "-")
    memory_mib = gpus[0].get("MemoryInfo", {}).get("SizeInMiB", _UNKNOWN)
    return model or None, memory_mib / _MIB_PER_GIB


def _accelerator(info: Mapping[str, Any]) -> str | None:
    devices = [
        *info.get("InferenceAcceleratorInfo", {}).get("Accelerators", []),
        *info.get("NeuronInfo", {}).get("NeuronDevices", []),
    ]
    return str(devices[0]["Name"]).lower() if devices and devices[0].get("Name") else None


def _count(devices: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(device.get("Count", 0) for device in devices))


def _network_mbps(network: Mapping[str, Any]) -> float:
    """Baseline bandwidth of all cards in Mbit/s, else the one in EC2's description, else NaN.

    >>> _network_mbps({"NetworkPerformance": "Up to 12.5 Gigabit"})
    12500.0
    """
    baselines = [
        card.get("BaselineBandwidthInGbps", _UNKNOWN) for card in network.get("NetworkCards", [])
    ]
    total_mbps = sum(baselines, 0.0) * 1000.0
    if total_mbps > 0.0:
        return total_mbps
    match = _NETWORK.search(network.get("NetworkPerformance", ""))
    if match is None:
        return _UNKNOWN
    per_unit = 1000.0 if match["unit"] == "Giga" else 1.0
    return float(match["cards"] or 1) * float(match["speed"]) * per_unit


def _nvme_gb(storage: Mapping[str, Any]) -> float:
    if storage.get("NvmeSupport", "unsupported") == "unsupported":
        return 0.0
    return float(storage.get("TotalSizeInGB", _UNKNOWN))


class Offerings(RegionSource):
    """Which types each zone of a region offers (DescribeInstanceTypeOfferings).

    Args:
        client: of EC2.
        region, market, clock: as for `RegionSource`.
    """

    _kind = FeedKind.OFFERINGS
    _title = "instance type offerings"
    _client: EC2Client

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:  # noqa: ARG002
        """As `FeedSource.fetch`; the API has no conditional requests."""
        with translated(f"Reading the {self.name}"):
            pages = self._client.get_paginator("describe_instance_type_offerings").paginate(
                LocationType="availability-zone"
            )
            listed = [offering for page in pages for offering in page["InstanceTypeOfferings"]]
        odd = SetAside()
        offered = set()
        for offering in listed:
            with odd.record():
                check_type(self.name, offering["InstanceType"])
                offered.add((self._region, offering["Location"], offering["InstanceType"]))
        return self._snapshot(sorted(offered), set_aside=odd.reasons(len(listed)))


class _Dimension(msgspec.Struct):
    unit: str
    price: dict[str, str] = msgspec.field(name="pricePerUnit")


class _Term(msgspec.Struct):
    dimensions: dict[str, _Dimension] = msgspec.field(name="priceDimensions")


class _Terms(msgspec.Struct):
    on_demand: dict[str, _Term] = msgspec.field(name="OnDemand", default_factory=dict)


class _Attributes(msgspec.Struct):
    instance_type: str = msgspec.field(name="instanceType")


class _Product(msgspec.Struct):
    attributes: _Attributes


class _Listing(msgspec.Struct):
    product: _Product
    terms: _Terms
    published_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = msgspec.field(
        name="publicationDate", default=None
    )


class OnDemandPrices(RegionSource):
    """On-demand Linux prices of a region, without licences, on shared hardware (GetProducts).

    Args:
        client: of the Price List API in us-east-1, one of the few regions that have it.
        region: whose prices to read.
        market, clock: as for `RegionSource`.
    """

    _kind = FeedKind.ON_DEMAND
    _title = "on-demand price list"
    _client: PricingClient

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:  # noqa: ARG002
        """As `FeedSource.fetch`; the event time is the price list's publication, if stated."""
        prices: dict[str, float] = {}
        published: list[datetime] = []
        odd, listed = SetAside(), 0
        check_region(self.name, self._region)
        with translated(f"Reading the {self.name}"):
            for text in self._listings():
                listed += 1
                with odd.record():
                    listing = self._decoded(text)
                    published += [listing.published_at] if listing.published_at else []
                    self._add(listing, prices)
        set_aside = odd.reasons(listed)
        rows = [(self._region, LINUX, name, price) for name, price in prices.items()]
        return self._snapshot(sorted(rows), max(published, default=None), set_aside)

    def _listings(self) -> Iterator[str]:
        filters = {
            "regionCode": self._region,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            "marketoption": "OnDemand",
            "operation": "RunInstances",
        }
        pages = self._client.get_paginator("get_products").paginate(
            ServiceCode="AmazonEC2",
            Filters=[
                {"Type": "TERM_MATCH", "Field": field, "Value": value}
                for field, value in filters.items()
            ],
        )
        for page in pages:
            yield from page["PriceList"]

    def _decoded(self, text: str) -> _Listing:
        try:
            return msgspec.json.decode(text, type=_Listing)
        except msgspec.MsgspecError as exc:
            reject(self.name, f"a product cannot be read ({exc})", "a price list product")

    def _add(self, listing: _Listing, prices: dict[str, float]) -> None:
        """Add the prices of a type; of two prices, the first is used."""
        name = listing.product.attributes.instance_type
        check_type(self.name, name)
        for term in listing.terms.on_demand.values():
            for dimension in term.dimensions.values():
                if dimension.unit != "Hrs":
                    continue
                price = price_of(dimension.price.get("USD", "no USD"), self.name, name)
                # A price of 0 marks hours covered by a reservation or a dedicated host.
                if price and prices.setdefault(name, price) != price:
                    problem = f"{name} has two prices, of which the first is used"
                    reject(self.name, problem, "one price per type")
