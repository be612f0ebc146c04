"""Small feeds in AWS's formats, with invented numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from spotlab.domain.market import Provenance

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORIGIN = Provenance("AWS test feed", NOW, NOW)


class Clock:
    """A clock that tests set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def advisor(**rates: Any) -> dict[str, Any]:
    """Two regions, two types; `rates` replaces m5.large's in us-east-1, Linux."""
    rate = {"r": 1, "s": 70}
    return {
        "global_rate": "<10%",
        "ranges": [{"index": 0, "label": "<5%", "dots": 0, "max": 5}],
        "instance_types": {
            "m5.large": {"cores": 2, "ram_gb": 8.0, "emr": True},
            "g5g.xlarge": {"cores": 4, "ram_gb": 8, "emr": False},
        },
        "spot_advisor": {
            "us-east-1": {
                "Linux": {"m5.large": rate | rates, "g5g.xlarge": {"r": 4, "s": 55}},
                "Windows": {"m5.large": {"r": 2, "s": 40}},
            },
            "eu-west-1": {"Linux": {"m5.large": {"r": 0, "s": 62}}},
        },
    }


def spot_prices(usd: Any = "0.0351") -> dict[str, Any]:
    """One region and one local zone; `usd` is m5.large's price for Linux in us-east-1."""
    return {
        "vers": 0.01,
        "config": {
            "rate": "perhr",
            "currencies": ["USD"],
            "regions": [
                _spot_region(
                    "us-east-1", {"m5.large": (usd, "0.1"), "t4g.nano": ("6.0E-4", "N/A*")}
                ),
                _spot_region("us-west-2-lax-1", {"m5.large": ("0.05", "N/A*")}),
            ],
        },
    }


def _spot_region(region: str, sizes: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {
        "region": region,
        "footnotes": {"*": "notAvailableForCCorCGPU"},
        "instanceTypes": [
            {"type": "generalCurrentGen", "sizes": [_size(*s) for s in sizes.items()]}
        ],
    }


def _size(name: str, prices: tuple[Any, Any]) -> dict[str, Any]:
    linux, windows = prices
    return {
        "size": name,
        "valueColumns": [
            {"name": "linux", "prices": {"USD": linux}},
            {"name": "mswin", "prices": {"USD": windows}},
        ],
    }


def on_demand(location: str = "EU (Ireland)", price: Any = "0.1070000000") -> dict[str, Any]:
    """One location, three offers; `price` is m5.large's."""
    return {
        "manifest": {
            "serviceId": "ec2",
            "hawkFilePublicationDate": "2026-02-27T17:45:21Z",
            "currencyCode": "USD",
        },
        "sets": {},
        "regions": {
            location: {
                "m5 large": _offer("m5.large", price),
                "t4g nano": _offer("t4g.nano", "0.0046000000"),
                "m1 old": _offer("m1.large", "0.0000000000"),
            }
        },
    }


def _offer(instance_type: str, price: Any) -> dict[str, Any]:
    return {
        "rateCode": "A.B.C",
        "price": price,
        "Instance Type": instance_type,
        "vCPU": "2",
        "Memory": "8 GiB",
        "Operating System": "Linux",
    }


def encoded(document: Any) -> bytes:
    """The document as JSON; NaN and Infinity as Python writes them."""
    return json.dumps(document).encode()
