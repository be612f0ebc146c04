"""GetProducts of AWS's Price List API, with the simulated on-demand prices.

moto does not implement it. Only on-demand prices of AmazonEC2 are emulated.
Source: AWS Price List API reference, GetProducts (JSON 1.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spotlab.demo.catalogue import OFFERS, Region, TypeSpec
from spotlab.demo.feeds import HOURLY_RATE, ON_DEMAND_TERM, sku

TARGET: Final = "AWSPriceListService.GetProducts"
_MAX_RESULTS: Final = 100


class ApiError(Exception):
    """An error response of the API, with its code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def get_products(request: Mapping[str, Any]) -> dict[str, Any]:
    """The response to GetProducts.

    Args:
        request: the JSON body: ServiceCode, Filters, MaxResults, NextToken.
    Raises:
        ApiError: a service other than AmazonEC2, an unknown type of filter, or an invalid token.
    """
    if request.get("ServiceCode") != "AmazonEC2":
        raise ApiError("InvalidParameterException", "Only AmazonEC2 is emulated.")
    filters = _filter_values(request.get("Filters") or [])
    products = [
        product
        for product in _products()
        if filters.items() <= product["product"]["attributes"].items()
    ]
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise ApiError("InvalidNextTokenException", "The pagination token is invalid.")
    start = int(token)
    end = start + min(int(request.get("MaxResults") or _MAX_RESULTS), _MAX_RESULTS)
    response: dict[str, Any] = {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(product) for product in products[start:end]],
    }
    return response | ({"NextToken": str(end)} if end < len(products) else {})


def _filter_values(filters: list[Mapping[str, str]]) -> dict[str, str]:
    if any(each.get("Type") != "TERM_MATCH" for each in filters):
        raise ApiError("InvalidParameterException", "Only filters of type TERM_MATCH are emulated.")
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
