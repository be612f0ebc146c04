"""Valid traces are read exactly; invalid ones are rejected and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from spotlab.domain.market import Pool
from spotlab.errors import InvalidInput
from spotlab.recorded.traces import read_panel, read_trace, read_traces
from tests.support import trace_files as files

NAN = float("nan")


@pytest.mark.parametrize("name", ["zone.json", "zone.json.gz"])
def test_counts_are_read_plain_and_gzipped(tmp_path: Path, name: str) -> None:
    trace = read_trace(files.write_counts(tmp_path / name, [0, 3, 16, None], 300))

    assert trace.name == "zone"
    assert trace.pool is None
    assert trace.started_at is None
    assert trace.gap_s == 300.0
    assert trace.available == pytest.approx([0.0, 1.0, 1.0, NAN], nan_ok=True)
    assert trace.elapsed_h == pytest.approx(np.array([0, 300, 600, 900]) / 3600)


def test_available_means_as_many_nodes_as_are_asked_for(tmp_path: Path) -> None:
    path = files.write_counts(tmp_path / "zone.json", [0, 3, 16, 8])

    assert read_trace(path, nodes=8).available.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert "8 or more nodes" in read_trace(path, nodes=8).source
    with pytest.raises(InvalidInput, match="never has 17 nodes"):
        read_trace(path, nodes=17)


def test_true_times_run_evenly_between_the_ticks_that_are_known(tmp_path: Path) -> None:
    path = files.write_rebuilt(tmp_path / "a.json", [1, None, 0, 1, 1], {1: 0.0, 3: 0.5})

    trace = read_trace(path)

    assert trace.pool == Pool("us-east-1", "us-east-1a", "p3.2xlarge")
    assert trace.started_at == files.START - timedelta(minutes=10)
    assert trace.elapsed_h * 60 == pytest.approx([0, 10, 25, 40, 50])
    assert trace.available == pytest.approx([1, NAN, 0, 1, 1], nan_ok=True)


def test_a_time_that_contradicts_the_others_is_left_out_and_said_so(tmp_path: Path) -> None:
    hours = {0: 0.0, 6: 1.0, 12: 300.0, 18: 3.0}

    trace = read_trace(files.write_rebuilt(tmp_path / "a.json", [1] * 24, hours))

    assert trace.elapsed_h[12] == pytest.approx(2.0)
    assert "that of 1 more is contradictory and ignored" in trace.source


@pytest.mark.parametrize(
    ("polarity", "available"),
    [("unavailable", [1.0, 0.0, NAN, 1.0]), ("available", [0.0, 1.0, NAN, 0.0])],
)
def test_a_csv_is_read_by_the_polarity_that_is_declared(
    tmp_path: Path, polarity: str, available: list[float]
) -> None:
    path = files.write_csv(tmp_path / "zone.csv", [0, 1, "", 0])

    trace = read_trace(path, polarity=polarity, gap_s=600.0)  # type: ignore[arg-type]

    assert trace.available == pytest.approx(available, nan_ok=True)
    assert trace.elapsed_h * 6 == pytest.approx([0, 1, 2, 3])


def test_a_csv_without_polarity_or_gap_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = files.write_csv(tmp_path / "zone.csv", [0, 1])

    with pytest.raises(InvalidInput, match="--polarity unavailable"):
        read_trace(path, gap_s=600.0)
    with pytest.raises(InvalidInput, match="--gap-s"):
        read_trace(path, polarity="unavailable")


def test_dates_in_a_csv_give_clock_and_gap(tmp_path: Path) -> None:
    times = ["2023-02-15T22:00:00Z", "2023-02-15T22:05:00+00:00", "2023-02-15T22:11:00Z"]
    path = files.write_csv(tmp_path / "zone.csv", [0, 1, 0], times)

    trace = read_trace(path, polarity="unavailable")

    assert trace.started_at == files.START
    assert trace.elapsed_h * 60 == pytest.approx([0, 5, 11])
    assert trace.gap_s == 330.0
    with pytest.raises(InvalidInput, match="330 s apart"):
        read_trace(path, polarity="unavailable", gap_s=60.0)


def test_dates_without_a_zone_tell_how_far_ticks_are_apart_and_no_more(tmp_path: Path) -> None:
    times = ["2023-02-15 22:00:00", "2023-02-15 22:05:00", "2023-02-15 22:11:00"]
    path = files.write_csv(tmp_path / "zone.csv", [0, 1, 0], times)

    trace = read_trace(path, polarity="unavailable")

    assert trace.started_at is None
    assert trace.elapsed_h * 60 == pytest.approx([0, 5, 11])
    assert "without time zone" in trace.source
    mixed = files.write_csv(tmp_path / "mixed.csv", [0, 1], [times[0], "2023-02-15 22:05:00Z"])
    with pytest.raises(InvalidInput, match="on all lines, or on none"):
        read_trace(mixed, polarity="unavailable")


def test_a_csv_may_hold_blanks_and_truth_values_and_a_time_beyond_all_dates(tmp_path: Path) -> None:
    text = "tick, time, fail\n0, 1e17, False\n1, 100000000000000600, True\n"
    path = files.write(tmp_path / "zone.csv", text)

    trace = read_trace(path, polarity="unavailable", gap_s=600.0)

    assert trace.available.tolist() == [1.0, 0.0]
    assert trace.started_at is None


@pytest.mark.parametrize("gap_s", [1e-300, 1e300])
def test_a_gap_beyond_reason_is_refused(tmp_path: Path, gap_s: float) -> None:
    with pytest.raises(InvalidInput, match="a thousandth to a year"):
        read_trace(files.write_counts(tmp_path / "zone.json", [1, 0], gap_s))
    with pytest.raises(InvalidInput, match="to a year"):
        read_trace(files.write_csv(tmp_path / "zone.csv", [1, 0]), gap_s=gap_s)


def test_times_in_another_unit_than_seconds_are_not_taken_for_seconds(tmp_path: Path) -> None:
    path = files.write_csv(tmp_path / "zone.csv", [0, 1, 0], [0, 10, 20])

    trace = read_trace(path, polarity="unavailable", gap_s=600.0)

    assert trace.elapsed_h * 6 == pytest.approx([0, 1, 2])
    assert "times from the gap" in trace.source


def test_a_tick_without_a_line_has_no_record(tmp_path: Path) -> None:
    text = "tick,time,fail\n4,0,0\n5,600,1\n8,2400,0\n"
    path = files.write(tmp_path / "zone.csv", text)

    trace = read_trace(path, polarity="unavailable", gap_s=600.0)

    assert trace.available == pytest.approx([1, 0, NAN, NAN, 1], nan_ok=True)


REBUILT = {"availability_zone": "us-east-1a", "instance_type": "p3.2xlarge", "gap_seconds": 600}
BAD_JSON: dict[str, tuple[str, str]] = {
    "no JSON": ("gap: 600", "not JSON"),
    "cut off": ('{"metadata": {"gap_seconds": 600}, "data": [1, 0', "truncated"),
    "a list": ("[1, 0]", "not a JSON object"),
    "other keys": ('{"ticks": [1, 0]}', "neither 'data' nor 'available'"),
    "data is text": ('{"metadata": {"gap_seconds": 600}, "data": "1010"}', "data is not a list"),
    "empty data": ('{"metadata": {"gap_seconds": 600}, "data": []}', "0 ticks"),
    "negative": ('{"metadata": {"gap_seconds": 600}, "data": [1, -1]}', r"data\[1\] is -1"),
    "a share": ('{"metadata": {"gap_seconds": 600}, "data": [1, 0.5]}', r"data\[1\] is 0.5"),
    "texts": ('{"metadata": {"gap_seconds": 600}, "data": [1, "0"]}', r"data\[1\] is '0'"),
    "truth values": ('{"metadata": {"gap_seconds": 600}, "data": [1, true]}', r"data\[1\] is True"),
    "not a number": ('{"metadata": {"gap_seconds": 600}, "data": [1, NaN]}', "contains NaN"),
    "infinite": ('{"metadata": {"gap_seconds": 600}, "data": [1, Infinity]}', "contains Infinity"),
    "huge": ('{"metadata": {"gap_seconds": 600}, "data": [1, 1e999]}', r"data\[1\]"),
    "no gap": ('{"metadata": {}, "data": [1, 0]}', "no metadata.gap_seconds.*--gap-s"),
    "gap of 0": ('{"metadata": {"gap_seconds": 0}, "data": [1, 0]}', "seconds, from a thousandth"),
    "gap is text": (
        '{"metadata": {"gap_seconds": "600"}, "data": [1, 0]}',
        "seconds, from a thousandth",
    ),
    "metadata is a list": ('{"metadata": [], "data": [1, 0]}', "metadata is not an object"),
    "no record": ('{"metadata": {"gap_seconds": 600}, "data": [null, null]}', "no tick has a"),
    "empty": ("  \n", "it is empty"),
    "no zone": (
        json.dumps({**REBUILT, "availability_zone": "Ireland", "available": [1, 0]}),
        "availability_zone: 'Ireland' is not an availability zone",
    ),
    "no time": (
        json.dumps({**REBUILT, "available": [1, 0], "tick_times": [{"tick": 0, "time": "soon"}]}),
        r"tick_times\[0\].time is 'soon'",
    ),
    "time without zone": (
        json.dumps(
            {**REBUILT, "available": [1, 0], "tick_times": [{"tick": 0, "time": "2023-02-15"}]}
        ),
        "time zone",
    ),
    "tick beyond": (
        json.dumps(
            {**REBUILT, "available": [1, 0], "tick_times": [{"tick": 2, "time": "2023-02-15"}]}
        ),
        "a tick from 0 to 1",
    ),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_malformed_json_is_refused_by_file_and_place(tmp_path: Path, case: str) -> None:
    text, wrong = BAD_JSON[case]
    path = files.write(tmp_path / "zone.json", text)

    with pytest.raises(InvalidInput, match=wrong) as refused:
        read_trace(path)
    assert str(path) in refused.value.message


def test_times_that_run_backwards_are_refused(tmp_path: Path) -> None:
    path = files.write_rebuilt(tmp_path / "a.json", [1] * 20, {0: 5.0, 6: 3.0, 12: 1.0})

    with pytest.raises(InvalidInput, match="ticks 0 and 6 do not fit a gap of 600 s"):
        read_trace(path)


BAD_CSV: dict[str, tuple[str, str]] = {
    "other columns": ("time,fail\n0,1\n", "lacks tick"),
    "one line": ("tick,time,fail\n0,0,1\n", "1 ticks"),
    "fail is 2": ("tick,time,fail\n0,0,1\n1,600,2\n", "line 3 has fail '2'"),
    "fail is text": ("tick,time,fail\n0,0,no\n1,600,0\n", "line 2 has fail 'no'"),
    "tick is text": ("tick,time,fail\na,0,1\n", "line 2 has tick 'a'"),
    "tick is negative": ("tick,time,fail\n-1,0,1\n", "line 2 has tick '-1'"),
    "ticks fall": ("tick,time,fail\n5,0,1\n4,600,0\n", "line 3 has tick 4 after 5"),
    "a tick twice": ("tick,time,fail\n5,0,1\n5,600,0\n", "line 3 has tick 5 after 5"),
    "times fall": ("tick,time,fail\n0,600,1\n1,0,0\n", "line 3 is not later"),
    "time is NaN": ("tick,time,fail\n0,0,1\n1,nan,0\n", "line 3 has time 'nan'"),
    "ticks span too much": ("tick,time,fail\n0,0,1\n99000000,9,0\n", "ticks span"),
    "more fields": ("tick,time,fail\n0,0,1,1\n1,600,0\n", "more or fewer fields"),
    "fewer fields": ("tick,time,fail\n0,0\n1,600,0\n", "more or fewer fields"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_malformed_csv_is_refused_by_file_and_line(tmp_path: Path, case: str) -> None:
    text, wrong = BAD_CSV[case]
    path = files.write(tmp_path / "zone.csv", text)

    with pytest.raises(InvalidInput, match=wrong) as refused:
        read_trace(path, polarity="unavailable", gap_s=600.0)
    assert str(path) in refused.value.message


def damage(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    return path


def truncate(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-12])
    return path


@pytest.mark.parametrize(
    ("spoil", "wrong"), [(truncate, "truncated"), (damage, "corrupt|JSON")], ids=["cut", "damaged"]
)
def test_spoilt_gzip_is_refused(tmp_path: Path, spoil: Callable[[Path], Path], wrong: str) -> None:
    data = files.ups_and_downs(400, 3)
    path = spoil(files.write_counts(tmp_path / "zone.json.gz", data))

    with pytest.raises(InvalidInput, match=wrong):
        read_trace(path)


def test_a_file_over_the_limit_is_refused_though_it_is_small_on_disk(tmp_path: Path) -> None:
    path = files.write_counts(tmp_path / "zone.json.gz", [0] * 100_000)
    assert path.stat().st_size < 10_000

    with pytest.raises(InvalidInput, match=r"over 0\.2 MB"):
        read_trace(path, max_bytes=200_000)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.json"):
        read_trace(tmp_path / "nowhere.json")


def test_two_gaps_for_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="300, but --gap-s is 600"):
        read_trace(files.write_counts(tmp_path / "zone.json", [1, 0], 300), gap_s=600.0)


def test_a_folder_is_a_panel_whose_zones_share_their_ticks(tmp_path: Path) -> None:
    files.write_rebuilt(tmp_path / "a.json", [1] * 60, {0: 0.0, 50: 50 / 6})
    files.write_rebuilt(tmp_path / "b.json.gz", [0] * 60, {0: 0.0, 30: 5.01, 50: 50 / 6})

    together = read_panel(tmp_path)
    files.write_counts(tmp_path / "deeper" / "c.json", [1, 0])

    assert [trace.name for trace in read_traces(tmp_path)] == ["a", "b", "c"]
    assert together.names == ("a", "b")
    assert not np.isnan(together.available).any()
    with pytest.raises(InvalidInput, match="folder has no trace"):
        read_traces([tmp_path / "a.json", (tmp_path / "empty").mkdir() or tmp_path / "empty"])


def test_folders_without_dates_are_not_taken_for_one_campaign(tmp_path: Path) -> None:
    for year in ("2022", "2023"):
        files.write_counts(tmp_path / year / f"{year}.json", [1, 0])

    assert read_panel(tmp_path / "2022").names == ("2022",)
    with pytest.raises(InvalidInput, match="its traces are from 2 folders"):
        read_panel(tmp_path)


@pytest.mark.shared_data
def test_the_rebuilt_campaign_tells_the_same_as_the_complete_one(shared_data: Path) -> None:
    rebuilt = read_panel(shared_data / "traces" / "availability-2023-02-15")
    complete = read_panel(
        shared_data / "evaluation-only/traces/spot-traces-availability/1-node/aws-02-15-2023"
    )

    assert rebuilt.available.shape == complete.available.shape == (20_158, 9)
    known = ~np.isnan(rebuilt.available)
    assert known.mean() > 0.95
    assert np.array_equal(rebuilt.available[known], complete.available[known])
    assert rebuilt.elapsed_h[-1] - complete.elapsed_h[-1] == pytest.approx(1.4, abs=0.2)
    assert all(pool and pool.instance_type == "p3.2xlarge" for pool in rebuilt.pools)
