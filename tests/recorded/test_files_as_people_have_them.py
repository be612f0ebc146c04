"""Recorded files in the forms that tools write them, with odd records among good ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotlab.cli.recorded_data import DATA
from spotlab.errors import InvalidInput
from spotlab.recorded import spotlake
from spotlab.recorded.formats import recognise_format
from spotlab.recorded.pool_prices import read_pool_prices
from spotlab.recorded.price_history import CSV_COLUMNS, read_price_history
from spotlab.recorded.spotlake import read_spotlake
from spotlab.recorded.traces import read_trace
from spotlab.recorded.zone_names import read_zone_ids
from spotlab.settings import load
from tests.support import trace_files as files

ZONES = {
    "AvailabilityZones": [
        {"ZoneName": "us-east-1b", "ZoneId": "use1-az6", "State": "available"},
        {"ZoneName": "us-east-1a", "ZoneId": "use1-az4", "State": "available"},
    ]
}


def record(number: int, price: str = "0.05", **fields: Any) -> dict[str, Any]:
    return {
        "AvailabilityZone": "us-east-1a",
        "InstanceType": "m5.large",
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": price,
        "Timestamp": f"2025-01-{1 + number // 24:02}T{number % 24:02}:00:00+00:00",
    } | fields


def many(count: int = 200) -> list[dict[str, Any]]:
    return [record(number, f"0.{500 + number}") for number in range(count)]


def as_text(records: list[dict[str, Any]]) -> str:
    """As the AWS CLI writes it: the values in the order of their names."""
    rows = [["SPOTPRICEHISTORY", *(each[name] for name in sorted(each))] for each in records]
    return "\n".join(["\t".join(row) for row in rows] + ["NEXTTOKEN\tabc"])


@pytest.mark.parametrize(
    "form", ["json", "list", "lines", "lines of pages", "text", "text with ids"]
)
def test_every_output_of_the_aws_cli_reads_the_same(tmp_path: Path, form: str) -> None:
    records = many(30)
    with_ids = [each | {"AvailabilityZoneId": "use1-az4"} for each in records]
    content = {
        "json": json.dumps({"SpotPriceHistory": records}, indent=4),
        "list": json.dumps(records),
        "lines": "\n".join(map(json.dumps, records)),
        "lines of pages": "\n".join(
            json.dumps({"SpotPriceHistory": part}) for part in (records[:9], records[9:])
        ),
        "text": as_text(records),
        "text with ids": as_text(with_ids),
    }[form]
    path = files.write(tmp_path / "prices.gz", content)

    read = read_price_history(path)

    assert recognise_format(path).name == "price-history"
    assert read.rejected == ()
    assert read.rows["spot_price_usd_per_hour"].tolist() == [
        float(f"0.{500 + n}") for n in range(30)
    ]
    assert set(read.rows["availability_zone"]) == {"us-east-1a"}


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (record(300, "0"), "price '0'"),
        (record(300) | {"SpotPrice": None}, "has no SpotPrice as text"),
        (record(300) | {"SpotPrice": 0.05}, "has no SpotPrice as text"),
        (record(7, "0.9"), "two prices at 2025-01-01T07:00:00+00:00, 0.507 and 0.9, of which"),
        (record(300, AvailabilityZone="us-east-1-wl1-bos-wlz-1"), "is a Wavelength Zone"),
        (record(300, AvailabilityZone="use1-az6"), "the zone id use1-az6, whose name depends on"),
        (record(300, Timestamp="today"), "'today', not a time"),
        (None, "is not an object"),
    ],
)
@pytest.mark.parametrize("form", ["json", "lines"])
def test_one_odd_record_is_set_aside(tmp_path: Path, odd: Any, reason: str, form: str) -> None:
    records = [*many(), odd]
    lines = "\n".join(map(json.dumps, records))
    content = json.dumps(records) if form == "json" else lines

    read = read_price_history(files.write(tmp_path / "prices.json", content))

    assert len(read.rows) == 200
    assert len(read.rejected) == 1
    assert reason in read.rejected[0]
    if odd == record(7, "0.9"):
        assert read.rows["spot_price_usd_per_hour"].max() == 0.9


def test_a_truncated_last_line_is_set_aside(tmp_path: Path) -> None:
    content = "\n".join(map(json.dumps, many()))[:-20]
    read = read_price_history(files.write(tmp_path / "prices.jsonl", content))
    assert len(read.rows) == 199
    assert "line 200" in read.rejected[0]


def test_zone_ids_become_the_accounts_names(tmp_path: Path) -> None:
    zones = read_zone_ids(files.write_json(tmp_path / "zones.json", ZONES))
    records = [each | {"AvailabilityZone": "use1-az6"} for each in many()]
    only_ids = [each | {"AvailabilityZoneId": "use1-az4"} for each in many()]
    for each in only_ids:
        del each["AvailabilityZone"]
    path = files.write_json(tmp_path / "prices.json", records)

    assert set(read_price_history(path, zone_ids=zones).rows["availability_zone"]) == {"us-east-1b"}
    path = files.write_json(tmp_path / "ids.json", only_ids)
    assert set(read_price_history(path, zone_ids=zones).rows["availability_zone"]) == {"us-east-1a"}
    with pytest.raises(InvalidInput, match="--zone-ids FILE"):
        read_price_history(path)


@pytest.mark.parametrize(
    ("document", "wrong"),
    [({}, "no AvailabilityZones"), ({"AvailabilityZones": [{"ZoneId": "use1-az6"}]}, "element 0")],
)
def test_a_file_without_zone_ids_is_refused(tmp_path: Path, document: Any, wrong: str) -> None:
    with pytest.raises(InvalidInput, match=wrong):
        read_zone_ids(files.write_json(tmp_path / "zones.json", document))


def test_a_probe_csv_without_a_header_line(tmp_path: Path) -> None:
    lines = [f"{tick % 2},{tick},{600 * tick}" for tick in range(20)]
    path = files.write(tmp_path / "probes.csv", "\n".join(lines))
    columns = ("fail", "tick", "time")

    trace = read_trace(path, polarity="unavailable", gap_s=600, columns=columns)

    assert trace.available.tolist() == [1.0, 0.0] * 10
    assert recognise_format(path, columns).name == "trace-csv"
    with pytest.raises(InvalidInput, match=r"its first line is a record.*--columns"):
        read_trace(path, polarity="unavailable", gap_s=600)
    with pytest.raises(InvalidInput, match="it lacks time"):
        read_trace(path, polarity="unavailable", gap_s=600, columns=("fail", "tick", "at"))


def test_a_declared_header_line_is_no_record(tmp_path: Path) -> None:
    path = files.write(tmp_path / "probes.csv", "tick,time,fail\n0,0,1\n1,600,0\n")
    columns = ("tick", "time", "fail")
    trace = read_trace(path, polarity="available", gap_s=600, columns=columns)
    assert trace.available.tolist() == [1.0, 0.0]


LAKE = "savings,IF,spotprice,SPS,AZ,ONDEMANDPRICE,t2,T3,region,InstanceType,time,Note"


def lake(number: int, price: str = "0.04", zone: str = "use1-az6") -> str:
    time = f"2024-05-01 {number:02}:00:00"
    return f"60,2.5,{price},3,{zone},0.096,-1,\u22121,us-east-1,m5.large,{time},x"


def test_a_spotlake_export_in_any_order_and_letter_case(tmp_path: Path) -> None:
    path = files.write(tmp_path / "lake.csv", "\n".join([LAKE, lake(1), lake(2, "-1.00")]))
    zones = read_zone_ids(files.write_json(tmp_path / "zones.json", ZONES))

    read = read_spotlake(path, zone_ids=zones)

    assert recognise_format(path).name == "spotlake"
    assert read.rows["availability_zone"].tolist() == ["us-east-1b", "us-east-1b"]
    assert read.rows["spot_price_usd_per_hour"].isna().tolist() == [False, True]
    assert np.isnan(read.rows[["nodes_at_score_3", "nodes_at_score_2"]].to_numpy()).all()
    assert read_spotlake(path).rows["availability_zone"].tolist() == ["use1-az6", "use1-az6"]


def test_repeated_spotlake_lines_are_told(tmp_path: Path) -> None:
    lines = [LAKE, lake(1), lake(2), lake(1), lake(2)]
    read = read_spotlake(files.write(tmp_path / "lake.csv", "\n".join(lines)))
    assert len(read.rows) == 2
    assert [text.split(": ")[1] for text in read.rejected] == [
        "line 4 repeats line 2.",
        "line 5 repeats line 3.",
    ]


def test_a_spotlake_line_with_other_values_for_the_same_time_is_set_aside(tmp_path: Path) -> None:
    good = [lake(hour % 24, zone=f"use1-az{hour // 24}") for hour in range(120)]
    lines = [LAKE, *good, lake(0, "0.07", "use1-az0")]
    read = read_spotlake(files.write(tmp_path / "lake.csv", "\n".join(lines)))
    assert len(read.rows) == 120
    assert "line 122 has other values than line 2 for the same time and pool" in read.rejected[0]


def test_a_spotlake_column_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the column Time 2 times"):
        read_spotlake(files.write(tmp_path / "lake.csv", f"{LAKE},TIME\n{lake(1)},x\n"))


def test_the_command_says_what_was_not_used(tmp_path: Path) -> None:
    zones = files.write_json(tmp_path / "zones.json", ZONES)
    records = [each | {"AvailabilityZone": "use1-az6"} for each in many()]
    path = files.write_json(tmp_path / "prices.json", [*records, record(300, "0")])
    parser = argparse.ArgumentParser()
    DATA.arguments(parser)
    args = parser.parse_args([str(path), "--zone-ids", str(zones)])

    result = DATA.run(args, load(home=tmp_path))

    assert "200 rows" in result.text
    assert "not used:" in result.text
    assert len(result.document["files"][0]["refused"]) == 1


def test_price_histories_and_spotlake_exports_without_a_header_line(tmp_path: Path) -> None:
    lines = [
        f"{r['AvailabilityZone']},{r['InstanceType']},Linux/UNIX,{r['Timestamp']},{r['SpotPrice']}"
        for r in many()
    ]
    for content in ("\n".join(lines), "\n".join([",".join(CSV_COLUMNS), *lines])):
        path = files.write(tmp_path / "prices.csv", content)
        assert recognise_format(path, CSV_COLUMNS).name == "price-history"
        assert len(read_price_history(path, columns=CSV_COLUMNS).rows) == 200

    columns = [*map(str.lower, spotlake.CSV_COLUMNS)]
    line = "2024-05-01 12:00:00,m5.large,us-east-1,use1-az6,3,50,50,3.0,0.096,0.04,58"
    for content in (line, f"{','.join(columns)}\n{line}"):
        path = files.write(tmp_path / "spotlake.csv", content)
        assert recognise_format(path, columns).name == "spotlake"
        rows = read_spotlake(path, columns=columns, zone_ids={"use1-az6": "us-east-1b"}).rows
        assert rows["availability_zone"].tolist() == ["us-east-1b"]


def test_a_trace_names_its_pool_by_zone_id(tmp_path: Path) -> None:
    document = {
        "gap_seconds": 600,
        "available": [1, 1, 0, 1],
        "availability_zone": "use1-az6",
        "instance_type": "p3.2xlarge",
    }
    path = files.write_json(tmp_path / "trace.json", document)
    with pytest.raises(InvalidInput, match="the zone id use1-az6, whose name depends on the acc"):
        read_trace(path)
    pool = read_trace(path, zone_ids={"use1-az6": "us-east-1b"}).pool
    assert pool is not None
    assert (pool.region, pool.availability_zone) == ("us-east-1", "us-east-1b")


@pytest.mark.parametrize("zone", ["us-east-1-wl1-bos-wlz-1", "us-east-1"])
def test_a_trace_of_no_availability_zone_is_refused(tmp_path: Path, zone: str) -> None:
    document = {
        "gap_seconds": 600,
        "available": [1, 0],
        "availability_zone": zone,
        "instance_type": "p3.2xlarge",
    }
    with pytest.raises(InvalidInput, match=r"is a Wavelength Zone|not an availability zone"):
        read_trace(files.write_json(tmp_path / "trace.json", document))


def test_prices_of_pools_without_a_header_line(tmp_path: Path) -> None:
    path = files.write(tmp_path / "prices.csv", "east,0.918\nwest,0.95")
    prices = read_pool_prices(path, ["west", "east"], ("trace", "spot_usd_per_hour"))
    assert prices.spot_usd_per_hour.tolist() == [0.95, 0.918]
