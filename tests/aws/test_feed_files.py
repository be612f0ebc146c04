"""Feeds in files: their event time, checks, and errors with the path."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotlab.aws.feeds import FileFeed
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Snapshot
from spotlab.domain.ports import FeedSource
from spotlab.errors import FeedRefused, InvalidInput
from tests.support import feeds
from tests.support.feeds import NOW, Clock, encoded

SPECS_HEADER = (
    "instance_type,arch,vcpu,memory_mib,clock_mhz,ebs_mbps,network_mbps,gpu_count,"
    "accelerator_count,local_nvme_gb\n"
)


def write_file(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_feed(path: Path, kind: FeedKind, **options: int) -> Snapshot:
    source: FeedSource = FileFeed(path, kind, clock=Clock(), **options)
    snapshots = source.fetch({})
    assert tuple((s.kind, s.scope) for s in snapshots) == source.covers
    return snapshots[0]


def test_the_date_in_the_name_is_when_it_was_true(tmp_path: Path) -> None:
    path = write_file(
        tmp_path, "advisor-2025-06-28.json.gz", gzip.compress(encoded(feeds.advisor()))
    )
    snapshot = read_feed(path, FeedKind.ADVISOR)
    assert snapshot.market is MarketName.RECORDED
    assert snapshot.origin.event_time == datetime(2025, 6, 28, tzinfo=UTC)
    assert snapshot.origin.fetched_at == NOW
    assert "as of the date in its name" in snapshot.origin.source
    assert len(snapshot.rows) == 4


@pytest.mark.parametrize("name", ["spot.json", "spot-2025-02-31.json", "spot-12025-01-01.json"])
def test_without_a_date_the_modification_time_is(tmp_path: Path, name: str) -> None:
    path = write_file(tmp_path, name, encoded(feeds.spot_prices()))
    modified_at = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
    os.utime(path, (modified_at.timestamp(),) * 2)
    snapshot = read_feed(path, FeedKind.SPOT_PRICES)
    assert snapshot.origin.event_time == modified_at
    assert "as of its modification time" in snapshot.origin.source


def test_on_demand_prices_from_csv(tmp_path: Path) -> None:
    path = write_file(
        tmp_path,
        "2026-02-01.csv",
        "region,instance_type,usd_per_hour\nus-east-1,m5.large,0.096\neu-west-1,m5.large,0.107\n",
    )
    assert read_feed(path, FeedKind.ON_DEMAND).rows.to_numpy().tolist() == [
        ["us-east-1", "Linux", "m5.large", 0.096],
        ["eu-west-1", "Linux", "m5.large", 0.107],
    ]


def test_specifications_from_csv(tmp_path: Path) -> None:
    lines = "m5.large,amd64,2,8192,3100,4750,750,,,\ng5g.metal,arm64,64,131072,,,25000,2,,7.5\n"
    rows = read_feed(write_file(tmp_path, "specs.csv", SPECS_HEADER + lines), FeedKind.SPECS).rows
    assert tuple(rows.columns) == FEED_COLUMNS[FeedKind.SPECS]
    small, large = rows.to_dict("records")
    assert (small["architecture"], large["architecture"]) == ("x86_64", "arm64")
    assert (small["memory_gb"], large["memory_gb"]) == (8.0, 128.0)
    assert (small["gpu_count"], large["gpu_count"]) == (0.0, 2.0)
    assert (small["local_nvme_gb"], large["local_nvme_gb"]) == (0.0, 7.5)
    assert rows["clock_mhz"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("us-east-1,m5.large,-0.1", "line 2, m5.large in us-east-1, has price '-0.1'"),
        ("us-east-1,m5.large,nan", "has price 'nan'"),
        ("us-east-1,m5.large,", "has price ''"),
        ("us-east-1,m5.large,0", "line 2 has price 0"),
        ("us-east-1,m5.large,1\nus-east-1,m5.large,1", "line 3 repeats m5.large"),
        ("us-east-1,m5.large", "line 2 has more or fewer fields"),
        ("us-east-1,m5.large,1,2", "line 2 has more or fewer fields"),
        ("nowhere,m5.large,1", "'nowhere' is not a region"),
        ("us-east-1,m5,1", "'m5' is not an instance type"),
        ('us-east-1,"m5.large,1', "not CSV"),
    ],
)
def test_a_wrong_price_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = write_file(tmp_path, "prices.csv", f"region,instance_type,usd_per_hour\n{line}\n")
    with pytest.raises(FeedRefused, match=words) as refused:
        read_feed(path, FeedKind.ON_DEMAND)
    assert str(path) in refused.value.message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("m5.large,amd64,,8192,,,,,,", "line 2 has no vcpu or memory_mib"),
        ("m5.large,amd64,two,8192,,,,,,", "vcpu 'two'"),
        ("m5.large,amd64,2,nan,,,,,,", "memory_mib 'nan'"),
        ("m5.large,amd64,2,8192,,,-1,,,", "network_mbps '-1'"),
        ("m5.large,amd64,2,8192,inf,,,,,", "clock_mhz 'inf'"),
        ("m5.large,riscv,2,8192,,,,,,", "arch 'riscv'"),
        ("m5.large,amd64,2,8192,,,,,,\nm5.large,amd64,2,8192,,,,,,", "line 3 repeats m5.large"),
    ],
)
def test_a_wrong_specifications_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(FeedRefused, match=words):
        read_feed(write_file(tmp_path, "specs.csv", f"{SPECS_HEADER}{line}\n"), FeedKind.SPECS)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write_file(tmp_path, "prices.csv", "region,type,price\nus-east-1,m5.large,1\n")
    with pytest.raises(FeedRefused, match="lacks instance_type, usd_per_hour"):
        read_feed(path, FeedKind.ON_DEMAND)


@pytest.mark.parametrize("kind", [FeedKind.ADVISOR, FeedKind.SPOT_PRICES, FeedKind.SPECS])
@pytest.mark.parametrize("content", [b"", b"\x89PNG\xff\xfe", b"\x1f\x8b\x08"])
def test_a_file_that_is_no_feed_is_refused_with_its_path(
    tmp_path: Path, kind: FeedKind, content: bytes
) -> None:
    path = write_file(tmp_path, "feed", content)
    with pytest.raises(FeedRefused) as refused:
        read_feed(path, kind)
    assert str(path) in refused.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"absent\.json cannot be read: No such file"):
        read_feed(tmp_path / "absent.json", FeedKind.ADVISOR)
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        read_feed(tmp_path, FeedKind.ADVISOR)


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path, "specs.csv", SPECS_HEADER + " " * 2000)
    with pytest.raises(FeedRefused, match=r"over 0\.001 MB"):
        read_feed(path, FeedKind.SPECS, max_bytes=1000)


def test_a_kind_without_a_file_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file format for offerings"):
        FileFeed(tmp_path, FeedKind.OFFERINGS, clock=Clock())


@pytest.mark.shared_data
def test_recorded_files_are_read(shared_data: Path) -> None:
    specs = read_feed(
        shared_data / "instance-specs" / "instance_types-2026-08-21.csv", FeedKind.SPECS
    )
    prices = read_feed(shared_data / "on-demand" / "2025-06-23.csv", FeedKind.ON_DEMAND)
    assert (len(specs.rows), len(prices.rows)) == (1363, 919)
    assert set(specs.rows["architecture"]) == {"x86_64", "arm64"}
    assert prices.origin.event_time == datetime(2025, 6, 23, tzinfo=UTC)
