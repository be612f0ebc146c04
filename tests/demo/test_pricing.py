"""The Price List API, read with boto3, has the same on-demand prices as the feed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotlab.demo.catalogue import region_named, type_named
from spotlab.demo.server import RunningServer
from tests.support.emulated import client


@pytest.fixture
def price_list(served: RunningServer) -> Any:
    return client(served, "pricing")


def matching(**attributes: str) -> list[dict[str, str]]:
    return [
        {"Type": "TERM_MATCH", "Field": field, "Value": value}
        for field, value in attributes.items()
    ]


def test_one_product_has_the_on_demand_price(price_list: Any) -> None:
    answer = price_list.get_products(
        ServiceCode="AmazonEC2",
        Filters=matching(
            instanceType="r6i.xlarge",
            location="EU (Ireland)",
            operatingSystem="Linux",
            tenancy="Shared",
            preInstalledSw="NA",
            capacitystatus="Used",
        ),
    )
    (product,) = [json.loads(each) for each in answer["PriceList"]]
    (term,) = product["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    expected = type_named("r6i.xlarge").on_demand_usd_per_hour(region_named("eu-west-1"))
    assert dimension["unit"] == "Hrs"
    assert float(dimension["pricePerUnit"]["USD"]) == expected
    assert product["product"]["attributes"]["regionCode"] == "eu-west-1"


def test_products_come_in_pages(price_list: Any) -> None:
    pages = price_list.get_paginator("get_products").paginate(
        ServiceCode="AmazonEC2",
        Filters=matching(regionCode="us-east-1", operatingSystem="Linux"),
        PaginationConfig={"PageSize": 25},
    )
    sizes, types = [], []
    for page in pages:
        sizes.append(len(page["PriceList"]))
        types += [
            json.loads(each)["product"]["attributes"]["instanceType"] for each in page["PriceList"]
        ]
    assert sizes[:-1] == [25] * (len(sizes) - 1)
    assert len(types) == len(set(types)) == 58


def test_another_service_is_refused(price_list: Any) -> None:
    with pytest.raises(ClientError) as refused:
        price_list.get_products(ServiceCode="AmazonRDS")
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
