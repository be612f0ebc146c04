"""Prices of zones come from what was recorded there, weighed by how long each held."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.errors import InvalidInput
from spotlab.sweeps.results.held_out import PRICES, zone_prices

HEADER = "availability_zone,instance_type,product_description,timestamp,usd_per_hour"
LINES = (
    "us-east-1a,p3.2xlarge,Linux/UNIX,2020-01-01T00:00:00.000Z,1.0",
    "us-east-1a,p3.2xlarge,Linux/UNIX,2020-01-04T00:00:00.000Z,2.0",
    "us-east-1b,p3.2xlarge,Linux/UNIX,2020-01-01T00:00:00.000Z,3.0",
    "us-east-1a,p3.8xlarge,Linux/UNIX,2020-01-01T00:00:00.000Z,9.0",
    "us-west-2a,p3.2xlarge,Linux/UNIX,2020-01-05T00:00:00.000Z,0.9",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = (tmp_path / PRICES).with_suffix("")
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([HEADER, *LINES]) + "\n")
    path.rename(tmp_path / PRICES)
    return tmp_path


def test_a_price_weighs_by_how_long_it_held(folder: Path) -> None:
    names = ["us-east-1a_v100_1", "us-east-1b_v100_1", "us-west-2a_v100_1"]
    assert zone_prices(folder, names) == pytest.approx([(3 * 1.0 + 1 * 2.0) / 4, 3.0, 0.9])


def test_a_zone_without_a_record_takes_its_regions_mean(folder: Path) -> None:
    assert zone_prices(folder, ["us-east-1f_v100_1"]) == pytest.approx([(1.25 + 3.0) / 2])


def test_a_region_without_a_record_is_named(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="eu-west-1a"):
        zone_prices(folder, ["eu-west-1a_v100_1"])
