"""A recorded price history is served as EC2 would serve it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotlab.demo.history_pages import HistoryRequest
from spotlab.demo.recorded_history import RecordedHistory
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.errors import InvalidInput
from tests.support.emulated import client

LAST = datetime(2021, 5, 31, 1, 0, tzinfo=UTC)
TYPES = ("c5.large", "m5.large")
ZONES = ("us-east-1a", "us-east-1b")
PRODUCTS = ("Linux/UNIX", "Windows")
HOURS = 30 * 24


def document(instance_type: str) -> bytes:
    rows = [
        {
            "AvailabilityZone": zone,
            "InstanceType": instance_type,
            "ProductDescription": product,
            "SpotPrice": f"{0.03 + hour / 100_000:.6f}",
            "Timestamp": (LAST - timedelta(hours=hour)).isoformat(),
        }
        for hour in range(0, HOURS, 3)
        for zone in ZONES
        for product in PRODUCTS
    ]
    return json.dumps({"SpotPriceHistory": rows}).encode()


def archive(path: Path, documents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in documents.items():
            member = tarfile.TarInfo(f"data/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> RecordedHistory:
    documents = {f"{each}.json": document(each) for each in TYPES}
    documents["t1.micro.json"] = document("t1.micro") + b"]}"
    return RecordedHistory.read(archive(tmp_path_factory.mktemp("prices") / "a.tar.gz", documents))


@pytest.fixture(scope="module")
def ec2(history: RecordedHistory) -> Iterator[Any]:
    with serve_in_thread(7, history.newest, recorded=history) as served:
        yield _ec2(served)


def _ec2(served: RunningServer, region: str = "us-east-1") -> Any:
    return client(served, "ec2", region, served.world.accounts[0])


def rows(ec2: Any, **arguments: Any) -> list[dict[str, Any]]:
    pages = ec2.get_paginator("describe_spot_price_history").paginate(**arguments)
    return [row for page in pages for row in page["SpotPriceHistory"]]


def test_a_malformed_file_is_left_out_and_named(history: RecordedHistory) -> None:
    assert list(history.rejected) == ["t1.micro.json"]
    assert "trailing characters" in history.rejected["t1.micro.json"]
    assert (history.newest, history.region) == (LAST, "us-east-1")


def test_all_rows_come_once_in_pages_of_a_thousand_newest_first(ec2: Any) -> None:
    first = ec2.describe_spot_price_history(ProductDescriptions=["Linux/UNIX"], MaxResults=5000)
    expected = HOURS // 3 * len(TYPES) * len(ZONES)
    assert len(first["SpotPriceHistory"]) == min(1000, expected)
    found = rows(ec2, PaginationConfig={"PageSize": 1000})
    assert len(found) == expected * len(PRODUCTS)
    assert len({tuple(map(str, each.values())) for each in found}) == len(found)
    times = [each["Timestamp"] for each in found]
    assert times == sorted(times, reverse=True)


def test_a_window_has_its_rows_and_the_price_at_its_start(ec2: Any) -> None:
    start, end = LAST - timedelta(hours=10), LAST - timedelta(hours=3)
    found = rows(
        ec2,
        StartTime=start,
        EndTime=end,
        InstanceTypes=["m5.large"],
        AvailabilityZone="us-east-1b",
        ProductDescriptions=["Linux/UNIX (Amazon VPC)"],
    )
    assert [each["Timestamp"] for each in found] == [
        LAST - timedelta(hours=hour) for hour in (3, 6, 9, 12)
    ]
    assert found[0]["SpotPrice"] == "0.030030"


def test_filters_have_patterns_and_other_regions_are_empty(
    history: RecordedHistory, ec2: Any
) -> None:
    found = rows(ec2, StartTime=LAST, Filters=[{"Name": "instance-type", "Values": ["c5.*"]}])
    assert {each["InstanceType"] for each in found} == {"c5.large"}
    with pytest.raises(ClientError) as refused:
        ec2.describe_spot_price_history(NextToken="nothing")
    assert refused.value.response["Error"]["Code"] == "InvalidNextToken"


def test_another_region_has_no_record(history: RecordedHistory) -> None:
    with serve_in_thread(7, history.newest, recorded=history) as served:
        assert rows(_ec2(served, "eu-west-1")) == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"SpotPriceHistory": [{"a": 1}]}'])
def test_an_archive_without_a_response_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="no valid response"):
        RecordedHistory.read(archive(tmp_path / "b.tar.gz", {"x.json": content}))
    (tmp_path / "c.tar.gz").write_bytes(b"no archive")
    with pytest.raises(InvalidInput, match="cannot be read"):
        RecordedHistory.read(tmp_path / "c.tar.gz")


@pytest.mark.shared_data
def test_ninety_recorded_days_are_complete(shared_data: Path) -> None:
    folder = shared_data / "evaluation-only" / "az-prices"
    history = RecordedHistory.read(folder / "us-east-1-2021-03-02--2021-05-31.tar.gz")
    assert list(history.rejected) == ["t1.micro.json"]
    request = HistoryRequest(
        region="us-east-1",
        types=(),
        zones=(),
        products=(("Linux/UNIX",),),
        start_s=int(history.oldest.timestamp()),
        end_s=int(history.newest.timestamp()),
        offset=0,
        size=1000,
    )
    found = set(history.rows(history.select(request)))
    assert len(found) == 268_058
    assert len({row[:2] for row in found}) == 1_241
    pages = 1
    while request.token(len(found)):
        request = replace(request, offset=request.offset + request.size)
        pages += 1
    assert pages == 269
