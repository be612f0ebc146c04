"""The catalogue's rules result in the specifications and prices that AWS publishes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from spotlab.demo.catalogue import FAMILIES, OFFERS, REGIONS, TYPES, is_offered, type_named
from spotlab.domain.instance_types import parse_type


def test_there_is_a_market_to_choose_from() -> None:
    assert 40 <= len(TYPES) <= 60
    assert len(FAMILIES) >= 12
    assert {parse_type(spec.name).architecture.value for spec in TYPES} == {"x86_64", "arm64"}
    assert any(spec.gpus for spec in TYPES)
    assert {region.name for region in REGIONS} == {"us-east-1", "us-west-2", "eu-west-1"}


@pytest.mark.parametrize("spec", TYPES, ids=lambda spec: spec.name)
def test_specifications_are_those_of_ec2(spec) -> None:  # type: ignore[no-untyped-def]
    published = INSTANCE_TYPES[spec.name]
    gpus = published.get("GpuInfo", {}).get("Gpus", [])
    assert spec.vcpu == published["VCpuInfo"]["DefaultVCpus"]
    assert spec.memory_gib * 1024 == published["MemoryInfo"]["SizeInMiB"]
    assert spec.gpus == sum(gpu["Count"] for gpu in gpus)
    architectures = published["ProcessorInfo"]["SupportedArchitectures"]
    assert parse_type(spec.name).architecture.value in architectures


def test_every_type_is_offered_somewhere_in_every_region() -> None:
    for region, spec in OFFERS:
        assert any(is_offered(zone, spec.family.name) for zone in region.zones), (region, spec.name)


@pytest.mark.shared_data
def test_on_demand_prices_are_the_published_ones(shared_data: Path) -> None:
    newest = max((shared_data / "on-demand").glob("*.csv"))
    with newest.open() as rows:
        published = {
            row["instance_type"]: float(row["usd_per_hour"]) for row in csv.DictReader(rows)
        }
    for spec in TYPES:
        price = type_named(spec.name).on_demand_usd_per_hour(REGIONS[0])
        assert price == pytest.approx(published[spec.name], rel=0.005), spec.name
