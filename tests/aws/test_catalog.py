"""Types, zones and on-demand prices of a region, from EC2 and the Price List API."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from spotlab.aws.catalog import InstanceTypes, Offerings, OnDemandPrices
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName
from spotlab.domain.ports import FeedSource
from spotlab.errors import AccessDenied, AwsError, FeedRefused, NoMarketData, QuotaRefused
from tests.support.boto import client, product
from tests.support.feeds import NOW, Clock

M5: dict[str, Any] = {
    "InstanceType": "m5d.large",
    "VCpuInfo": {"DefaultVCpus": 2},
    "MemoryInfo": {"SizeInMiB": 8192},
    "ProcessorInfo": {"SupportedArchitectures": ["x86_64"], "SustainedClockSpeedInGhz": 3.1},
    "NetworkInfo": {
        "NetworkPerformance": "Up to 10 Gigabit",
        "NetworkCards": [{"NetworkCardIndex": 0, "BaselineBandwidthInGbps": 0.75}],
    },
    "EbsInfo": {
        "EbsOptimizedInfo": {"BaselineBandwidthInMbps": 650, "MaximumBandwidthInMbps": 4750}
    },
    "InstanceStorageInfo": {"TotalSizeInGB": 75, "NvmeSupport": "required"},
}


@contextmanager
def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    made = client(service)
    with Stubber(made) as stubber:
        yield made, stubber
        stubber.assert_no_pending_responses()


def specs_of(*infos: dict[str, Any]) -> list[dict[str, Any]]:
    with stubbed("ec2") as (ec2, stubber):
        stubber.add_response("describe_instance_types", {"InstanceTypes": list(infos)}, {})
        source: FeedSource = InstanceTypes(ec2, "us-east-1", MarketName.ACCOUNT, Clock())
        (snapshot,) = source.fetch({})
    assert ((snapshot.kind, snapshot.scope),) == source.covers
    assert tuple(snapshot.rows.columns) == FEED_COLUMNS[FeedKind.SPECS]
    return snapshot.rows.to_dict("records")


def test_specifications_of_a_type() -> None:
    (spec,) = specs_of(M5)
    assert math.isnan(spec.pop("gpu_memory_gb")), "it has no GPU"
    assert spec == {
        "instance_type": "m5d.large",
        "vcpu": 2.0,
        "memory_gb": 8.0,
        "architecture": "x86_64",
        "gpu_count": 0.0,
        "accelerator_count": 0.0,
        "network_mbps": 750.0,
        "ebs_mbps": 4750.0,
        "clock_mhz": 3100.0,
        "local_nvme_gb": 75.0,
        "gpu_model": None,
        "accelerator_model": None,
        "cpu_maker": None,
    }


def test_the_gpu_the_accelerator_and_the_cpu_maker_of_a_type() -> None:
    (gpu,) = specs_of(
        M5
        | {
            "GpuInfo": {
                "Gpus": [{"Count": 4, "Name": "A10G", "MemoryInfo": {"SizeInMiB": 22_888}}]
            },
            "ProcessorInfo": {"Manufacturer": "AMD", "SupportedArchitectures": ["x86_64"]},
        }
    )
    assert (gpu["gpu_model"], gpu["gpu_count"], gpu["cpu_maker"]) == ("a10g", 4.0, "amd")
    assert gpu["gpu_memory_gb"] == pytest.approx(22.352, abs=1e-3)
    (chip,) = specs_of(
        M5 | {"NeuronInfo": {"NeuronDevices": [{"Count": 1, "Name": "Inferentia2"}]}}
    )
    assert (chip["accelerator_model"], chip["accelerator_count"]) == ("inferentia2", 1.0)


def test_what_ec2_does_not_say_is_unknown_not_zero() -> None:
    (spec,) = specs_of(
        {
            "InstanceType": "x9.large",
            "VCpuInfo": {"DefaultVCpus": 2},
            "MemoryInfo": {"SizeInMiB": 1},
        }
    )
    assert all(math.isnan(spec[name]) for name in ("network_mbps", "ebs_mbps", "clock_mhz"))
    assert spec["architecture"] is None or spec["architecture"] != spec["architecture"]


@pytest.mark.parametrize(
    ("words", "mbps"),
    [
        ("Up to 12.5 Gigabit", 12_500.0),
        ("25 Gigabit", 25_000.0),
        ("4x 100 Gigabit", 400_000.0),
        ("Up to 500 Megabit", 500.0),
    ],
)
def test_network_speed_is_read_from_words_where_there_is_no_number(words: str, mbps: float) -> None:
    (spec,) = specs_of(M5 | {"NetworkInfo": {"NetworkPerformance": words}})
    assert spec["network_mbps"] == mbps


@pytest.mark.parametrize("words", ["Low", "Moderate", "Very Low", "High"])
def test_network_speed_in_vague_words_is_unknown(words: str) -> None:
    (spec,) = specs_of(M5 | {"NetworkInfo": {"NetworkPerformance": words}})
    assert math.isnan(spec["network_mbps"])


def test_accelerators_are_counted() -> None:
    gpu = M5 | {"InstanceType": "p4d.24xlarge", "GpuInfo": {"Gpus": [{"Count": 8}]}}
    neuron = M5 | {
        "InstanceType": "inf2.24xlarge",
        "InferenceAcceleratorInfo": {"Accelerators": [{"Count": 6}]},
        "NeuronInfo": {"NeuronDevices": [{"Count": 6}]},
    }
    inf2, p4d = specs_of(gpu, neuron)
    assert (p4d["gpu_count"], p4d["accelerator_count"]) == (8.0, 0.0)
    assert (inf2["gpu_count"], inf2["accelerator_count"]) == (0.0, 6.0)


@pytest.mark.parametrize(
    ("supported", "architecture"),
    [(["i386", "x86_64"], "x86_64"), (["arm64"], "arm64"), (["arm64_mac"], "arm64")],
)
def test_architecture_among_several(supported: list[str], architecture: str) -> None:
    (spec,) = specs_of(M5 | {"ProcessorInfo": {"SupportedArchitectures": supported}})
    assert spec["architecture"] == architecture


def test_a_disk_that_is_no_nvme_is_not_counted() -> None:
    (spec,) = specs_of(
        M5 | {"InstanceStorageInfo": {"TotalSizeInGB": 840, "NvmeSupport": "unsupported"}}
    )
    assert spec["local_nvme_gb"] == 0.0


def test_a_type_without_memory_refuses_the_answer() -> None:
    with pytest.raises(FeedRefused, match=r"m5d\.large has 2 vCPU and 0 MiB"):
        specs_of(M5 | {"MemoryInfo": {}})


def test_types_come_on_pages_sorted_once_each() -> None:
    with stubbed("ec2") as (ec2, stubber):
        second = M5 | {"InstanceType": "c5.large"}
        stubber.add_response(
            "describe_instance_types", {"InstanceTypes": [M5], "NextToken": "x"}, {}
        )
        stubber.add_response(
            "describe_instance_types", {"InstanceTypes": [M5, second]}, {"NextToken": "x"}
        )
        (snapshot,) = InstanceTypes(ec2, "us-east-1", MarketName.ACCOUNT, Clock()).fetch({})
    assert list(snapshot.rows["instance_type"]) == ["c5.large", "m5d.large"]


def test_offerings_by_zone() -> None:
    with stubbed("ec2") as (ec2, stubber):
        zones = [("us-east-1b", "m5.large"), ("us-east-1a", "m5.large"), ("us-east-1a", "m5.large")]
        stubber.add_response(
            "describe_instance_type_offerings",
            {"InstanceTypeOfferings": [{"Location": z, "InstanceType": t} for z, t in zones]},
            {"LocationType": "availability-zone"},
        )
        source: FeedSource = Offerings(ec2, "us-east-1", MarketName.SIMULATED, Clock())
        (snapshot,) = source.fetch({})
    assert source.name == "Simulated instance type offerings of us-east-1"
    assert snapshot.rows.to_numpy().tolist() == [
        ["us-east-1", "us-east-1a", "m5.large"],
        ["us-east-1", "us-east-1b", "m5.large"],
    ]


def test_no_offerings_are_no_market_data() -> None:
    with stubbed("ec2") as (ec2, stubber):
        stubber.add_response("describe_instance_type_offerings", {"InstanceTypeOfferings": []})
        with pytest.raises(NoMarketData, match="instance type offerings of us-east-1"):
            Offerings(ec2, "us-east-1", MarketName.ACCOUNT, Clock()).fetch({})


def prices_of(*pages: list[str]) -> Any:
    with stubbed("pricing") as (pricing, stubber):
        for index, page in enumerate(pages):
            following = {} if page is pages[-1] else {"NextToken": str(index)}
            stubber.add_response(
                "get_products",
                {"PriceList": page} | following,
                {"ServiceCode": "AmazonEC2", "Filters": ANY}
                | ({"NextToken": str(index - 1)} if index else {}),
            )
        source: FeedSource = OnDemandPrices(pricing, "eu-west-1", MarketName.ACCOUNT, Clock())
        (snapshot,) = source.fetch({})
    assert ((snapshot.kind, snapshot.scope),) == source.covers
    return snapshot


def test_on_demand_prices_of_every_page() -> None:
    snapshot = prices_of([product("m5.large", "0.1070000000")], [product("c5.large", "0.0960")])
    assert snapshot.rows.to_numpy().tolist() == [
        ["eu-west-1", "Linux", "c5.large", 0.096],
        ["eu-west-1", "Linux", "m5.large", 0.107],
    ]
    assert snapshot.origin.event_time == datetime(2026, 2, 27, 17, 45, 21, tzinfo=UTC)
    assert snapshot.origin.fetched_at == NOW


def test_on_demand_asks_for_plain_linux_on_shared_hardware() -> None:
    with stubbed("pricing") as (pricing, stubber):
        asked: dict[str, Any] = {}
        pricing.meta.events.register(
            "provide-client-params.pricing.GetProducts", lambda params, **_: asked.update(params)
        )
        stubber.add_response("get_products", {"PriceList": [product("m5.large", "0.1")]})
        OnDemandPrices(pricing, "eu-west-1", MarketName.ACCOUNT, Clock()).fetch({})
    wanted = {wish["Field"]: wish["Value"] for wish in asked["Filters"]}
    assert wanted == {
        "regionCode": "eu-west-1",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "operation": "RunInstances",
    }


def test_on_demand_leaves_out_free_hours_and_other_units() -> None:
    listings = [
        product("m5.large", "0.107"),
        product("m5.large", "0.0000000000"),
        product("c5.large", "0.5", unit="Quantity"),
    ]
    assert len(prices_of(listings).rows) == 1


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        (product("m5.large", "-1"), r"m5\.large has price '-1'"),
        (product("m5.large", "NaN"), r"m5\.large has price 'NaN'"),
        (product("m5.large", "", pricePerUnit={"CNY": "1"}), "has price 'no USD'"),
        (product("m5.large", "0.107")[:-30], "a product cannot be read"),
        (product("m5.large", "1").replace("instanceType", "type"), "a product cannot be read"),
        ('{"product": 1}', "a product cannot be read"),
        (product("large", "1"), "'large' is not an instance type"),
    ],
)
def test_what_is_no_price_refuses_the_list(listing: str, words: str) -> None:
    with pytest.raises(FeedRefused, match=words):
        prices_of([product("c5.large", "0.1"), listing])


def test_two_prices_for_a_type_are_refused() -> None:
    with pytest.raises(FeedRefused, match=r"m5\.large has two prices"):
        prices_of([product("m5.large", "0.1"), product("m5.large", "0.2")])


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDeniedException", AccessDenied), ("LimitExceeded", QuotaRefused)]
)
def test_a_refusal_is_said_with_the_source(code: str, kind: type[AwsError]) -> None:
    with stubbed("pricing") as (pricing, stubber):
        stubber.add_client_error("get_products", code, "no", 400)
        with pytest.raises(kind, match="on-demand price list of eu-west-1"):
            OnDemandPrices(pricing, "eu-west-1", MarketName.ACCOUNT, Clock()).fetch({})


def test_a_price_list_without_a_date_is_as_old_as_the_fetch() -> None:
    snapshot = prices_of([product("m5.large", "0.1").replace("publicationDate", "printed")])
    assert snapshot.origin.event_time == NOW
