"""The simulated market in the formats of AWS's public feeds.

Formats: Spot Advisor (spot-advisor-data.json), public spot prices (spot.json), and the price map
behind the EC2 on-demand pricing page.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import numpy as np

from spotlab.demo.catalogue import OFFERS, POOLS, REGIONS, TYPES, Region, TypeSpec, is_offered
from spotlab.demo.market import Market, day_of, start_of

_RANGES: Final = (("<5%", 5), ("5-10%", 11), ("10-15%", 16), ("15-20%", 22), (">20%", 100))
_SPOT_CATEGORIES: Final = {
    "General purpose": "generalCurrentGen",
    "Compute optimized": "computeCurrentGen",
    "Memory optimized": "hiMemCurrentGen",
    "GPU instance": "gpuCurrentGen",
}
_NOT_OFFERED: Final = "N/A*"
ON_DEMAND_TERM: Final = "JRTCKXETXF"
HOURLY_RATE: Final = "6YS6EN2CT7"
"""Codes of all on-demand prices in AWS's price lists."""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a feed.

    Args:
        body: JSON, UTF-8.
        last_modified: aware UTC.
    """

    body: bytes
    last_modified: datetime

    @property
    def etag(self) -> str:
        """A strong validator: the same for equal bodies."""
        return sha256(self.body).hexdigest()[:32]


def advisor(market: Market, at: datetime) -> Document:
    """The Spot Advisor feed as published on the day of `at`."""
    day = day_of(at)
    buckets, positions = market.buckets(day), market.mean_positions(day)
    regions: dict[str, dict[str, dict[str, object]]] = {}
    for (region, spec), bucket, position in zip(OFFERS, buckets, positions, strict=True):
        if np.isnan(position):
            continue
        systems = regions.setdefault(region.name, {"Linux": {}, "Windows": {}})
        for system, windows in _systems(spec):
            on_demand = spec.on_demand_usd_per_hour(region, windows=windows)
            spot = position * spec.on_demand_usd_per_hour(region) + spec.licence(windows=windows)
            saving = round(100 * (1 - spot / on_demand))
            systems[system][spec.name] = {"s": saving, "r": int(bucket)}
    feed = {
        "global_rate": "<10%",
        "instance_types": {
            spec.name: {"emr": True, "cores": spec.vcpu, "ram_gb": spec.memory_gib}
            for spec in TYPES
        },
        "ranges": [
            {"index": index, "label": label, "dots": index, "max": maximum}
            for index, (label, maximum) in enumerate(_RANGES)
        ],
        "spot_advisor": regions,
    }
    return _document(feed, start_of(day))


def spot_prices(market: Market, at: datetime) -> Document:
    """The public spot price feed: for each region and type, the price of the cheapest zone."""
    newest = market.prices_at(at)
    cheapest: dict[tuple[str, str], float] = {}
    for pool, price in zip(POOLS, newest.usd_per_hour, strict=True):
        key = (pool.region.name, pool.spec.name)
        cheapest[key] = min(float(price), cheapest.get(key, np.inf))
    feed = {
        "vers": 0.01,
        "config": {
            "rate": "perhr",
            "valueColumns": ["linux", "mswin"],
            "currencies": ["USD"],
            "regions": [_spot_region(region, cheapest) for region in REGIONS],
        },
    }
    return _document(feed, datetime.fromtimestamp(int(newest.epoch_s.max()), UTC))


def on_demand(region: Region, at: datetime) -> Document:
    """The on-demand price map of a region (Linux), published on the first of the month."""
    published = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    stamp = f"{published:%Y-%m-%dT%H:%M:%SZ}"
    # the keys contain the location without its parentheses
    location = region.location.replace("(", "").replace(")", "")
    rows = {
        f"{spec.name.replace('.', ' ')} {location} Linux": _on_demand_row(region, spec)
        for spec in TYPES
        if any(is_offered(zone, spec.family.name) for zone in region.zones)
    }
    manifest = {
        "serviceId": "ec2",
        "accessType": "publish",
        "hawkFilePublicationDate": stamp,
        "ETLIngestionTriggerDate": stamp,
        "currencyCode": "USD",
        "source": "ec2-ondemand-without-sec-sel",
    }
    feed = {"manifest": manifest, "regions": {region.location: rows}, "sets": {}}
    return _document(feed, published)


def sku(region: Region, spec: TypeSpec, *, windows: bool = False) -> str:
    """A stock keeping unit: 16 capital letters and digits, derived from the product's name."""
    name = f"{region.name}/{spec.name}/{'Windows' if windows else 'Linux'}"
    return np.base_repr(int(sha256(name.encode()).hexdigest()[:24], 16), 36)[:16].zfill(16)


def _systems(spec: TypeSpec) -> list[tuple[str, bool]]:
    sells_windows = spec.family.windows_usd_per_vcpu is not None
    return [("Linux", False), ("Windows", True)] if sells_windows else [("Linux", False)]


def _spot_region(region: Region, cheapest: Mapping[tuple[str, str], float]) -> dict[str, object]:
    categories: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for spec in TYPES:
        price = cheapest.get((region.name, spec.name))
        if price is not None:
            columns = [("linux", f"{price:.4f}"), ("mswin", _windows_price(spec, price))]
            categories[_SPOT_CATEGORIES[spec.family.category]].append(
                {
                    "size": spec.name,
                    "valueColumns": [
                        {"name": name, "prices": {"USD": usd}} for name, usd in columns
                    ],
                }
            )
    return {
        "region": region.name,
        "footnotes": {"*": "notAvailableForCCorCGPU"},
        "instanceTypes": [{"type": name, "sizes": sizes} for name, sizes in categories.items()],
    }


def _windows_price(spec: TypeSpec, linux_usd_per_hour: float) -> str:
    if spec.family.windows_usd_per_vcpu is None:
        return _NOT_OFFERED
    return f"{linux_usd_per_hour + spec.licence(windows=True):.4f}"


def _on_demand_row(region: Region, spec: TypeSpec) -> dict[str, str]:
    category = spec.family.category
    return {
        "rateCode": f"{sku(region, spec)}.{ON_DEMAND_TERM}.{HOURLY_RATE}",
        "price": f"{spec.on_demand_usd_per_hour(region):.10f}",
        "Location": region.location,
        "Instance Family": category,
        "vCPU": str(spec.vcpu),
        "Instance Type": spec.name,
        "Memory": f"{spec.memory_gib:g} GiB",
        "Storage": "EBS only",
        "Network Performance": "Up to 12500 Megabit",
        "plc:OperatingSystem": "Linux",
        "plc:InstanceFamily": category.title(),
        "Operating System": "Linux",
        "Pre Installed S/W": "NA",
        "License Model": "No License required",
    }


def _document(feed: object, last_modified: datetime) -> Document:
    return Document(json.dumps(feed, separators=(",", ":")).encode(), last_modified)
