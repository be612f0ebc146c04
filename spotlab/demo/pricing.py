"""AWS's Price List API, GetProducts, for the simulated on-demand prices.

moto has no such service; only what GetProducts says of AmazonEC2 on-demand prices is here.
Source: AWS Price List API reference, GetProducts (JSON 1.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spotlab.demo.catalogue import OFFERS, Region, TypeSpec
from spotlab.demo.feeds import HOURLY_RATE, ON_DEMAND_TERM, sku

TARGET: Final = "AWSPriceListService.GetProducts"
_MOST_RESULTS: Final = 100


class Refused(Exception):
    """What the API answers instead: an error code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def get_products(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to GetProducts.

    Args:
        request: the JSON body: ServiceCode, Filters, MaxResults, NextToken.
    Raises:
        Refused: another service than AmazonEC2, an unknown kind of filter, or a bad token.
    """
    if request.get("ServiceCode") != "AmazonEC2":
        raise Refused("InvalidParameterException", "Only AmazonEC2 is emulated.")
    wanted = _wanted(request.get("Filters") or [])
    found = [
        product
        for product in _products()
        if all(product["product"]["attributes"].get(key) == wanted[key] for key in wanted)
    ]
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise Refused("InvalidNextTokenException", "The pagination token is invalid.")
    start = int(token)
    end = start + min(int(request.get("MaxResults") or _MOST_RESULTS), _MOST_RESULTS)
    answer: dict[str, Any] = {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(product) for product in found[start:end]],
    }
    return answer | ({"NextToken": str(end)} if end < len(found) else {})


def _wanted(filters: list[Mapping[str, str]]) -> dict[str, str]:
    if any(each.get("Type") != "TERM_MATCH" for each in filters):
        raise Refused("InvalidParameterException", "Only filters of type TERM_MATCH are emulated.")
    return {each["Field"]: each["Value"] for each in filters}


def _products() -> Iterator[dict[str, Any]]:
    for region, spec in OFFERS:
        yield _product(region, spec, windows=False)
        if spec.family.windows_usd_per_vcpu is not None:
            yield _product(region, spec, windows=True)


def _product(region: Region, spec: TypeSpec, *, windows: bool) -> dict[str, Any]:
    code = sku(region, spec, windows=windows)
    term = f"{code}.{ON_DEMAND_TERM}"
    price = spec.on_demand_usd_per_hour(region, windows=windows)
    dimension = {
        "unit": "Hrs",
        "rateCode": f"{term}.{HOURLY_RATE}",
        "beginRange": "0",
        "endRange": "Inf",
        "pricePerUnit": {"USD": f"{price:.10f}"},
    }
    return {
        "product": {
            "productFamily": "Compute Instance",
            "sku": code,
            "attributes": {
                "servicecode": "AmazonEC2",
                "instanceType": spec.name,
                "instanceFamily": spec.family.category,
                "vcpu": str(spec.vcpu),
                "memory": f"{spec.memory_gib:g} GiB",
                "location": region.location,
                "locationType": "AWS Region",
                "regionCode": region.name,
                "operatingSystem": "Windows" if windows else "Linux",
                "tenancy": "Shared",
                "preInstalledSw": "NA",
                "capacitystatus": "Used",
                "licenseModel": "No License required",
                "operation": "RunInstances:0002" if windows else "RunInstances",
                "marketoption": "OnDemand",
            },
        },
        "serviceCode": "AmazonEC2",
        "terms": {
            "OnDemand": {
                term: {
                    "offerTermCode": ON_DEMAND_TERM,
                    "sku": code,
                    "priceDimensions": {f"{term}.{HOURLY_RATE}": dimension},
                    "termAttributes": {},
                }
            }
        },
    }
