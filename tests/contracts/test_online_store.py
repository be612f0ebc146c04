"""What ports.OnlineStore promises, held by every store that SpotLab has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.errors import InvalidInput
from spotlab.features.views import METADATA, POOL, PRICE_HISTORY, SPOT_RISK
from tests.support.online import (
    REDIS_URL,
    ServerStoreUnderTest,
    StoreUnderTest,
    embedded_server,
    keys,
    memory_shop,
    redis_shop,
    why_no_redis,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_server(tmp_path_factory.mktemp("home")) as (url, _):
        yield url


SERVERS = ("embedded", pytest.param("redis", marks=pytest.mark.redis))


@contextmanager
def opened(request: pytest.FixtureRequest) -> Iterator[ServerStoreUnderTest]:
    if request.param == "redis" and (reason := why_no_redis()):
        pytest.skip(reason)
    url = REDIS_URL if request.param == "redis" else request.getfixturevalue("embedded_url")
    with redis_shop(url) as shop:
        yield shop


@pytest.fixture(params=["memory", *SERVERS])
def shop(request: pytest.FixtureRequest) -> Iterator[StoreUnderTest]:
    if request.param == "memory":
        yield memory_shop()
        return
    with opened(request) as served:
        yield served


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[ServerStoreUnderTest]:
    with opened(request) as shop:
        yield shop


@pytest.fixture(params=[False, True], ids=["strings", "hashes"])
def risk(request: pytest.FixtureRequest, shop: StoreUnderTest) -> OnlineView:
    return shop.view("region", "instance_type", as_hash=request.param)


def row(*key: str, at: datetime = NOON, **value: Any) -> OnlineRow:
    return OnlineRow(key, at, value)


def test_what_is_written_is_read_back_equal(shop: StoreUnderTest, risk: OnlineView) -> None:
    written = row(
        "us-east-1",
        "m5.large",
        at=NOON + timedelta(microseconds=123456),
        bucket=1,
        savings=70.5,
        known=True,
        missing=None,
        source="Zürich 東京 \"quoted\" \\ {'a': 1}",
        past=[[1, None], [2, 3.25]],
        nested={"a": {"b": []}},
    )
    assert shop.store.write(risk, [written]) == 1
    assert shop.store.read(risk, [written.key]) == [written]


def test_an_unknown_number_is_read_back_as_none(shop: StoreUnderTest, risk: OnlineView) -> None:
    nan, infinity = float("nan"), float("-inf")
    shop.store.write(risk, [row("r", "t", nan=nan, infinity=infinity, past=[nan, 1.5])])
    known = row("r", "t", nan=None, infinity=None, past=[None, 1.5])
    assert shop.store.read(risk, [("r", "t")]) == [known]


def test_a_row_without_values_is_a_row(shop: StoreUnderTest, risk: OnlineView) -> None:
    bare = row("r", "t")
    assert shop.store.write(risk, [row("r", "t", at=NOON - TICK, gone=1)]) == 1
    assert shop.store.write(risk, [bare]) == 1
    assert shop.store.read(risk, [("r", "t")]) == [bare]
    assert keys(shop.store, risk) == [("r", "t")]


def test_a_row_of_very_many_values_is_kept_whole(shop: StoreUnderTest, risk: OnlineView) -> None:
    wide = row("r", "t", **{f"value_{number}": number for number in range(10_001)})
    assert shop.store.write(risk, [wide]) == 1
    assert shop.store.read(risk, [("r", "t")]) == [wide]


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (row("r", "t", at=NOON.replace(tzinfo=None)), "no time zone"),
        (row("r", "t", set_of={object()}), "JSON"),
        (row("r", "t", text="\ud800"), "JSON"),
        (row("r", n=1), "region, instance_type"),
        (row("r:", "t", n=1), "colon"),
    ],
    ids=["naive", "object", "surrogate", "short-key", "colon"],
)
def test_what_cannot_be_kept_is_refused_and_nothing_lands(
    shop: StoreUnderTest, risk: OnlineView, refused: OnlineRow, why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        shop.store.write(risk, [row("r", "good", n=1), refused])
    assert keys(shop.store, risk) == []


def test_a_key_that_its_view_cannot_have_is_not_read(
    shop: StoreUnderTest, risk: OnlineView
) -> None:
    with pytest.raises(InvalidInput, match="region, instance_type"):
        shop.store.read(risk, [("us-east-1",)])


def test_reads_keep_the_order_and_the_length_of_the_keys(
    shop: StoreUnderTest, risk: OnlineView
) -> None:
    a, b = row("r1", "a", n=1), row("r2", "b", n=2)
    shop.store.write(risk, [a, b])
    asked = [("r2", "b"), ("r1", "none"), ("r1", "a"), ("r2", "b")]
    assert shop.store.read(risk, asked) == [b, None, a, b]
    assert shop.store.read(risk, []) == []


def test_an_empty_batch_writes_nothing(shop: StoreUnderTest, risk: OnlineView) -> None:
    assert shop.store.write(risk, []) == 0
    assert keys(shop.store, risk) == []


def test_an_older_row_never_overwrites_a_newer_one(shop: StoreUnderTest, risk: OnlineView) -> None:
    newer = row("r", "t", at=NOON, n=1)
    assert shop.store.write(risk, [newer]) == 1
    assert shop.store.write(risk, [row("r", "t", at=NOON - TICK, n=2)]) == 0
    assert shop.store.read(risk, [("r", "t")]) == [newer]
    newest = row("r", "t", at=NOON + TICK, n=3)
    assert shop.store.write(risk, [newest]) == 1
    assert shop.store.read(risk, [("r", "t")]) == [newest]


def test_times_are_compared_across_seconds_years_and_zones(
    shop: StoreUnderTest, risk: OnlineView
) -> None:
    moments = [NOON.replace(year=2009), NOON, NOON + timedelta(seconds=1), NOON.replace(year=2030)]
    for number, moment in enumerate(moments):
        elsewhere = moment.astimezone(timezone(timedelta(hours=-7)))
        assert shop.store.write(risk, [row("r", "t", at=elsewhere, n=number)]) == 1
        older = row("r", "t", at=moment - TICK, n=-1)
        assert shop.store.write(risk, [older]) == 0
    assert shop.store.read(risk, [("r", "t")]) == [row("r", "t", at=moments[-1], n=3)]


def test_an_equal_time_refreshes_the_value(shop: StoreUnderTest, risk: OnlineView) -> None:
    shop.store.write(risk, [row("r", "t", gone=1, n=1)])
    assert shop.store.write(risk, [row("r", "t", n=2)]) == 1
    assert shop.store.read(risk, [("r", "t")]) == [row("r", "t", n=2)]


def test_within_a_batch_the_newest_wins(shop: StoreUnderTest, risk: OnlineView) -> None:
    rows = [row("r", "t", at=NOON + n * TICK, n=n) for n in (2, 3, 1)]
    assert shop.store.write(risk, rows) == 2
    assert shop.store.read(risk, [("r", "t")]) == [rows[1]]


def test_one_batch_lands_in_part_when_part_of_it_is_older(
    shop: StoreUnderTest, risk: OnlineView
) -> None:
    shop.store.write(risk, [row("r", "a", at=NOON + TICK, n=1)])
    batch = [row("r", "a", at=NOON, n=2), row("r", "b", at=NOON, n=2)]
    assert shop.store.write(risk, batch) == 1
    found = shop.store.read(risk, [("r", "a"), ("r", "b")])
    assert [kept and kept.value["n"] for kept in found] == [1, 2]


def test_racing_writers_leave_the_newest(shop: StoreUnderTest, risk: OnlineView) -> None:
    names = [("r", f"t{number}") for number in range(20)]

    def write(offset: int) -> None:
        for turn in range(25):
            at = NOON + (2 * turn + offset) * TICK
            shop.store.write(risk, [row(*key, at=at, by=offset, n=turn) for key in names])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (0, 1)))
    newest = NOON + 49 * TICK
    assert shop.store.read(risk, names) == [row(*key, at=newest, by=1, n=24) for key in names]


@pytest.mark.parametrize("as_hash", [False, True])
def test_rows_go_when_their_ttl_ends(shop: StoreUnderTest, as_hash: bool) -> None:
    brief = shop.view("region", "slot", ttl_s=1, as_hash=as_hash)
    shop.store.write(brief, [row("r", "a", n=1)])
    assert keys(shop.store, brief) == [("r", "a")]
    shop.until(lambda: shop.store.read(brief, [("r", "a")]) == [None], "the row expires")
    assert keys(shop.store, brief) == []


def test_a_write_that_does_not_land_does_not_renew_the_ttl(shop: StoreUnderTest) -> None:
    brief, older = shop.view("slot", ttl_s=1), row("a", at=NOON - TICK, n=2)
    shop.store.write(brief, [row("a", n=1)])
    assert shop.store.write(brief, [older]) == 0
    shop.until(lambda: shop.store.write(brief, [older]) == 1, "the newer row expires")
    assert shop.store.read(brief, [("a",)]) == [older]


def test_an_equal_write_renews_the_ttl(shop: StoreUnderTest) -> None:
    brief = shop.view("slot", ttl_s=1)
    shop.store.write(brief, [row("renewed", n=1), row("left", n=1)])

    def only_one_is_renewed() -> bool:
        shop.store.write(brief, [row("renewed", n=1)])
        return shop.store.read(brief, [("left",)]) == [None]

    shop.until(only_one_is_renewed, "the other row expires")
    assert keys(shop.store, brief) == [("renewed",)]


def test_rows_can_be_scanned_by_their_first_part(shop: StoreUnderTest, risk: OnlineView) -> None:
    names = [("eu-west-1", "a"), ("us-east-1", "a"), ("us-east-1", "b"), ("us-east-10", "c")]
    rows = [row(*name, n=number) for number, name in enumerate(names)]
    shop.store.write(risk, rows[::-1])
    assert sorted(shop.store.scan(risk)) == rows
    assert sorted(shop.store.scan(risk, ["us-east-1"])) == rows[1:3]
    assert sorted(shop.store.scan(risk, ["us-east-1", "eu-west-1"])) == rows[:3]
    assert shop.store.scan(risk, ["us-east"]) == []
    assert shop.store.scan(risk, []) == []


def test_a_view_with_one_part_lists_its_keys(shop: StoreUnderTest) -> None:
    metadata = shop.view("instance_type")
    shop.store.write(metadata, [row(name, vcpu=2) for name in ("m5.large", "c5.large")])
    assert keys(shop.store, metadata) == [("c5.large",), ("m5.large",)]
    assert keys(shop.store, metadata, ("m5.large",)) == [("m5.large",)]


def test_names_may_hold_any_character_but_a_colon(shop: StoreUnderTest, risk: OnlineView) -> None:
    odd = row("ré gion*[]?", "東京\n\t%d -", n=1)
    shop.store.write(risk, [odd])
    assert keys(shop.store, risk) == [odd.key]
    assert keys(shop.store, risk, odd.key[:1]) == [odd.key]
    assert shop.store.read(risk, [odd.key]) == [odd]


def test_a_large_batch_is_written_and_read_whole(shop: StoreUnderTest, risk: OnlineView) -> None:
    rows = [row(f"r{n % 7}", f"t{n}", n=n) for n in range(5000)]
    assert shop.store.write(risk, rows) == 5000
    assert shop.store.read(risk, [each.key for each in rows]) == rows
    assert len(keys(shop.store, risk)) == 5000


def test_views_do_not_see_each_other(shop: StoreUnderTest) -> None:
    one, other = shop.view("region", "type"), shop.view("region", "family")
    shop.store.write(one, [row("r", "m5", n=1)])
    assert keys(shop.store, other) == []
    assert shop.store.read(other, [("r", "m5")]) == [None]


def test_clear_removes_every_row_and_lets_older_ones_land(shop: StoreUnderTest) -> None:
    views = [shop.view("region", "type"), shop.view("slot"), shop.view("a", "b", as_hash=True)]
    for view in views:
        shop.store.write(view, [row(*view.entity, n=1)])
    shop.store.clear()
    for view in views:
        assert keys(shop.store, view) == []
        assert shop.store.read(view, [view.entity]) == [None]
        assert shop.store.write(view, [row(*view.entity, at=NOON - TICK, n=2)]) == 1
    shop.store.clear()
    shop.store.clear()


def test_info_and_ping_say_what_answers(shop: StoreUnderTest) -> None:
    assert 0.0 <= shop.store.ping() < 1.0
    info = shop.store.info()
    assert {"server", "version", "address", "keys", "memory_bytes"} <= info.keys()
    assert str(info["server"]) in {"Memory", "Valkey", "Redis"}


@pytest.mark.parametrize(
    ("view", "key", "name", "kind", "ttl_s"),
    [
        (SPOT_RISK, ("us-east-1", "m5.large"), "spot_risk:us-east-1:m5.large", "string", 3600),
        (PRICE_HISTORY, ("us-east-1", "m5"), "spot_price_history:us-east-1:m5", "string", 3600),
        (METADATA, ("m5.large",), "instance_metadata:m5.large", "string", 86_400),
        (
            POOL,
            ("us-east-1", "us-east-1a", "m5.large", "Linux"),
            "pool:us-east-1:us-east-1a:m5.large:Linux",
            "hash",
            3600,
        ),
    ],
    ids=["risk", "history", "metadata", "pool"],
)
def test_others_find_the_rows_under_their_published_names(
    served: ServerStoreUnderTest,
    view: OnlineView,
    key: tuple[str, ...],
    name: str,
    kind: str,
    ttl_s: int,
) -> None:
    served.store.write(view, [row(*key, bucket=3)])
    assert served.client.type(name) == kind.encode()
    assert ttl_s - 60 < served.client.ttl(name) <= ttl_s
    when = NOON.isoformat(timespec="microseconds")
    if kind == "hash":
        assert served.client.hget(name, "bucket") == b"3"
        assert served.client.hget(name, "event_time") == when.encode()
    else:
        text = served.client.get(name)
        assert isinstance(text, bytes)
        assert json.loads(text) == {"event_time": when, "value": {"bucket": 3}}


def test_rows_that_begin_with_a_text_are_renewed_and_counted(
    shop: StoreUnderTest, risk: OnlineView
) -> None:
    brief = replace(risk, ttl_s=1)
    ours = [row(f"r{n % 3}", f"t{n}", version='1"é', n=n) for n in range(9)]
    others = [row("r0", "other", version="2", n=1), row("r1", "none"), row("r2", "n", n=1)]
    shop.store.write(brief, [*ours, *others])
    assert shop.store.renew(brief, "version", "3") == 0

    def only_others_expire() -> bool:
        assert shop.store.renew(brief, "version", '1"é') == 9
        return sorted(shop.store.scan(brief)) == sorted(ours)

    shop.until(only_others_expire, "the other rows expire")
    shop.until(lambda: not shop.store.scan(brief), "all expire")
    assert shop.store.renew(brief, "version", '1"é') == 0


def test_a_malformed_row_does_not_hide_the_others(
    served: ServerStoreUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    for as_hash in (False, True):
        risk = served.view("region", "type", as_hash=as_hash)
        rows = [row("r", f"t{n}", n=n) for n in range(3)]
        served.store.write(risk, rows)
        name = f"{risk.name}:r:t1"
        served.client.delete(name)
        served.client.hset(name, "n", "{") if as_hash else served.client.set(name, b"\xff")
        assert sorted(served.store.scan(risk)) == [rows[0], rows[2]]
        assert name in caplog.text
        served.client.delete(name)


@pytest.mark.parametrize("as_hash", [False, True])
def test_what_is_not_ours_is_missing_and_is_written_over(
    served: ServerStoreUnderTest, as_hash: bool, caplog: pytest.LogCaptureFixture
) -> None:
    risk = served.view("region", "type", as_hash=as_hash)
    asked = [("r", f"t{number}") for number in range(6)]
    names = [":".join((risk.name, *key)) for key in asked]
    served.client.set(names[0], "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")
    served.client.set(names[1], json.dumps({"event_time": "9999", "value": {}}))
    served.client.set(names[2], json.dumps({"event_time": NOON.isoformat(), "value": 3}))
    served.client.hset(names[3], mapping={"event_time": "tomorrow", "n": "{"})
    served.client.rpush(names[4], "a list")
    served.client.set(names[5], b"\xff\xfe")
    try:
        assert served.store.read(risk, asked) == [None] * 6
        assert all(name in caplog.text for name in (names[3:4] if risk.as_hash else names[:3]))
        rows = [row(*key, n=1) for key in asked]
        assert served.store.write(risk, rows) == 6
        assert served.store.read(risk, asked) == rows
    finally:
        served.client.delete(*names)


def test_clear_leaves_what_is_not_ours(served: ServerStoreUnderTest) -> None:
    view = served.view("region", "type")
    foreign = f"{view.name}:r:foreign"
    served.client.set(foreign, "1", ex=60)
    try:
        served.store.write(view, [row("r", "ours", n=1)])
        served.store.clear()
        assert served.client.get(foreign) == b"1"
        assert not list(served.client.scan_iter(f"{view.name}*ours"))
        assert not list(served.client.scan_iter(f"{served.own}*"))
    finally:
        served.client.delete(foreign)
