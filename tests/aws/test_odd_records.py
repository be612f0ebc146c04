"""One odd record of a feed is set aside with its reason; over 1 % of them reject the feed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.aws.feeds import FileFeed, parse_advisor, parse_on_demand, parse_spot_prices
from spotlab.domain.market import FeedKind, MarketName, Snapshot
from spotlab.errors import FeedRefused
from tests.support import feeds
from tests.support.feeds import ORIGIN, Clock, encoded

TYPES = [f"m{generation}{letter}.large" for generation in range(1, 10) for letter in "abcdefghijkl"]
RATE: dict[str, Any] = {"r": 1, "s": 70}
WAVELENGTH = "us-east-1-wl1-bos-wlz-1"
RANGES = (("<5%", 5), ("5-10%", 11), ("10-15%", 16), ("15-20%", 22), (">20%", 100))

Change = Callable[[dict[str, Any]], object]


def ranges_of(*labels: str) -> list[dict[str, Any]]:
    return [
        {"index": index, "label": label, "dots": index, "max": 100}
        for index, label in enumerate(labels)
    ]


def advisor() -> dict[str, Any]:
    """108 types in two regions."""
    rates = {name: dict(RATE) for name in TYPES}
    return {
        "ranges": [
            {"index": n, "label": label, "max": top} for n, (label, top) in enumerate(RANGES)
        ],
        "instance_types": {name: {"cores": 2, "ram_gb": 8.0, "emr": True} for name in TYPES},
        "spot_advisor": {
            region: {"Linux": copy.deepcopy(rates), "Windows": {}}
            for region in ("us-east-1", "eu-west-1")
        },
    }


def spot() -> dict[str, Any]:
    document = feeds.spot_prices()
    document["config"]["regions"] = [
        feeds._spot_region("us-east-1", dict.fromkeys(TYPES, ("0.05", "0.1")))
    ]
    return document


def parsed_advisor(document: dict[str, Any]) -> tuple[Snapshot, Snapshot]:
    return parse_advisor(encoded(document), ORIGIN, MarketName.PUBLIC)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda linux: linux.update({"m1a.large": RATE | {"r": 7}}), "m1a.large has bucket 7"),
        (
            lambda linux: linux.update({"m1a.large": None}),
            "m1a.large: Expected `object`, got `null",
        ),
        (lambda linux: linux.update({"m1a.large": RATE | {"r": "1"}}), "m1a.large > r: Expected"),
        (lambda linux: linux.update({"m1a.large": RATE | {"s": None}}), "m1a.large > s: Expected"),
        (lambda linux: linux.update({"m1a.large": {"r": 1}}), "required field `s`"),
        (lambda linux: linux.update({"large": linux.pop("m1a.large")}), "'large' is not an inst"),
    ],
)
def test_one_odd_rate_does_not_blind_the_market(change: Change, reason: str) -> None:
    document = advisor()
    change(document["spot_advisor"]["us-east-1"]["Linux"])
    buckets, specs = parsed_advisor(document)
    assert len(buckets.rows) == 2 * len(TYPES) - 1
    assert reason in " ".join(buckets.set_aside)
    assert (len(buckets.set_aside), specs.set_aside) == (1, ())
    assert "expected" in buckets.set_aside[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [(WAVELENGTH, "is not a region but a Wavelength Zone"), ("us-west-2-lax-1a", "not a region")],
)
def test_a_zone_listed_as_a_region_is_set_aside(name: str, reason: str) -> None:
    document = advisor()
    document["spot_advisor"][name] = {"Linux": {"m1a.large": RATE, "m1b.large": RATE}}
    buckets, _ = parsed_advisor(document)
    assert set(buckets.rows["region"]) == {"us-east-1", "eu-west-1"}
    assert [reason in text for text in buckets.set_aside] == [True, True]


def test_a_region_that_is_null_is_one_odd_record_each_system() -> None:
    document = advisor()
    document["spot_advisor"]["eu-west-2"] = None
    buckets, _ = parsed_advisor(document)
    assert len(buckets.rows) == 2 * len(TYPES)
    assert all("spot_advisor > eu-west-2: " in text for text in buckets.set_aside)


def twice(document: dict[str, Any], key: str, within: Change) -> bytes:
    """The document with a key, in the object that `within` finds, once more with the value 1."""
    within(document)["\0"] = 1  # type: ignore[index]
    return encoded(document).replace(b'"\\u0000"', f'"{key}"'.encode())


@pytest.mark.parametrize(
    ("key", "within", "reason"),
    [
        ("m1a.large", lambda linux: linux, "m1a.large: the key 'm1a.large' appears twice"),
        ("r", lambda linux: linux["m1a.large"], "m1a.large > r: the key 'r' appears twice"),
    ],
)
def test_one_rate_listed_twice_is_set_aside(key: str, within: Change, reason: str) -> None:
    content = twice(
        advisor(), key, lambda document: within(document["spot_advisor"]["us-east-1"]["Linux"])
    )
    buckets, specs = parse_advisor(content, ORIGIN, MarketName.PUBLIC)
    assert len(buckets.rows) == 2 * len(TYPES) - 1
    assert (len(buckets.set_aside), specs.set_aside) == (1, ())
    assert f"spot_advisor > us-east-1 > Linux > {reason}" in buckets.set_aside[0]


def test_one_specification_price_and_offer_listed_twice_are_set_aside() -> None:
    content = twice(advisor(), "m1a.large", lambda document: document["instance_types"])
    _, specs = parse_advisor(content, ORIGIN, MarketName.PUBLIC)
    assert (len(specs.rows), len(specs.set_aside)) == (len(TYPES) - 1, 1)

    content = twice(spot(), "USD", lambda document: first_size(document)[0]["prices"])
    snapshot = parse_spot_prices(content, ORIGIN, MarketName.PUBLIC)
    assert (len(snapshot.rows), len(snapshot.set_aside)) == (2 * len(TYPES) - 1, 1)
    assert "m1a.large > linux > prices > USD: the key 'USD'" in snapshot.set_aside[0]

    document = feeds.on_demand()
    offers = document["regions"]["EU (Ireland)"]
    offers.clear()
    offers.update({name: feeds._offer(name, "0.1") for name in TYPES})
    content = twice(document, "m1a.large", lambda _: offers)
    snapshot = parse_on_demand(content, ORIGIN, MarketName.PUBLIC, "eu-west-1")
    assert (len(snapshot.rows), len(snapshot.set_aside)) == (len(TYPES) - 1, 1)
    assert snapshot.set_aside[0].startswith("EU (Ireland) > m1a.large: the key 'm1a.large'")


def first_size(document: dict[str, Any]) -> Any:
    sizes = document["config"]["regions"][0]["instanceTypes"][0]["sizes"]
    return sizes[0]["valueColumns"]


@pytest.mark.parametrize(
    ("key", "within"),
    [
        ("spot_advisor", lambda document: document),
        ("us-east-1", lambda document: document["spot_advisor"]),
        ("Linux", lambda document: document["spot_advisor"]["us-east-1"]),
    ],
)
def test_a_part_listed_twice_refuses_the_feed(key: str, within: Change) -> None:
    with pytest.raises(FeedRefused, match=f"{key}: the key '{key}' appears twice"):
        parse_advisor(twice(advisor(), key, within), ORIGIN, MarketName.PUBLIC)


@pytest.mark.parametrize("key", ["instanceTypes", "region"])
def test_a_region_of_spot_prices_with_a_key_twice_refuses_the_feed(key: str) -> None:
    content = twice(spot(), key, lambda document: document["config"]["regions"][0])
    with pytest.raises(FeedRefused, match=f"the key '{key}' appears twice"):
        parse_spot_prices(content, ORIGIN, MarketName.PUBLIC)


def test_over_one_percent_of_rates_listed_twice_refuse_the_feed() -> None:
    content = encoded(advisor())
    for name in TYPES[:3]:
        content = content.replace(
            f'"{name}": {{"r"'.encode(), f'"{name}": 1, "{name}": {{"r"'.encode(), 1
        )
    with pytest.raises(FeedRefused, match=r"3 of 216 records cannot be used"):
        parse_advisor(content, ORIGIN, MarketName.PUBLIC)


def test_an_odd_specification_is_set_aside() -> None:
    document = advisor()
    document["instance_types"]["m1a.large"]["cores"] = "two"
    buckets, specs = parsed_advisor(document)
    assert (len(specs.rows), len(buckets.rows)) == (len(TYPES) - 1, 2 * len(TYPES))
    assert specs.set_aside[0].startswith("instance_types > m1a.large > cores: Expected `float`")


def test_over_one_percent_of_odd_rates_refuse_the_feed() -> None:
    document = advisor()
    for name in TYPES[:3]:
        document["spot_advisor"]["us-east-1"]["Linux"][name]["r"] = 7
    with pytest.raises(FeedRefused, match=r"m1a\.large has bucket 7\. 3 of 216 records cannot be"):
        parsed_advisor(document)


@pytest.mark.parametrize(
    "labels",
    [
        ("<3%", "3-10%", ">10%"),
        ("<5%", "5-10%", "10-20%", ">20%"),
        ("<10%", ">10%"),
        ("5-10%", "<10%", "10-15%", "15-20%", ">20%"),
    ],
)
def test_ranges_across_two_buckets_are_never_read_as_the_old_ones(labels: tuple[str, ...]) -> None:
    with pytest.raises(FeedRefused) as refused:
        parsed_advisor(advisor() | {"ranges": ranges_of(*labels)})
    assert f"they are {', '.join(labels)}" in refused.value.message
    assert "<5 %, 5-10 %, 10-15 %, 15-20 %, >20 %" in refused.value.remedy


def test_finer_or_reordered_ranges_mean_the_buckets_that_contain_them() -> None:
    labels = (">20%", "15-20%", "10-15%", "5-10%", "3-5%", "<3%")
    document = advisor() | {"ranges": ranges_of(*labels)}
    for index in range(len(labels)):
        document["spot_advisor"]["us-east-1"]["Linux"][TYPES[index]]["r"] = index
    buckets, _ = parsed_advisor(document)
    assert buckets.set_aside == ()
    assert buckets.rows["bucket"].tolist()[: len(labels)] == [4, 3, 2, 1, 0, 0]
    assert buckets.rows["bucket"].tolist()[len(labels) :] == [3] * (216 - len(labels))


@pytest.mark.parametrize("ranges", [[], "none", [{"index": 0}], ranges_of("rarely")])
def test_ranges_that_cannot_be_read_refuse_the_feed(ranges: Any) -> None:
    with pytest.raises(FeedRefused, match="ranges"):
        parsed_advisor(advisor() | {"ranges": ranges})


@pytest.mark.parametrize(
    ("usd", "reason"),
    [
        ("0", "us-east-1 > m1a.large > linux has price 0"),
        (None, "m1a.large > linux > prices > USD: Expected `str`, got `null`"),
        (0.05, "m1a.large > linux > prices > USD: Expected `str`, got `float`"),
        ("soon", "us-east-1 > m1a.large > linux has price 'soon'"),
    ],
)
def test_one_odd_spot_price_is_set_aside(usd: Any, reason: str) -> None:
    document = spot()
    sizes = document["config"]["regions"][0]["instanceTypes"][0]["sizes"]
    sizes[0]["valueColumns"][0]["prices"]["USD"] = usd
    snapshot = parse_spot_prices(encoded(document), ORIGIN, MarketName.PUBLIC)
    assert len(snapshot.rows) == 2 * len(TYPES) - 1
    assert len(snapshot.set_aside) == 1
    assert reason in snapshot.set_aside[0]


def test_a_wavelength_zone_and_a_null_among_spot_prices_are_set_aside() -> None:
    document = spot()
    sizes = document["config"]["regions"][0]["instanceTypes"][0]["sizes"]
    sizes.append(None)
    document["config"]["regions"].append(
        feeds._spot_region(WAVELENGTH, {"m1a.large": ("0.05", "N/A*")})
    )
    snapshot = parse_spot_prices(encoded(document), ORIGIN, MarketName.PUBLIC)
    assert set(snapshot.rows["region"]) == {"us-east-1"}
    assert [text.split(":")[0] for text in snapshot.set_aside] == [
        f"us-east-1 > generalCurrentGen > element {len(TYPES)}",
        f"'{WAVELENGTH}' is not a region but a Wavelength Zone; expected a region such as "
        "'us-east-1'.",
    ]


def test_of_two_spot_prices_the_higher_is_used_in_any_order() -> None:
    for first, second in (("0.04", "0.07"), ("0.07", "0.04")):
        document = spot()
        sizes = document["config"]["regions"][0]["instanceTypes"][0]["sizes"]
        for size in (sizes[0], copy.deepcopy(sizes[0])):
            sizes.append(size)
        sizes[0]["valueColumns"][0]["prices"]["USD"] = first
        sizes[-2] = copy.deepcopy(sizes[0])
        sizes[-1]["valueColumns"][0]["prices"]["USD"] = second
        snapshot = parse_spot_prices(encoded(document), ORIGIN, MarketName.PUBLIC)
        linux = snapshot.rows.query("operating_system == 'Linux'").set_index("instance_type")
        assert linux.loc["m1a.large", "spot_price_usd_per_hour"] == 0.07
        assert "two prices" in snapshot.set_aside[0]
        assert "the higher is used" in snapshot.set_aside[0]


def test_one_odd_on_demand_offer_is_set_aside() -> None:
    document = feeds.on_demand()
    offers = document["regions"]["EU (Ireland)"]
    offers.clear()
    offers.update({name: feeds._offer(name, "0.1") for name in TYPES} | {"odd": None})
    snapshot = parse_on_demand(encoded(document), ORIGIN, MarketName.PUBLIC, "eu-west-1")
    assert len(snapshot.rows) == len(TYPES)
    assert snapshot.set_aside[0].startswith("EU (Ireland) > odd: Expected `object`, got `null`")


@pytest.mark.parametrize("odd", ["us-east-1,m1a.large,0", f"{WAVELENGTH},m1a.large,0.1"])
def test_one_odd_line_of_a_price_file_is_set_aside(tmp_path: Path, odd: str) -> None:
    lines = [f"us-east-1,{name},0.1" for name in TYPES[1:]]
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(["region,instance_type,usd_per_hour", *lines, odd]))
    (snapshot,) = FileFeed(path, FeedKind.ON_DEMAND, clock=Clock()).fetch({})
    assert (len(snapshot.rows), len(snapshot.set_aside)) == (len(TYPES) - 1, 1)


@pytest.mark.parametrize("header", ["", "region,instance_type,usd_per_hour\n"])
def test_a_price_file_without_a_header_line(tmp_path: Path, header: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(header + "\n".join(f"us-east-1,{name},0.1" for name in TYPES))
    columns = ("region", "instance_type", "usd_per_hour")
    (snapshot,) = FileFeed(path, FeedKind.ON_DEMAND, clock=Clock(), columns=columns).fetch({})
    assert (len(snapshot.rows), snapshot.set_aside) == (len(TYPES), ())
