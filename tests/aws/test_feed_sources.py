"""Contract of all market sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import partial
from pathlib import Path

import httpx
import pytest

from spotlab.aws.catalog import InstanceTypes, Offerings, OnDemandPrices
from spotlab.aws.feeds import AdvisorFeed, FileFeed, OnDemandFeed, SpotPriceFeed
from spotlab.aws.prices import SpotPriceHistory
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName
from spotlab.domain.ports import FeedSource
from spotlab.errors import SpotlabError
from spotlab.store import Store, open_store
from tests.support import feeds
from tests.support.boto import EC2, Answer, Answers, client, ec2_error, price_history, product
from tests.support.feeds import NOW, Clock, encoded
from tests.support.migrated import copy_to

REGION = "eu-west-1"
NUMBERS = {"bucket", "savings_percent", "vcpu", "memory_gb"}
Source = Callable[[Path, bool], FeedSource]


def over_http(make: Callable[[httpx.Client], FeedSource], content: bytes) -> Source:
    def source(_: Path, works: bool) -> FeedSource:
        def answer(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=httpx.ByteStream(content if works else content[:-9]))

        return make(httpx.Client(transport=httpx.MockTransport(answer)))

    return source


def in_file(kind: FeedKind, content: bytes) -> Source:
    def source(folder: Path, works: bool) -> FeedSource:
        path = folder / "2026-03-01.txt"
        path.write_bytes(content if works else b'"')
        return FileFeed(path, kind, clock=Clock())

    return source


def by_api(make: Callable[..., FeedSource], service: str, answer: Answer) -> Source:
    def source(_: Path, works: bool) -> FeedSource:
        api = client(service)
        Answers(api, answer if works else ec2_error("UnauthorizedOperation", status=403))
        return make(api, REGION, MarketName.ACCOUNT, Clock())

    return source


OPENED: list[Store] = []


def read_by_pages(folder: Path, works: bool) -> FeedSource:
    """EC2's price history, whose pages are stored as they come."""
    store = open_store(None, copy_to(folder / "spotlab.db"))
    OPENED.append(store)
    make = partial(SpotPriceHistory, readings=store.price_readings, archive=store.archive)
    return by_api(make, "ec2", HISTORY)(folder, works)


@pytest.fixture(autouse=True)
def _close_stores() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


TYPES = (
    f"<DescribeInstanceTypesResponse {EC2}><instanceTypeSet><item>"
    "<instanceType>m5.large</instanceType><vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo>"
    "<memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo></item></instanceTypeSet>"
    "</DescribeInstanceTypesResponse>"
)
ZONES = (
    f"<DescribeInstanceTypeOfferingsResponse {EC2}><instanceTypeOfferingSet><item>"
    "<instanceType>m5.large</instanceType><location>eu-west-1a</location></item>"
    "</instanceTypeOfferingSet></DescribeInstanceTypeOfferingsResponse>"
)
HISTORY = price_history(
    ("eu-west-1a", "m5.large", "0.05", "2026-03-01T00:00:00Z"),
    ("eu-west-1a", "m5.large", "0.04", "2026-02-28T00:00:00Z"),
)
SPECS_CSV = (
    b"instance_type,arch,vcpu,memory_mib,clock_mhz,ebs_mbps,network_mbps,gpu_count,"
    b"accelerator_count,local_nvme_gb\nm5.large,amd64,2,8192,3100,4750,750,,,\n"
)
PRICES_CSV = b"region,instance_type,usd_per_hour\nus-east-1,m5.large,0.096\n"
URL, PUBLIC = "https://feeds.example/{location}", MarketName.PUBLIC
SOURCES: dict[str, Source] = {
    "advisor feed": over_http(
        lambda http: AdvisorFeed(http, URL, PUBLIC, Clock()), encoded(feeds.advisor())
    ),
    "spot price feed": over_http(
        lambda http: SpotPriceFeed(http, URL, PUBLIC, Clock()), encoded(feeds.spot_prices())
    ),
    "on-demand feed": over_http(
        lambda http: OnDemandFeed(http, URL, REGION, PUBLIC, Clock()), encoded(feeds.on_demand())
    ),
    "advisor file": in_file(FeedKind.ADVISOR, encoded(feeds.advisor())),
    "spot price file": in_file(FeedKind.SPOT_PRICES, encoded(feeds.spot_prices())),
    "on-demand file": in_file(FeedKind.ON_DEMAND, PRICES_CSV),
    "specifications file": in_file(FeedKind.SPECS, SPECS_CSV),
    "spot price history": read_by_pages,
    "instance types": by_api(InstanceTypes, "ec2", (200, TYPES)),
    "offerings": by_api(Offerings, "ec2", (200, ZONES)),
    "on-demand prices": by_api(
        OnDemandPrices, "pricing", (200, encoded({"PriceList": [product("m5.large", "0.1")]}))
    ),
}
sources = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)


@sources
def test_a_fetch_gives_what_the_source_covers(make: Source, tmp_path: Path) -> None:
    source = make(tmp_path, True)
    snapshots = source.fetch({})
    assert tuple((s.kind, s.scope) for s in snapshots) == source.covers
    for snapshot in snapshots:
        assert tuple(snapshot.rows.columns) == FEED_COLUMNS[snapshot.kind]
        assert len(snapshot.rows) > 0
        assert snapshot.origin.source.startswith(source.name.rsplit(maxsplit=1)[0])
        assert re.fullmatch("[0-9a-f]{64}", snapshot.digest)


@sources
def test_times_are_aware_utc_and_never_ahead_of_the_fetch(make: Source, tmp_path: Path) -> None:
    for snapshot in make(tmp_path, True).fetch({}):
        origin = snapshot.origin
        assert origin.event_time.tzinfo is origin.fetched_at.tzinfo is UTC
        assert origin.event_time <= origin.fetched_at == NOW


@sources
def test_one_row_a_key_and_numbers_are_numbers(make: Source, tmp_path: Path) -> None:
    for snapshot in make(tmp_path, True).fetch({}):
        rows = snapshot.rows
        numeric = {name for name in rows if name in NUMBERS or name.endswith("_usd_per_hour")}
        keys = rows[[name for name in rows if name not in numeric]]
        assert not keys.duplicated().any()
        assert all(rows[name].dtype.kind in "if" for name in numeric)


@sources
def test_the_same_answer_has_the_same_digest(make: Source, tmp_path: Path) -> None:
    source = make(tmp_path, True)
    first, second = ([s.digest for s in source.fetch({})] for _ in range(2))
    assert first == second


@sources
def test_a_source_that_fails_says_so_in_our_words(make: Source, tmp_path: Path) -> None:
    source = make(tmp_path, False)
    with pytest.raises(SpotlabError) as failed:
        source.fetch({})
    assert source.name.split()[-1] in str(failed.value)
    assert failed.value.remedy
