"""AWS's public feeds become snapshots, or are rejected with the place of the error."""

from __future__ import annotations

import gzip
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spotlab.aws.feeds import parse_advisor, parse_on_demand, parse_spot_prices
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Snapshot
from spotlab.errors import FeedRefused, NotAvailable
from tests.support import feeds
from tests.support.feeds import ORIGIN, encoded

RECORDED = MarketName.RECORDED


def advisor_of(content: bytes, **options: Any) -> tuple[Snapshot, Snapshot]:
    return parse_advisor(content, ORIGIN, RECORDED, **options)


def prices_of(content: bytes, **options: Any) -> Snapshot:
    return parse_spot_prices(content, ORIGIN, RECORDED, **options)


def on_demand_of(content: bytes, region: str = "eu-west-1") -> Snapshot:
    return parse_on_demand(content, ORIGIN, RECORDED, region)


def test_advisor_gives_buckets_of_both_systems_and_specifications() -> None:
    buckets, specs = advisor_of(encoded(feeds.advisor()))
    assert (buckets.kind, buckets.scope, specs.kind, specs.scope) == (
        FeedKind.ADVISOR,
        "",
        FeedKind.SPECS,
        "advisor",
    )
    assert list(buckets.rows.itertuples(index=False, name=None)) == [
        ("us-east-1", "Linux", "m5.large", 1, 70.0),
        ("us-east-1", "Linux", "g5g.xlarge", 4, 55.0),
        ("us-east-1", "Windows", "m5.large", 2, 40.0),
        ("eu-west-1", "Linux", "m5.large", 0, 62.0),
    ]
    assert tuple(specs.rows.columns) == FEED_COLUMNS[FeedKind.SPECS]
    by_type = specs.rows.set_index("instance_type")
    assert by_type.loc["m5.large", ["vcpu", "memory_gb", "gpu_count"]].tolist() == [2.0, 8.0, 0.0]
    assert by_type.loc["g5g.xlarge", "architecture"] == "arm64"
    assert math.isnan(by_type.loc["g5g.xlarge", "gpu_count"]), (
        "it has one, the feed says not how many"
    )
    assert by_type["network_mbps"].isna().all()


def test_gzip_is_recognised_and_does_not_change_the_digest() -> None:
    plain = encoded(feeds.advisor())
    assert advisor_of(gzip.compress(plain))[0].digest == advisor_of(plain)[0].digest


def test_specifications_count_as_unchanged_when_only_rates_change() -> None:
    before, after = (advisor_of(encoded(feeds.advisor(r=r))) for r in (1, 2))
    assert before[0].digest != after[0].digest
    assert before[1].digest == after[1].digest


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ({"r": 5}, "us-east-1 > Linux > m5.large has bucket 5"),
        ({"r": -1}, "us-east-1 > Linux > m5.large has bucket -1"),
        ({"s": 101}, "us-east-1 > Linux > m5.large has savings of 101 %"),
        ({"s": -101}, "us-east-1 > Linux > m5.large has savings of -101 %"),
        ({"r": "1"}, "spot_advisor > us-east-1 > Linux > m5.large > r"),
        ({"r": True}, "spot_advisor > us-east-1 > Linux > m5.large > r"),
        ({"s": None}, "spot_advisor > us-east-1 > Linux > m5.large > s"),
        ({"s": math.nan}, "us-east-1 > Linux > m5.large has savings of nan %"),
        ({"s": math.inf}, "us-east-1 > Linux > m5.large has savings of inf %"),
        ({"r": math.nan}, "spot_advisor > us-east-1 > Linux > m5.large > r"),
    ],
)
def test_advisor_names_the_rate_that_is_wrong(rate: dict[str, Any], words: str) -> None:
    with pytest.raises(FeedRefused) as refused:
        advisor_of(encoded(feeds.advisor(**rate)))
    assert words in refused.value.message
    assert "AWS test feed" in refused.value.message
    assert refused.value.remedy.startswith("Expected ")


def test_advisor_keeps_a_negative_saving_as_published() -> None:
    buckets, _ = advisor_of(encoded(feeds.advisor(s=-62)))
    assert buckets.rows["savings_percent"].min() == -62.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<html><body>Sign in</body></html>", "not JSON"),
        (encoded(feeds.advisor())[:-40], "truncated"),
        (b"[1, 2]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `spot_advisor`"),
        (b'{"spot_advisor": {}, "instance_types": {}}', "no rows"),
        (b'{"spot_advisor": ' + b"[" * 100_000, "not readable JSON"),
        (b'{"spot_advisor": ' + b"9" * 5000 + b"}", "not readable JSON"),
        (b'{"spot_advisor": {"\\ud800": {}}, "instance_types": {}}', "not readable JSON"),
        (b"[" + b"[]," * 1_000_001 + b"0]", "too many values"),
        (b'{"spot_advisor": {"\x1b[31m' + b"x" * 5000 + b'": 1}}', "not JSON|not readable JSON"),
        (b'{"spot_advisor": {"' + b"x" * 9000 + b'": 1}, "instance_types": {}}', "xxx…"),
        (encoded(feeds.advisor(s=10**400)), "m5.large > s"),
        (b'{"spot_advisor": {"us-east-1\xff": {}}, "instance_types": {}}', "not readable JSON"),
        (gzip.compress(encoded(feeds.advisor()))[:-20], "gzip data is truncated"),
        (
            gzip.compress(encoded(feeds.advisor()), mtime=0)[:5] + b"garbage" * 9,
            "gzip data is corrupt",
        ),
    ],
)
def test_what_is_no_advisor_feed_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(FeedRefused, match=words):
        advisor_of(content)


def test_a_key_that_stands_twice_among_many_is_found_at_once() -> None:
    many = b",".join(b'"k%d": 1' % number for number in range(300_000))

    with pytest.raises(FeedRefused, match="'spot_advisor' appears twice"):
        advisor_of(b'{"spot_advisor": {}, ' + many + b', "spot_advisor": {}}')


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    with pytest.raises(FeedRefused, match="over 1 MB"):
        advisor_of(bomb, max_bytes=1_000_000)


def test_a_key_that_stands_twice_is_refused() -> None:
    twice = encoded(feeds.advisor()).replace(b'"g5g.xlarge": {"r"', b'"m5.large": {"r"')
    with pytest.raises(FeedRefused, match=r"'m5\.large' appears twice"):
        advisor_of(twice)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b'"eu-west-1"', b'"Ireland"', "'Ireland' is not a region"),
        (b'"g5g.xlarge"', b'"xlarge"', "'xlarge' is not an instance type"),
        (b'"cores": 2', b'"cores": 0', "m5.large has 0 cores"),
        (b'"cores": 2', b'"cores": "2"', "instance_types > m5.large > cores"),
    ],
)
def test_names_and_sizes_that_cannot_be_are_refused(
    before: bytes, after: bytes, words: str
) -> None:
    with pytest.raises(FeedRefused, match=words):
        advisor_of(encoded(feeds.advisor()).replace(before, after))


def test_a_feed_that_lost_half_its_rows_is_refused() -> None:
    content = encoded(feeds.advisor())
    with pytest.raises(FeedRefused, match="4 rows, and the last good one had 9"):
        advisor_of(content, previous_rows=9)
    assert len(advisor_of(content, previous_rows=8)[0].rows) == 4


def test_spot_prices_by_region_system_and_type() -> None:
    snapshot = prices_of(encoded(feeds.spot_prices()))
    assert (snapshot.kind, snapshot.scope) == (FeedKind.SPOT_PRICES, "")
    assert list(snapshot.rows.itertuples(index=False, name=None)) == [
        ("us-east-1", "Linux", "m5.large", 0.0351),
        ("us-east-1", "Windows", "m5.large", 0.1),
        ("us-east-1", "Linux", "t4g.nano", 0.0006),
        ("us-west-2-lax-1", "Linux", "m5.large", 0.05),
    ]


@pytest.mark.parametrize("usd", ["-0.01", "NaN", "Infinity", "1e9", "cheap", "", "0"])
def test_a_spot_price_that_cannot_be_is_refused_with_its_place(usd: str) -> None:
    with pytest.raises(FeedRefused, match=r"us-east-1 > m5\.large > linux has price"):
        prices_of(encoded(feeds.spot_prices(usd)))


def test_a_spot_price_of_another_json_type_is_refused() -> None:
    with pytest.raises(
        FeedRefused, match=r"us-east-1 > .* > m5\.large > .*Expected `str`, got `float`"
    ):
        prices_of(encoded(feeds.spot_prices(0.0351)))


def test_a_type_listed_twice_gives_one_row_or_none() -> None:
    document = feeds.spot_prices()
    sizes = document["config"]["regions"][0]["instanceTypes"][0]["sizes"]
    sizes.append(dict(sizes[0]))
    assert len(prices_of(encoded(document)).rows) == 4
    sizes[-1] = {"size": "m5.large", "valueColumns": [{"name": "linux", "prices": {"USD": "9"}}]}
    with pytest.raises(FeedRefused, match=r"m5\.large > linux has two prices, 0\.0351 and 9"):
        prices_of(encoded(document))


def test_spot_prices_per_second_are_refused() -> None:
    with pytest.raises(FeedRefused, match="its rate is 'persec'"):
        prices_of(encoded(feeds.spot_prices()).replace(b"perhr", b"persec"))


def test_on_demand_prices_carry_their_publication_date() -> None:
    snapshot = on_demand_of(encoded(feeds.on_demand()))
    assert (snapshot.kind, snapshot.scope) == (FeedKind.ON_DEMAND, "eu-west-1")
    assert snapshot.origin.event_time == datetime(2026, 2, 27, 17, 45, 21, tzinfo=UTC)
    assert list(snapshot.rows.itertuples(index=False, name=None)) == [
        ("eu-west-1", "Linux", "m5.large", 0.107),
        ("eu-west-1", "Linux", "t4g.nano", 0.0046),
    ]


def test_on_demand_knows_both_spellings_of_a_location() -> None:
    assert len(on_demand_of(encoded(feeds.on_demand("Europe (Ireland)"))).rows) == 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (feeds.on_demand(price="-1"), r"EU \(Ireland\) > m5.large has price '-1'"),
        (feeds.on_demand(price="nan"), r"EU \(Ireland\) > m5.large has price 'nan'"),
        (feeds.on_demand(price=0.1), "m5 large > price"),
        (feeds.on_demand("US East (Ohio)"), r"it contains US East \(Ohio\)"),
        (feeds.on_demand() | {"regions": {}}, "it contains no location"),
        (feeds.on_demand() | {"manifest": {"currencyCode": "CNY"}}, "its currency is CNY"),
        (
            feeds.on_demand()
            | {
                "manifest": {
                    "currencyCode": "USD",
                    "hawkFilePublicationDate": "0001-01-01T00:00:00+14:00",
                }
            },
            "it was published in the year 1",
        ),
    ],
)
def test_what_is_no_on_demand_feed_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(FeedRefused, match=words):
        on_demand_of(encoded(document))


def test_on_demand_of_a_region_without_location_name_is_not_available() -> None:
    with pytest.raises(NotAvailable, match="'xx-nowhere-1'"):
        on_demand_of(encoded(feeds.on_demand()), "xx-nowhere-1")


@pytest.mark.shared_data
def test_recorded_advisor_has_every_published_row(shared_data: Path) -> None:
    content = (shared_data / "advisor" / "2025-06-28.json.gz").read_bytes()
    buckets, specs = advisor_of(content)
    linux = buckets.rows["operating_system"] == "Linux"
    assert (int(linux.sum()), len(buckets.rows), buckets.rows["region"].nunique()) == (
        14962,
        25323,
        33,
    )
    assert len(specs.rows) == 929


@pytest.mark.shared_data
def test_recorded_spot_prices_have_every_offered_row(shared_data: Path) -> None:
    content = (shared_data / "spot-prices" / "2025-06-15.json.gz").read_bytes()
    rows = prices_of(content).rows
    assert int((rows["operating_system"] == "Linux").sum()) == 15341
    assert rows["region"].str.contains("-lax-").any(), "local zones are there too"


@pytest.mark.shared_data
def test_every_recorded_feed_is_accepted(shared_data: Path) -> None:
    advisors = sorted(shared_data.glob("**/advisor/*.json.gz"))
    spots = sorted(shared_data.glob("spot-prices/*.json.gz"))
    assert advisors
    assert spots
    assert all(len(advisor_of(path.read_bytes())[0].rows) > 7000 for path in advisors)
    assert all(len(prices_of(path.read_bytes()).rows) > 24_000 for path in spots)
