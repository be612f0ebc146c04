"""Price histories of all formats are read into the archive's columns."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spotlab.domain.market import FEED_COLUMNS, FeedKind
from spotlab.errors import InvalidInput
from spotlab.recorded.price_history import read_price_history
from tests.support import trace_files as files


def record(hour: int, price: str = "0.05", product: str = "Linux/UNIX", **other: Any) -> Any:
    return {
        "AvailabilityZone": "us-east-1a",
        "InstanceType": "m5.large",
        "ProductDescription": product,
        "SpotPrice": price,
        "Timestamp": f"2021-05-30T{hour:02}:00:00+00:00",
        **other,
    }


def write_archive(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(f"data/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("form", ["response", "list of responses", "list of records"])
def test_a_response_becomes_change_points(tmp_path: Path, form: str) -> None:
    records = [
        record(3, "0.06"),
        record(1),
        record(2),
        record(4, "0.06"),
        record(1, "9", "Windows"),
    ]
    document = {
        "response": {"SpotPriceHistory": records},
        "list of responses": [{"SpotPriceHistory": records[:2]}, {"SpotPriceHistory": records[2:]}],
        "list of records": records,
    }[form]

    read = read_price_history(files.write_json(tmp_path / "m5.json", document))

    assert tuple(read.rows.columns) == FEED_COLUMNS[FeedKind.PRICE_HISTORY]
    assert read.rows["event_time"].dt.hour.tolist() == [1, 3, 4]
    assert read.rows["spot_price_usd_per_hour"].tolist() == [0.05, 0.06, 0.06]
    assert str(read.rows["event_time"].dt.tz) == "UTC"
    assert set(read.rows["region"]) == {"us-east-1"}
    assert set(read.rows["operating_system"]) == {"Linux"}


def test_a_malformed_file_of_an_archive_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = write_archive(
        tmp_path / "prices.tar.gz",
        {
            "m5.large.json": json.dumps({"SpotPriceHistory": [record(1)]}),
            "t1.micro.json": '{"SpotPriceHistory": []}\n{"SpotPriceHistory": []}',
            "notes.txt": "not prices",
        },
    )

    read = read_price_history(path)

    assert len(read.rows) == 1
    assert len(read.rejected) == 1
    assert "t1.micro.json" in read.rejected[0]


def test_csv_is_read(tmp_path: Path) -> None:
    header = "availability_zone,instance_type,product_description,timestamp,usd_per_hour"
    lines = [
        "eu-central-1a,p2.8xlarge,Linux/UNIX,2019-12-22T08:57:09.000Z,10.6",
        "us-west-2-lax-1a,p3.2xlarge,Linux/UNIX,2019-12-22T08:57:09.000Z,3.0",
    ]

    read = read_price_history(files.write(tmp_path / "p.csv.gz", "\n".join([header, *lines])))

    assert read.rows["region"].tolist() == ["eu-central-1", "us-west-2"]
    assert read.rows["event_time"].iloc[0] == pd.Timestamp("2019-12-22 08:57:09", tz="UTC")


BAD: dict[str, tuple[Any, str]] = {
    "other shape": ({"Prices": []}, "no SpotPriceHistory"),
    "no list": ({"SpotPriceHistory": "none"}, "SpotPriceHistory is not a list"),
    "nothing": ({"SpotPriceHistory": []}, "no Linux/UNIX price"),
    "record is text": ({"SpotPriceHistory": ["0.05"]}, "record 0 is not an object"),
    "no zone": ([record(1, AvailabilityZone=None)], "record 0 has no AvailabilityZone"),
    "bad zone": ([record(1, AvailabilityZone="Ireland")], "'Ireland' is not an availability zone"),
    "bad type": ([record(1, InstanceType="large")], "is not an instance type"),
    "price is text": ([record(1, "cheap")], "record 0 has price 'cheap'"),
    "price is 0": ([record(1), record(2, "0")], "record 1 has price '0'"),
    "price is NaN": ([record(1, "nan")], "record 0 has price 'nan'"),
    "two prices": ([record(1), record(1, "0.06")], "two prices"),
    "no time": ([record(1, Timestamp="then")], "'then', not a time"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_malformed_response_is_refused_by_file_and_place(tmp_path: Path, case: str) -> None:
    document, wrong = BAD[case]
    path = files.write_json(tmp_path / "m5.json", document)

    with pytest.raises(InvalidInput, match=wrong) as refused:
        read_price_history(path)
    assert str(path) in refused.value.message


@pytest.mark.shared_data
def test_the_recorded_zone_prices_are_98_pools(shared_data: Path) -> None:
    rows = read_price_history(shared_data / "az-prices" / "2019-12-20--2020-03-23.csv.gz").rows

    assert rows.groupby(["availability_zone", "instance_type"]).ngroups == 98
