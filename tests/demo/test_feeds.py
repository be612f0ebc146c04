"""The feeds are in AWS's formats, support conditional requests, and are consistent."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from spotlab.demo.catalogue import OFFERS, POOLS, REGIONS
from spotlab.demo.server import RunningServer
from tests.demo.conftest import AT
from tests.support.emulated import client

FEEDS = [
    "/feeds/advisor.json",
    "/feeds/spot.json",
    f"/feeds/on-demand/{quote('US East (N. Virginia)')}/Linux/index.json",
]


def fetch(served: RunningServer, path: str, **headers: str) -> httpx.Response:
    return httpx.get(served.endpoint_url + path, headers=headers, trust_env=False)


def shape(value: Any) -> Any:
    """Keys and types of a document; of a list and of a table of equal rows, those of one row."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def recorded(folder: Path) -> Any:
    with gzip.open(max(folder.glob("*.json.gz"))) as file:
        return json.load(file)


@pytest.mark.shared_data
def test_the_advisor_feed_has_the_recorded_shape(served: RunningServer, shared_data: Path) -> None:
    ours, real = fetch(served, FEEDS[0]).json(), recorded(shared_data / "advisor")
    assert set(ours) == set(real)
    assert ours["ranges"] == real["ranges"]
    assert shape(ours["instance_types"]["c6i.xlarge"]) == shape(
        real["instance_types"]["c6i.xlarge"]
    )
    ours_region, real_region = (each["spot_advisor"]["us-east-1"] for each in (ours, real))
    assert set(ours_region) == set(real_region) == {"Linux", "Windows"}
    assert shape(ours_region["Linux"]["m5.xlarge"]) == shape(real_region["Linux"]["m5.xlarge"])


@pytest.mark.shared_data
def test_the_spot_price_feed_has_the_recorded_shape(
    served: RunningServer, shared_data: Path
) -> None:
    ours, real = fetch(served, FEEDS[1]).json(), recorded(shared_data / "spot-prices")
    assert shape(ours) == shape(real)
    kinds = {
        each["type"] for region in real["config"]["regions"] for each in region["instanceTypes"]
    }
    for region in ours["config"]["regions"]:
        assert {each["type"] for each in region["instanceTypes"]} <= kinds


def test_advisor_rows_cover_the_offers_and_stay_in_range(served: RunningServer) -> None:
    advisor = fetch(served, FEEDS[0]).json()["spot_advisor"]
    for region, spec in OFFERS:
        row = advisor[region.name]["Linux"][spec.name]
        assert 0 <= row["r"] <= 4
        assert 0 <= row["s"] <= 90
        windows = advisor[region.name]["Windows"].get(spec.name)
        assert (windows is None) == (spec.family.windows_usd_per_vcpu is None)
        assert windows is None or windows["s"] <= row["s"]


def test_the_spot_price_feed_shows_the_cheapest_zone_of_the_price_history(
    served: RunningServer,
) -> None:
    feed = fetch(served, FEEDS[1]).json()
    (region,) = [each for each in feed["config"]["regions"] if each["region"] == "eu-west-1"]
    shown = {
        size["size"]: size["valueColumns"][0]["prices"]["USD"]
        for kind in region["instanceTypes"]
        for size in kind["sizes"]
    }
    account = served.world.accounts[0]
    history = client(served, "ec2", "eu-west-1", account).describe_spot_price_history(
        StartTime=AT, ProductDescriptions=["Linux/UNIX"]
    )["SpotPriceHistory"]
    cheapest: dict[str, float] = {}
    for row in history:
        price = float(row["SpotPrice"])
        cheapest[row["InstanceType"]] = min(price, cheapest.get(row["InstanceType"], price))
    assert {name: float(price) for name, price in shown.items()} == cheapest


def test_windows_is_not_sold_on_graviton(served: RunningServer) -> None:
    regions = fetch(served, FEEDS[1]).json()["config"]["regions"]
    columns = {
        size["size"]: {each["name"]: each["prices"]["USD"] for each in size["valueColumns"]}
        for kind in regions[0]["instanceTypes"]
        for size in kind["sizes"]
    }
    assert columns["m6g.xlarge"]["mswin"] == "N/A*"
    m5 = columns["m5.xlarge"]
    assert float(m5["mswin"]) - float(m5["linux"]) == pytest.approx(4 * 0.046)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_on_demand_prices_are_in_the_format_of_the_pricing_page(
    served: RunningServer, region
) -> None:  # type: ignore[no-untyped-def]
    path = f"/feeds/on-demand/{quote(region.location)}/Linux/index.json"
    feed = fetch(served, path).json()
    assert feed["manifest"]["currencyCode"] == "USD"
    assert feed["manifest"]["hawkFilePublicationDate"] == "2026-11-01T00:00:00Z"
    rows = {row["Instance Type"]: row for row in feed["regions"][region.location].values()}
    sold = {pool.spec.name for pool in POOLS if pool.region == region}
    assert set(rows) == sold
    m5 = rows["m5.xlarge"]
    assert (m5["vCPU"], m5["Memory"], m5["Operating System"]) == ("4", "16 GiB", "Linux")
    assert float(m5["price"]) == pytest.approx(0.192 * region.mark_up, abs=1e-4)


@pytest.mark.parametrize("path", FEEDS)
def test_an_unchanged_feed_is_not_sent_again(served: RunningServer, path: str) -> None:
    first = fetch(served, path)
    assert first.status_code == 200
    by_etag = fetch(served, path, **{"If-None-Match": first.headers["ETag"]})
    by_date = fetch(served, path, **{"If-Modified-Since": first.headers["Last-Modified"]})
    assert (by_etag.status_code, by_etag.content) == (304, b"")
    assert (by_date.status_code, by_date.content) == (304, b"")
    stale = fetch(served, path, **{"If-None-Match": '"another"'})
    assert stale.status_code == 200


def test_an_unknown_location_is_not_found(served: RunningServer) -> None:
    answer = fetch(served, "/feeds/on-demand/Atlantis/Linux/index.json")
    assert answer.status_code == 404
    assert "Atlantis" in answer.text


def test_the_advisor_is_published_daily_and_prices_more_often() -> None:
    from spotlab.demo import feeds
    from spotlab.demo.market import Market

    market, morning = Market(7), AT.replace(hour=1)
    evening, tomorrow = AT.replace(hour=23), AT + timedelta(days=1)
    assert feeds.advisor(market, morning).etag == feeds.advisor(market, evening).etag
    assert feeds.advisor(market, evening).etag != feeds.advisor(market, tomorrow).etag
    assert feeds.spot_prices(market, morning).etag != feeds.spot_prices(market, evening).etag
